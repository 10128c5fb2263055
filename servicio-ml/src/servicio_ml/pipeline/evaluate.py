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


def compute_class_metrics(labels: Sequence[str], truth: Floats, codes: Floats) -> list[ClassMetrics]:
    """Compute the metrics of each class.

    Args:
        labels: Labels of the classes, in the order of their codes.
        truth: `[n]` class codes.
        codes: `[n]` predicted class codes.
    """
    found = metrics.precision_recall_fscore_support(
        truth, codes, labels=range(len(labels)), zero_division=0.0
    )
    return [
        ClassMetrics(label=label, precision=float(p), recall=float(r), f1=float(f1), rows=int(rows))
        for label, p, r, f1, rows in zip(labels, *found, strict=True)
    ]


def compute_metrics(task: str, truth: Floats, predictions: Predictions) -> dict[str, float]:
    """Every metric of a task.

    Args:
        task: A value of `Task`.
        truth: `[n]`: class codes, or numbers in the target's unit.
        predictions: For the same rows.

    Returns:
        Metric name to its value; NaN where it is not defined on these rows.
    """
    return {
        name: compute_metric(name, truth, predictions)
        for name, metric in METRICS.items()
        if task in metric.tasks
    }


def compute_metric(metric: str, truth: Floats, predictions: Predictions) -> float:
    """One metric; NaN where it is not defined (a ranking of one class only, no rows)."""
    if not len(truth):
        return float("nan")
    if metric == PINBALL:
        return compute_pinball_loss(truth, predictions.outcomes, predictions.quantile)
    if predictions.probabilities is None:
        return _NUMBERS[metric](truth, predictions.outcomes)
    if metric in _DECISIONS:
        return _DECISIONS[metric](truth, predictions.outcomes)
    return _PROBABILITIES[metric](truth, predictions.probabilities)


def compute_pinball_loss(truth: Floats, numbers: Floats, level: float | None) -> float:
    """Mean of q(y - ŷ) above the prediction, (1 - q)(ŷ - y) below it; q is the level, one half for None."""
    alpha = 0.5 if level is None else level
    return float(metrics.mean_pinball_loss(truth, numbers, alpha=alpha))


def compute_calibration_error(truth: Floats, probabilities: Floats) -> float:
    """Mean over ten bins of equal mass of |mean probability − share of positives|, weighted by their rows.

    Of several classes, the mean over the classes taken one against the rest.

    Args:
        truth: `[n]` class codes.
        probabilities: `[n, classes]`.
    """
    classes = _list_classes(probabilities)
    return float(np.mean([_compute_binary_ece(truth == i, probabilities[:, i]) for i in classes]))


def compute_calibration_curve(
    positive: npt.NDArray[np.bool_], probability: Floats
) -> list[tuple[float, float, int]]:
    """Mean probability, share of positives and rows of each bin of equal mass."""
    order = np.argsort(probability, kind="stable")
    return [
        (float(probability[bin_rows].mean()), float(positive[bin_rows].mean()), len(bin_rows))
        for bin_rows in np.array_split(order, CALIBRATION_BINS)
        if len(bin_rows)
    ]


def _compute_binary_ece(positive: npt.NDArray[np.bool_], probability: Floats) -> float:
    curve = compute_calibration_curve(positive, probability)
    return sum(abs(mean - share) * rows for mean, share, rows in curve) / len(positive)


def _list_classes(probabilities: Floats) -> range:
    """The classes to look at one by one: of two only the positive one."""
    count = probabilities.shape[1]
    return range(POSITIVE, count) if count == BINARY_CLASSES else range(count)


def _average_one_vs_rest(
    function: Callable[[Any, Any], float], truth: Floats, probabilities: Floats
) -> float:
    each = []
    for i in _list_classes(probabilities):
        positive = truth == i
        # NaN and not an exception: a slice or a resample may lack a class
        if not positive.any() or positive.all():
            return float("nan")
        each.append(function(positive, probabilities[:, i]))
    return float(np.mean(each))


def _compute_brier(truth: Floats, probabilities: Floats) -> float:
    hot = truth[:, None] == np.arange(probabilities.shape[1])
    return float(((probabilities - hot) ** 2).sum(axis=1).mean() / 2)


def _compute_log_loss(truth: Floats, probabilities: Floats) -> float:
    mine = probabilities[np.arange(len(truth)), truth.astype(int)]
    return float(-np.log(np.clip(mine, MIN_PROBABILITY, 1)).mean())


def _compute_mape(truth: Floats, numbers: Floats) -> float:
    # a relative error of 0 is undefined, and one such row would make the mean infinite
    some = truth != 0
    return (
        float(np.mean(np.abs(truth[some] - numbers[some]) / np.abs(truth[some])))
        if some.any()
        else float("nan")
    )


def _average_over_classes(function: Callable[..., Any], truth: Floats, codes: Floats) -> float:
    return float(function(truth, codes, average="macro", zero_division=0.0))


_DECISIONS: Mapping[str, Callable[[Any, Any], float]] = {
    "accuracy": lambda truth, codes: float(metrics.accuracy_score(truth, codes)),
    "precision": lambda truth, codes: float(metrics.precision_score(truth, codes, zero_division=0.0)),
    "recall": lambda truth, codes: float(metrics.recall_score(truth, codes, zero_division=0.0)),
    "f1": lambda truth, codes: float(metrics.f1_score(truth, codes, zero_division=0.0)),
    "precision_macro": partial(_average_over_classes, metrics.precision_score),
    "recall_macro": partial(_average_over_classes, metrics.recall_score),
    "f1_macro": partial(_average_over_classes, metrics.f1_score),
}
_PROBABILITIES: Mapping[str, Callable[[Floats, Floats], float]] = {
    "roc_auc": lambda truth, p: _average_one_vs_rest(metrics.roc_auc_score, truth, p),
    "pr_auc": lambda truth, p: _average_one_vs_rest(metrics.average_precision_score, truth, p),
    "brier": _compute_brier,
    "ece": compute_calibration_error,
    "log_loss": _compute_log_loss,
}
_NUMBERS: Mapping[str, Callable[[Any, Any], float]] = {
    "mae": lambda truth, numbers: float(metrics.mean_absolute_error(truth, numbers)),
    "rmse": lambda truth, numbers: float(metrics.root_mean_squared_error(truth, numbers)),
    "mape": _compute_mape,
    "r2": lambda truth, numbers: float(metrics.r2_score(truth, numbers)),
}
