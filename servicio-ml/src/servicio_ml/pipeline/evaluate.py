"""The metrics of predictions against the truth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from servicio_ml.domain.metric import METRICS, PINBALL
from servicio_ml.features.output import POSITIVE, Predictions

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
# equal mass and not equal width: each bin's share then has about the same error
CALIBRATION_BINS = 10
BINARY_CLASSES = 2
MIN_PROBABILITY = 1e-7
"""Minimum probability of the true class in the log loss, so that one certain error is not infinite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMetrics:
    """Metrics of one class against the others.

    Attributes:
        label: Label of the class.
        precision: TP / (TP + FP); 0 where the class is never predicted.
        recall: TP / (TP + FN); 0 where no row is of the class.
        f1: 2TP / (2TP + FP + FN).
        rows: Number of rows of the class.
    """

    label: str
    precision: float
    recall: float
    f1: float
    rows: int


def compute_class_metrics(
    labels: Sequence[str], truth: Floats, codes: Floats, weights: Floats | None = None
) -> list[ClassMetrics]:
    """Compute the metrics of each class.

    Args:
        labels: Labels of the classes, in the order of their codes.
        truth: `[n]` class codes.
        codes: `[n]` predicted class codes.
        weights: `[n]`; None where all rows count the same.
    """
    *shares, _ = metrics.precision_recall_fscore_support(
        truth, codes, labels=range(len(labels)), zero_division=0.0, sample_weight=weights
    )
    counts = np.bincount(truth.astype(int), minlength=len(labels))
    return [
        ClassMetrics(label=label, precision=float(p), recall=float(r), f1=float(f1), rows=int(rows))
        for label, p, r, f1, rows in zip(labels, *shares, counts, strict=True)
    ]


def compute_metrics(
    task: str, truth: Floats, predictions: Predictions, weights: Floats | None = None
) -> dict[str, float]:
    """Every metric of a task.

    Args:
        task: A value of `Task`.
        truth: `[n]`: class codes, or numbers in the target's unit.
        predictions: For the same rows.
        weights: `[n]`; None where all rows count the same.

    Returns:
        Metric name to its value; NaN where it is not defined on these rows.
    """
    return {
        name: compute_metric(name, truth, predictions, weights)
        for name, metric in METRICS.items()
        if task in metric.tasks
    }


def compute_metric(
    metric: str, truth: Floats, predictions: Predictions, weights: Floats | None = None
) -> float:
    """One metric; NaN where it is not defined (a ranking of one class only, no rows).

    A row of weight 2 counts as two rows do; only the ratios of the weights matter.
    """
    if not len(truth):
        return float("nan")
    if metric == PINBALL:
        return compute_pinball_loss(truth, predictions.outcomes, predictions.quantile, weights)
    if predictions.probabilities is None:
        return float(_NUMBERS[metric](truth, predictions.outcomes, sample_weight=weights))
    if metric in _DECISIONS:
        return float(_DECISIONS[metric](truth, predictions.outcomes, sample_weight=weights))
    return _PROBABILITIES[metric](truth, predictions.probabilities, weights)


def compute_pinball_loss(
    truth: Floats, numbers: Floats, level: float | None, weights: Floats | None
) -> float:
    """Mean of q(y - ŷ) above the prediction, (1 - q)(ŷ - y) below it; q is the level, one half for None."""
    alpha = 0.5 if level is None else level
    return float(metrics.mean_pinball_loss(truth, numbers, alpha=alpha, sample_weight=weights))


def compute_calibration_error(truth: Floats, probabilities: Floats, weights: Floats | None) -> float:
    """Mean over ten bins of equal mass of |mean probability − share of positives|, weighted by their mass.

    Of several classes, the mean over the classes taken one against the rest.

    Args:
        truth: `[n]` class codes.
        probabilities: `[n, classes]`.
        weights: `[n]`; None where all rows count the same.
    """
    classes = _list_classes(probabilities)
    return float(np.mean([_compute_binary_ece(truth == i, probabilities[:, i], weights) for i in classes]))


