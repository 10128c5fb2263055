"""The metrics of each task: names, units and which way is better."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that judges predictions.

    Attributes:
        name: As logged in MLflow.
        greater_is_better: Which way is better.
        tasks: Values of `Task` that it fits.
        ranking: Whether it reads scores and not decisions.
        formula: How it is computed.
    """

    name: str
    greater_is_better: bool
    tasks: tuple[str, ...]
    ranking: bool
    formula: str

    def gain(self, challenger: float, champion: float) -> float:
        """How much better the challenger is, in the metric's unit (an error's: a share of the champion's)."""
        if self.greater_is_better:
            return challenger - champion
        return (champion - challenger) / champion if champion else float("nan")

    def reaches(self, value: float, floor: float) -> bool:
        """Whether a value is at least as good as a floor; NaN never is."""
        return value >= floor if self.greater_is_better else value <= floor


_BINARY, _CLASSES, _NUMBER = ("binary",), ("binary", "multiclass"), ("regression",)


def _metric(
    name: str, tasks: tuple[str, ...], formula: str, *, up: bool = True, ranking: bool = False
) -> Metric:
    return Metric(name=name, greater_is_better=up, tasks=tasks, ranking=ranking, formula=formula)


METRICS = {
    metric.name: metric
    for metric in (
        _metric("accuracy", _CLASSES, "share of rows whose label is right"),
        _metric("precision", _BINARY, "TP / (TP + FP) of the positive class"),
        _metric("recall", _BINARY, "TP / (TP + FN) of the positive class"),
        _metric("f1", _BINARY, "2TP / (2TP + FP + FN) of the positive class"),
        _metric("f1_macro", _CLASSES, "mean over the classes of 2TP / (2TP + FP + FN)"),
        _metric(
            "roc_auc",
            _CLASSES,
            "P(score of a positive > score of a negative); one-vs-rest mean",
            ranking=True,
        ),
        _metric("pr_auc", _CLASSES, "average precision; one-vs-rest mean", ranking=True),
        _metric(
            "brier", _CLASSES, "mean over rows of sum over classes (p - y)², halved", up=False, ranking=True
        ),
        _metric(
            "ece", _CLASSES, "mean over ten equal-mass bins of |mean p - share of y|", up=False, ranking=True
        ),
        _metric("log_loss", _CLASSES, "mean over rows of -ln p of the true class", up=False, ranking=True),
        _metric("mae", _NUMBER, "mean |y - ŷ|", up=False),
        _metric("rmse", _NUMBER, "√ mean (y - ŷ)²", up=False),
        _metric("mape", _NUMBER, "mean |y - ŷ| / |y| over rows with y ≠ 0", up=False),
        _metric("r2", _NUMBER, "1 - Σ(y - ŷ)² / Σ(y - ȳ)²"),
    )
}
