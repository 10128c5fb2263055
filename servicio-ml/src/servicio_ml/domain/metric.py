"""Metrics of each task: names, formulas and direction."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Measure of the quality of predictions.

    Attributes:
        name: Name in MLflow.
        greater_is_better: False for an error.
        tasks: Values of `Task` that have the metric.
        ranking: True when it is computed from probabilities and not from labels.
        formula: Formula in words.
    """

    name: str
    greater_is_better: bool
    tasks: tuple[str, ...]
    # metrics of probabilities need the calibrated matrix, the others only the labels
    ranking: bool
    formula: str

    @property
    def limits(self) -> tuple[float, float]:
        """Least and greatest possible value."""
        # shares lie in 0 to 1; only the logarithmic loss and errors in the target's unit have no upper limit
        is_share = "regression" not in self.tasks and self.name != "log_loss"
        return (-math.inf if self.name == "r2" else 0, 1 if is_share or self.name == "r2" else math.inf)

    def compute_gain(self, challenger: float, champion: float) -> float:
        """Compute the challenger's gain in the metric's unit; for an error, as a share of the champion's."""
        if self.greater_is_better:
            return challenger - champion
        # errors have the target's unit, so one margin for all use cases needs a relative gain
        return (champion - challenger) / champion if champion else float("nan")

    def has_reached(self, value: float, floor: float) -> bool:
        """Whether a value is at least as good as a floor."""
        # NaN compares false either way, so an undefined metric never reaches its floor
        return value >= floor if self.greater_is_better else value <= floor


_BINARY, _MULTICLASS, _NUMBER = ("binary",), ("multiclass",), ("regression",)
_CLASSES = _BINARY + _MULTICLASS
PINBALL = "pinball"
"""Metric of quantiles."""


def _build_metric(
    name: str, tasks: tuple[str, ...], formula: str, *, up: bool = True, ranking: bool = False
) -> Metric:
    return Metric(name=name, greater_is_better=up, tasks=tasks, ranking=ranking, formula=formula)


METRICS = {
    metric.name: metric
    for metric in (
        _build_metric("accuracy", _CLASSES, "share of rows whose label is right"),
        _build_metric("precision", _BINARY, "TP / (TP + FP) of the positive class"),
        _build_metric("recall", _BINARY, "TP / (TP + FN) of the positive class"),
        _build_metric("f1", _BINARY, "2TP / (2TP + FP + FN) of the positive class"),
        _build_metric("precision_macro", _MULTICLASS, "mean over the classes of TP / (TP + FP)"),
        _build_metric("recall_macro", _MULTICLASS, "mean over the classes of TP / (TP + FN)"),
        _build_metric("f1_macro", _CLASSES, "mean over the classes of 2TP / (2TP + FP + FN)"),
        _build_metric(
            "roc_auc",
            _CLASSES,
            "P(score of a positive > score of a negative); one-vs-rest mean",
            ranking=True,
        ),
        _build_metric("pr_auc", _CLASSES, "average precision; one-vs-rest mean", ranking=True),
        _build_metric(
            "brier", _CLASSES, "mean over rows of sum over classes (p - y)², halved", up=False, ranking=True
        ),
        _build_metric(
            "ece", _CLASSES, "mean over ten equal-mass bins of |mean p - share of y|", up=False, ranking=True
        ),
        _build_metric(
            "log_loss", _CLASSES, "mean over rows of -ln p of the true class", up=False, ranking=True
        ),
        _build_metric("mae", _NUMBER, "mean |y - ŷ|", up=False),
        _build_metric("rmse", _NUMBER, "√ mean (y - ŷ)²", up=False),
        _build_metric("mape", _NUMBER, "mean |y - ŷ| / |y| over rows with y ≠ 0", up=False),
        _build_metric(
            PINBALL,
            _NUMBER,
            "mean max(q(y - ŷ), (q - 1)(y - ŷ)), q the objective's level, else 0.5",
            up=False,
        ),
        _build_metric("r2", _NUMBER, "1 - Σ(y - ŷ)² / Σ(y - ȳ)²"),
    )
}