def compute_calibration_curve(
    positive: npt.NDArray[np.bool_], probability: Floats, weights: Floats | None = None
) -> list[tuple[float, float, float]]:
    """Mean probability, share of positives and mass (rows, or their weight) of each bin of equal mass."""
    masses = np.ones(len(positive)) if weights is None else weights
    bins = split_into_bins(np.argsort(probability, kind="stable"), CALIBRATION_BINS, weights)
    return [
        (
            float(np.average(probability[rows], weights=masses[rows])),
            float(np.average(positive[rows], weights=masses[rows])),
            float(masses[rows].sum()),
        )
        for rows in bins
    ]


def split_into_bins(order: Rows, count: int, weights: Floats | None) -> list[Rows]:
    """Split rows, in their order, into at most `count` bins of about equal mass, none of them empty."""
    if weights is None:
        bins = np.array_split(order, count)
    else:
        ends = np.cumsum(weights[order])
        # a heavy row belongs to the bin that its middle lies in
        middles, inner = ends - weights[order] / 2, np.arange(1, count) / count
        bins = np.split(order, np.searchsorted(middles, inner * ends[-1]))
    return [rows for rows in bins if len(rows)]


def _compute_binary_ece(
    positive: npt.NDArray[np.bool_], probability: Floats, weights: Floats | None
) -> float:
    curve = compute_calibration_curve(positive, probability, weights)
    return sum(abs(mean - share) * mass for mean, share, mass in curve) / sum(mass for *_, mass in curve)


def _list_classes(probabilities: Floats) -> range:
    """The classes to look at one by one: of two only the positive one."""
    count = probabilities.shape[1]
    return range(POSITIVE, count) if count == BINARY_CLASSES else range(count)


def _average_one_vs_rest(
    function: Callable[..., float], truth: Floats, probabilities: Floats, weights: Floats | None
) -> float:
    each = []
    for i in _list_classes(probabilities):
        positive = truth == i
        # NaN and not an exception: a slice or a resample may lack a class
        if not positive.any() or positive.all():
            return float("nan")
        each.append(function(positive, probabilities[:, i], sample_weight=weights))
    return float(np.mean(each))


def _compute_brier(truth: Floats, probabilities: Floats, weights: Floats | None) -> float:
    hot = truth[:, None] == np.arange(probabilities.shape[1])
    return float(np.average(((probabilities - hot) ** 2).sum(axis=1), weights=weights) / 2)


def _compute_log_loss(truth: Floats, probabilities: Floats, weights: Floats | None) -> float:
    mine = probabilities[np.arange(len(truth)), truth.astype(int)]
    return float(-np.average(np.log(np.clip(mine, MIN_PROBABILITY, 1)), weights=weights))


def _compute_mape(truth: Floats, numbers: Floats, *, sample_weight: Floats | None) -> float:
    # a relative error of 0 is undefined, and one such row would make the mean infinite
    some = truth != 0
    if not some.any():
        return float("nan")
    errors = np.abs(truth[some] - numbers[some]) / np.abs(truth[some])
    return float(np.average(errors, weights=None if sample_weight is None else sample_weight[some]))


_PER_CLASS: Mapping[str, Callable[..., Any]] = {
    "precision": partial(metrics.precision_score, zero_division=0.0),
    "recall": partial(metrics.recall_score, zero_division=0.0),
    "f1": partial(metrics.f1_score, zero_division=0.0),
}
_DECISIONS: Mapping[str, Callable[..., Any]] = {
    "accuracy": metrics.accuracy_score,
    **_PER_CLASS,
    **{f"{name}_macro": partial(function, average="macro") for name, function in _PER_CLASS.items()},
}
_PROBABILITIES: Mapping[str, Callable[[Floats, Floats, Floats | None], float]] = {
    "roc_auc": partial(_average_one_vs_rest, metrics.roc_auc_score),
    "pr_auc": partial(_average_one_vs_rest, metrics.average_precision_score),
    "brier": _compute_brier,
    "ece": compute_calibration_error,
    "log_loss": _compute_log_loss,
}
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "mae": metrics.mean_absolute_error,
    "rmse": metrics.root_mean_squared_error,
    "mape": _compute_mape,
    "r2": metrics.r2_score,
}
