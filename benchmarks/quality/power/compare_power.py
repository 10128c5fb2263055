"""Power of detection: losses planted in real streams, found by our pages, by NannyML and by Evidently.

A model is trained on earlier rows, and answers the held-out rows. Streams of them run through real days in
their order (rain), or are drawn independently (burn rate). A loss begins after 30 days, at once or growing
linearly over 30 days: accuracy falls by flipped labels, the absolute error grows by a factor on each error
(concept drift, invisible without labels), or harder rows come, by the model's own expectation. Labels come
on the same day, and everything is evaluated at the end of a day, or of a week for the others.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from benchmarks.quality import report
from benchmarks.quality.expected.models import MonitoredModel, build_models
from benchmarks.quality.power import pages, peers
from benchmarks.quality.power.day_sums import sum_days
from benchmarks.quality.power.losses import (
    CONCEPT,
    COVARIATE,
    HISTORY_DAYS,
    Loss,
    Streams,
    apply_loss,
    build_streams,
    can_plant,
)
from benchmarks.quality.power.pool import (
    Array,
    Pool,
    build_production_pool,
    build_reference_pool,
    draw_streams,
)

from servicio_ml.features.profile import ReferenceProfile

USE_CASES = ("rain_australia", "employee_burn_rate")
ROWS_PER_MONTH = (300, 1000, 10_000)
CLASS_LOSSES, ERROR_LOSSES = (0.02, 0.04, 0.06, 0.10), (0.10, 0.25, 0.50)
STREAMS, CHECKED = 200, 5
YEARS, REFERENCE_YEARS, YEAR_DAYS = 400, 20, 364
LOSS_DAYS, SOON = 30, 7
BLOCK_ROWS = 2_000_000
"""Maximum number of rows of streams that are drawn at a time."""
SEED = 19
PAGES = 2
"""Number of the detectors that page by default; they come first."""
DETECTORS = (
    "page, labels", "page, no labels", "tight limit, labels", "tight limit, no labels", "NannyML, labels",
    "NannyML, no labels", "Evidently, prediction", "Evidently, target",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitors:
    """All monitors of a model at some number of rows a month.

    Attributes:
        pool: Production rows.
        reference: Reference of ours.
        weeks: Metric of the reference's weeks, for NannyML.
        columns: References of Evidently, by column.
    """

    pool: Pool
    reference: ReferenceProfile
    weeks: Array
    columns: Mapping[str, peers.ColumnReference]

    def detect(self, streams: Streams) -> list[Array]:
        """Find the days `[streams, days]` after the history with an alert, for each of `DETECTORS`."""
        sums, days = sum_days(self.pool, streams), streams.rows.shape[1] - HISTORY_DAYS
        policy = self.reference.policy
        found = [
            pages.find_pages(sums, each, source)
            for each in (policy, pages.build_tight_policy(policy))
            for source in pages.SOURCES
        ]
        for source in pages.SOURCES:
            metrics = peers.compute_week_metric(sums, source)
            found.append(peers.find_outside(metrics, self.weeks, days))
        for name, column in self.columns.items():
            distances = column.measure(peers.select_weeks(self.pool, streams, name))
            found.append(peers.place_weeks(distances >= peers.DISTANCE, days))
        return found

    def check_columns(self, streams: Streams) -> None:
        """Check the distances of the first week of streams against Evidently's own."""
        for name, column in self.columns.items():
            peers.check_distance(column, peers.select_weeks(self.pool, streams, name)[:, 0])


def measure_power(given: argparse.Namespace) -> None:
    """Write a line for each loss, and one for each number of rows a month without a loss."""
    lines = report.MarkdownTable(
        given.output, "use case", "rows a month", "cause", "loss", "begins", *DETECTORS
    )
    years = report.MarkdownTable(
        given.output.with_suffix(".years.md"), "use case", "rows a month", "years", "any page", *DETECTORS
    )
    for name in given.names or USE_CASES:
        model = next(build_models(name, given.data))
        pool, reference = build_production_pool(model), build_reference_pool(model)
        print_setting(model, pool, reference)
        for per_month in ROWS_PER_MONTH:
            rng = np.random.default_rng([SEED, per_month])
            monitors = build_monitors(model, pool, reference, rng, per_month)
            streams = build_streams(
                pool, rng, draw_streams(pool, rng, STREAMS, HISTORY_DAYS + LOSS_DAYS, per_month)
            )
            for loss in list_losses(pool):
                changed = apply_loss(pool, streams, loss)
                pages.check_pages(pool, monitors.reference, select_some(changed), rng)
                begins = "gradually" if loss.is_gradual else "at once"
                size = f"−{loss.size:.2f}" if pool.has_classes else f"+{loss.size:.0%}"
                found = map(describe, monitors.detect(changed))
                lines.add(name, f"{per_month:,}", loss.cause, size, begins, *found)
            monitors.check_columns(select_some(changed))
            rates = measure_years(monitors, rng, per_month)
            years.add(name, f"{per_month:,}", YEARS, *(f"{each:.1%}" for each in rates))


