"""Pages of ours: `PerformanceLow` and `ExpectedPerformanceLow` of every day of streams.

The alerts' conditions on arrays, since there are millions of windows. `check_pages` compares them with
`compute_performance`, by which `servicio-ml drift` decides as the alerts do.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from benchmarks.quality.power.day_sums import DaySums, sum_days
from benchmarks.quality.power.losses import HISTORY_DAYS, Streams
from benchmarks.quality.power.pool import Array, Pool
from monitoring.rule import parse_milliseconds
from monitoring.thresholds import CONFIDENCE_DEVIATIONS, MIN_ALERT_WINDOW, MIN_ROWS, WINDOWS

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.output import BINARY_CLASSES
from servicio_ml.features.performance.error_sums import ErrorSums
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.pipeline.drift.expectation import WindowExpectation, compute_expected_confusion
from servicio_ml.pipeline.drift.performance import compute_performance

DAY = parse_milliseconds("1d")
WINDOW_DAYS = tuple(
    parse_milliseconds(each) // DAY
    for each in WINDOWS
    if parse_milliseconds(each) >= parse_milliseconds(MIN_ALERT_WINDOW)
)
"""Lengths of the alerts' windows, in days."""
SOURCES = ("realised", "expected")
TIGHT_MAE_GROWTH = 0.05
"""Without a margin, 2 to 7 % of the years of independent rows have a page."""
LIMITED = {"accuracy", "f1_macro", "mae"}
"""Metrics with a limit."""


def find_pages(sums: DaySums, policy: DriftPolicy, source: str) -> Array:
    """Find the days `[streams, days]` on which any metric is beyond its limit in any window."""
    windows = [find_beyond(sums.sum_windows(days), policy, source) for days in WINDOW_DAYS]
    return np.asarray(np.any(windows, axis=0))


def find_beyond(window: DaySums, policy: DriftPolicy, source: str) -> Array:
    """Find the windows `[streams, days]` in which any metric is beyond its limit."""
    sums = getattr(window, source)
    unseen: dict[str, Any] = {name: values / window.rows for name, values in window.unseen.items()}
    # a limit is linear in the value, so that of the mean is the mean of the seasons' limits
    limits: dict[str, Any] = {
        metric: policy.compute_limit(metric, values) for metric, values in unseen.items() if metric in LIMITED
    }
    if window.has_classes:
        return _find_low_classes(window.rows, sums, limits, policy.design_effect)
    mean = sums[..., 0] / window.rows
    variance = np.maximum(sums[..., 1] / window.rows - mean**2, 0) / window.rows
    chance = CONFIDENCE_DEVIATIONS * np.sqrt(policy.design_effect * variance)
    return np.asarray((window.rows >= MIN_ROWS) & ~(mean <= limits["mae"] + chance))


def _find_low_classes(rows: Array, cells: Array, limits: dict[str, Any], design_effect: float) -> Array:
    right, actual = np.einsum("...ii->...i", cells), cells.sum(axis=-2)
    limit = limits["accuracy"]
    chance = CONFIDENCE_DEVIATIONS * np.sqrt(design_effect * limit * (1 - limit) / rows)
    low = (rows >= MIN_ROWS) & ~(right.sum(axis=-1) / rows >= limit - chance)
    sides = np.maximum(actual + cells.sum(axis=-1), 1)  # below the minimum of rows nothing is decided
    slope = 2 * right / sides**2
    change = -slope[..., :, None] - slope[..., None, :]
    change = change + np.eye(BINARY_CLASSES) * (2 / sides)[..., None]
    variance = (cells * change**2).sum(axis=(-2, -1)) / BINARY_CLASSES**2
    chance = CONFIDENCE_DEVIATIONS * np.sqrt(design_effect * variance)
    f1 = (2 * right / sides).mean(axis=-1)
    return np.asarray(low | ((actual.min(axis=-1) >= MIN_ROWS) & ~(f1 >= limits["f1_macro"] - chance)))


def check_pages(pool: Pool, reference: ReferenceProfile, streams: Streams, rng: np.random.Generator) -> None:
    """Compare random windows of some streams with the platform's own decisions.

    Raises:
        SystemExit: One differs.
    """
    sums = sum_days(pool, streams)
    for days in WINDOW_DAYS:
        window = sums.sum_windows(days)
        found = {source: find_beyond(window, reference.policy, source) for source in SOURCES}
        for stream in range(len(streams.rows)):
            day = int(rng.integers(window.rows.shape[1]))
            end = HISTORY_DAYS + day + 1
            part = (stream, slice(end - days, end))
            wanted = decide(pool, reference, streams.rows[part].ravel(), streams.truth[part].ravel())
            if any(wanted[source] != found[source][stream, day] for source in SOURCES):
                raise SystemExit("the platform decides otherwise on a window of rows")


def decide(pool: Pool, reference: ReferenceProfile, rows: Array, truth: Array) -> dict[str, bool]:
    """Decide about one window by the platform's function."""
    answers = pool.predictions.select(rows)
    errors = pool.errors[rows]
    sums = ErrorSums(
        rows=len(rows), absolute=errors.sum(), squared=pool.squared_ratio * float(errors @ errors)
    )
    expected = WindowExpectation(
        confusion=compute_expected_confusion(answers, BINARY_CLASSES),
        errors=None if pool.has_classes else sums,
    )
    results = compute_performance(
        reference, reference.count_seasons(pool.fields[rows]), expected,
        LabelledSample(truth=truth, answers=answers),
    )  # fmt: skip
    return {source: any(each.beyond for each in results if each.source == source) for source in SOURCES}


def build_tight_policy(policy: DriftPolicy) -> DriftPolicy:
    """Build the policy of a use case that wants to know of losses which are hardly more than chance."""
    return replace(
        policy, max_accuracy_loss=0.0, max_f1_macro_loss=0.0, max_mae_growth=TIGHT_MAE_GROWTH
    )  # fmt: skip
