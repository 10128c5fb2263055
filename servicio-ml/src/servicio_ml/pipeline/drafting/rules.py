"""Rules of a draft that depend on its rows: the test's share, the conditions of a promotion, drift."""

from math import sqrt

import numpy as np
import polars as pl

from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.pipeline.drafting.dates.time_order import has_seasons
from servicio_ml.pipeline.drafting.evidence import Evidence
from servicio_ml.pipeline.drafting.groups import compute_likeness
from servicio_ml.pipeline.drafting.matrix import Numbers, build_problem
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

TEST_SHARE, TEST_ROWS = 0.2, 60
"""Usual share of the test rows, and their minimum number: twice what a comparison of models needs."""
MARGIN, CALIBRATION_ERROR = 0.005, 0.05
MIN_DESIGN_EFFECT = 1.5
"""Minimum design effect that is worth a line: a third of it is within the error of its estimate."""


def choose_test_share(rows: float) -> float:
    return max(TEST_SHARE, min(0.5, round(TEST_ROWS / rows, 2)))


def build_promotion(metric: str, dummy: float, quick: float, test_rows: float) -> PromotionPolicy:
    """Build a promotion policy whose floor is halfway between a guess and a quick model.

    Args:
        metric: Metric of the use case.
        dummy: Its value for a guess without any column.
        quick: Its value for a quick model.
        test_rows: Expected number of test rows: with few of them, limits are as wide as chance is.
    """
    floor = round(dummy + max(0.0, quick - dummy) / 2, 2)
    has_probabilities = "regression" not in METRICS[metric].tasks
    calibration_error = min(0.3, round(2 / sqrt(test_rows), 2)) if has_probabilities else CALIBRATION_ERROR
    return PromotionPolicy(
        metric=metric,
        floor=floor,
        margin=max(MARGIN, round(0.25 / sqrt(test_rows), 3)),
        max_calibration_error=max(CALIBRATION_ERROR, calibration_error),
    )


def build_drift_policy(evidence: Evidence, date: str) -> tuple[DriftPolicy, str]:
    """Build a drift policy from the dates of the rows, and its reason; none where all is the default.

    Args:
        evidence: What was found in the file.
        date: Field that dates the rows; empty without one.
    """
    found = next((each.values for each in evidence.findings if each.field and each.field.name == date), None)
    if not date or found is None:
        return DriftPolicy(), ""
    days = found.cast(pl.Date)
    season, effect = date if has_seasons(days) else "", compute_design_effect(evidence, date, days)
    months = format_reason("a month is compared with the same months of {field}", field=season)
    shares = format_reason(
        "shares of a window vary {effect} times as much as of independent rows", effect=f"{effect:g}"
    )
    reason = join_reasons(months if season else "", shares if effect >= MIN_DESIGN_EFFECT else "")
    policy = DriftPolicy(season=season, design_effect=effect if effect >= MIN_DESIGN_EFFECT else 1.0)
    return policy, reason


def compute_design_effect(evidence: Evidence, date: str, days: pl.Series) -> float:
    """Compute the variance of a window's means relative to independent rows, to one or two digits.

    Rows of one day are a cluster: `1 + (m - 1) * rho` (Kish 1965), with the size `m` of the day of a mean row
    and the share `rho` of the variance between days.
    """
    inputs = [each for each in evidence.findings if each.field and each.field.name != date]
    problem = build_problem(inputs, evidence.target)
    table, taken = np.column_stack([problem.features, problem.target]), days[problem.rows]
    if has_seasons(days):
        table = _remove_month_means(table, taken.dt.month().to_numpy())
    sizes = days.value_counts()["count"].to_numpy()
    effect = 1 + (float((sizes**2).sum() / sizes.sum()) - 1) * compute_likeness(table, taken)
    return float(f"{effect:.2g}")


def _remove_month_means(table: Numbers, months: Numbers) -> Numbers:
    """Subtract the mean of each calendar month, with which a seasonal reference compares."""
    rest = table.copy()
    for month in np.unique(months):
        rows = rest[months == month]
        present = np.maximum((~np.isnan(rows)).sum(axis=0), 1)
        rest[months == month] = rows - np.nansum(rows, axis=0) / present
    return rest
