"""Performance in a window: expected and realised metrics, beside the limits of the reference."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from servicio_ml.domain.policy import MIN_DEVIATIONS, MIN_EVALUATED_ROWS
from servicio_ml.features.bins import Integers, Numbers
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.performance.error_sums import ErrorSums
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.pipeline.drift.expectation import WindowExpectation, compute_realised


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPerformance:
    """One metric of the window.

    Attributes:
        metric: `accuracy`, `f1_macro`, `roc_auc`, `mae` or `rmse`.
        source: `expected`, without ground truth, or `realised`, from ground truth.
        value: Value in the metric's unit.
        limit: Limit of the reference, its seasons weighted by the window's rows; None for a metric without.
        rows: Number of rows that it was measured on.
        beyond: Whether it is beyond the limit, on enough rows, and by more than chance.
    """

    metric: str
    source: str
    value: float
    rows: int
    limit: float | None = None
    beyond: bool = False


def compute_performance(
    reference: ReferenceProfile, seasons: Integers, expected: WindowExpectation, truths: LabelledSample
) -> list[WindowPerformance]:
    """Compute each metric, as expected and as realised, beside its limit.

    Args:
        reference: Has the limits.
        seasons: Rows of the window in each season.
        expected: Expectation for the rows of the window.
        truths: Labelled rows of the window.
    """
    # a model that was imported without ground truth has no limits
    if not all(each.performance for each in reference.seasons.values()):
        return []
    realised = compute_realised(truths, len(expected.confusion))
    return [
        each
        for source, sums in (("realised", realised), ("expected", expected))
        for each in _compute_source_performance(reference, seasons, source, sums)
    ]


def _compute_source_performance(
    reference: ReferenceProfile, seasons: Integers, source: str, sums: WindowExpectation
) -> Iterator[WindowPerformance]:
    if sums.confusion.sum():
        yield from _compute_class_performance(reference, seasons, source, sums.confusion)
    if sums.ranks and (auc := sums.ranks.compute_roc_auc()) is not None:
        rows = round(sums.confusion.sum())
        yield WindowPerformance(metric="roc_auc", source=source, value=auc, rows=rows)
    if sums.errors and sums.errors.rows:
        yield _compute_error_performance(reference, seasons, source, sums.errors)
        rows = round(sums.errors.rows)
        yield WindowPerformance(metric="rmse", source=source, value=sums.errors.rmse, rows=rows)


def compute_f1_macro_variance(confusion: Numbers) -> float:
    """Compute the variance of the F1-macro of independent rows by the delta method.

    The recording rule `model:f1_macro_realised:variance` has the formula and its source.

    Args:
        confusion: Rows `[classes, classes]`, predicted by actual.
    """
    sides = confusion.sum(axis=0) + confusion.sum(axis=1)
    known = sides > 0
    cells, sides = confusion[np.ix_(known, known)], sides[known]
    slope = 2 * np.diag(cells) / sides**2
    # what one row of each cell changes in the sum of the classes' F1
    change = np.diag(2 / sides) - slope[:, None] - slope
    return float((cells * change**2).sum() / len(sides) ** 2)


def compute_confusion_scores(confusion: Numbers) -> dict[str, float]:
    """Accuracy and F1-macro of a confusion matrix `[classes, classes]`, predicted by actual.

    The mean of F1 is over the classes that were predicted or happened.
    """
    # a class that neither occurs nor is predicted has no F1
    both = confusion.sum(axis=0) + confusion.sum(axis=1)
    f1 = 2 * np.diag(confusion)[both > 0] / both[both > 0]
    return {"accuracy": float(np.trace(confusion) / confusion.sum()), "f1_macro": float(f1.mean())}


def _compute_class_performance(
    reference: ReferenceProfile, seasons: Integers, source: str, confusion: Numbers
) -> Iterator[WindowPerformance]:
    """Both metrics of a confusion matrix; the alerts judge by the same numbers."""
    # F1 of a rare class varies by its own number of rows, not by that of all rows
    rows, rarest = confusion.sum(), confusion.sum(axis=0).min()
    for metric, value in compute_confusion_scores(confusion).items():
        minimum = _compute_limit(reference, seasons, metric)
        accuracy = metric == "accuracy"
        variance = minimum * (1 - minimum) / rows if accuracy else compute_f1_macro_variance(confusion)
        chance = MIN_DEVIATIONS * np.sqrt(reference.policy.design_effect * variance)
        enough = (rows if accuracy else rarest) >= MIN_EVALUATED_ROWS
        # written so that NaN is beyond
        yield WindowPerformance(
            metric=metric, source=source, value=value, limit=minimum, rows=round(rows),
            beyond=bool(enough and not value >= minimum - chance),
        )  # fmt: skip


def _compute_error_performance(
    reference: ReferenceProfile, seasons: Integers, source: str, sums: ErrorSums
) -> WindowPerformance:
    """Compare the mean absolute error with its limit; the alerts judge by the same numbers."""
    limit = _compute_limit(reference, seasons, "mae")
    chance = MIN_DEVIATIONS * np.sqrt(reference.policy.design_effect * sums.mae_variance)
    return WindowPerformance(
        metric="mae", source=source, value=sums.mae, limit=limit, rows=round(sums.rows),
        beyond=bool(sums.rows >= MIN_EVALUATED_ROWS and not sums.mae <= limit + chance),
    )  # fmt: skip


def _compute_limit(reference: ReferenceProfile, seasons: Integers, metric: str) -> float:
    """What a metric is beyond, the seasons weighted by the window's rows."""
    limits = [
        reference.policy.compute_limit(metric, each.performance[metric])
        for each in reference.seasons.values()
    ]
    # weighted like the expected shares, so that a winter window has winter's limits
    return float(seasons @ np.array(limits) / seasons.sum())