def select_some(streams: Streams) -> Streams:
    """Select the streams whose decisions are checked."""
    return Streams(**{name: getattr(streams, name)[:CHECKED] for name in Streams.__slots__})


def print_setting(model: MonitoredModel, pool: Pool, reference: Pool) -> None:
    kind = "wrong" if pool.has_classes else "mean absolute error"
    days = max(len(pool.day_starts) - 1, 0)
    values = (pool.losses.mean(), pool.doubt.mean(), reference.losses.mean())
    realised, expected, before = (f"{each:.4f}" for each in values)
    print(
        f"{model.use_case.name}: {len(pool.truth):,} rows, {days:,} days, {kind} {realised}, "
        f"expected {expected}, reference {before}",
        flush=True,
    )


def build_monitors(
    model: MonitoredModel, pool: Pool, reference: Pool, rng: np.random.Generator, per_month: int
) -> Monitors:
    values = {"prediction": reference.predictions.binned_values, "target": reference.truth}
    rows = draw_blocks(reference, rng, REFERENCE_YEARS, per_month)
    weeks = [
        peers.compute_week_metric(sum_days(reference, build_plain_streams(reference, each)), "realised")
        for each in rows
    ]
    return Monitors(
        pool=pool, reference=model.artifact.reference, weeks=np.concatenate(weeks),
        columns={
            name: peers.build_column_reference(
                values[name], classes=name == "target" and pool.has_classes
            )
            for name in peers.COLUMNS
        },
    )  # fmt: skip


def draw_blocks(pool: Pool, rng: np.random.Generator, years: int, per_month: int) -> Iterator[Array]:
    """Draw years with their history in blocks of streams."""
    days = HISTORY_DAYS + YEAR_DAYS
    size = max(BLOCK_ROWS // (days * per_month // LOSS_DAYS), 1)
    for start in range(0, years, size):
        yield draw_streams(pool, rng, min(size, years - start), days, per_month)


def build_plain_streams(pool: Pool, rows: Array) -> Streams:
    """Build streams that no loss is planted in."""
    nothing = np.empty((0, 0, 0))
    return Streams(rows=rows, truth=pool.truth[rows], chance=nothing, harder=nothing)


def measure_years(monitors: Monitors, rng: np.random.Generator, per_month: int) -> Array:
    """Measure the share (0–1) of the years without a loss that have any page, then an alert of each."""
    found = [
        np.array([each.any(axis=1) for each in monitors.detect(build_plain_streams(monitors.pool, rows))])
        for rows in draw_blocks(monitors.pool, rng, YEARS, per_month)
    ]
    alerts = np.concatenate(found, axis=1)
    return np.asarray(np.vstack([alerts[:PAGES].any(axis=0), alerts]).mean(axis=1))


def list_losses(pool: Pool) -> list[Loss]:
    """List the losses that can be planted in streams of these rows."""
    losses = [
        Loss(cause=cause, size=size, is_gradual=is_gradual)
        for cause in (CONCEPT, COVARIATE)
        for size in (CLASS_LOSSES if pool.has_classes else ERROR_LOSSES)
        for is_gradual in (False, True)
    ]
    return [each for each in losses if can_plant(pool, each)]


def describe(alerts: Array) -> str:
    """Write the share found within 7 and 30 days, and the median days of those found."""
    days = np.where(alerts.any(axis=1), alerts.argmax(axis=1) + 1, np.inf)
    known = days[days <= LOSS_DAYS]
    median = f"{np.median(known):.0f} d" if len(known) else "–"
    return f"{(days <= SOON).mean():.0%} / {(days <= LOSS_DAYS).mean():.0%} / {median}"
