"""Conversion of raw scores to predictions: calibration, threshold, labels and inverse transform."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
POSITIVE, BINARY_CLASSES = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationTable:
    """Monotone, piecewise linear map from raw scores to probabilities."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]
    _points: tuple[Floats, Floats] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # made once: of the tuples, NumPy would make them for each prediction
        object.__setattr__(self, "_points", (np.array(self.scores), np.array(self.probabilities)))

    def __call__(self, scores: Floats) -> Floats:
        # linear between the points and constant beyond them, so probabilities stay within 0 and 1
        return np.interp(scores, *self._points)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Predictions for n rows.

    Attributes:
        outcomes: Indices of the labels, or the numbers of a regression, `[n]`.
        probabilities: Calibrated probabilities, `[n, classes]`; None in a regression.
        quantile: Level of the quantile that the numbers are; None where they are no quantile.
    """

    outcomes: Floats
    probabilities: Floats | None = None
    quantile: float | None = None

    @property
    def binned_values(self) -> Floats:
        """Values `[n]` for the prediction's bins: a binary model's positive probability, else the outcome."""
        if self.probabilities is not None and self.probabilities.shape[1] == BINARY_CLASSES:
            return self.probabilities[:, POSITIVE]
        return self.outcomes

    def select(self, rows: slice | npt.NDArray[np.bool_ | np.intp]) -> "Predictions":
        """Select the predictions of some rows."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Predictions(outcomes=self.outcomes[rows], probabilities=probabilities, quantile=self.quantile)


def build_empty_predictions(labels: Collection[str]) -> Predictions:
    """Build the predictions for no rows: some exported models refuse to be asked for none."""
    probabilities = np.empty((0, len(labels))) if labels else None
    return Predictions(outcomes=np.empty(0), probabilities=probabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTransform:
    """Conversion of raw scores to predictions.

    Attributes:
        task: `binary`, `multiclass` or `regression`.
        labels: Labels of the classes in order; empty in a regression.
        description: Description of the target, one line; empty in older artifacts.
        unit: Unit of a regression's number; empty in older artifacts.
        threshold: Minimum probability of a positive prediction of a binary model.
        tables: Calibration tables: one for a binary model, one per class of a multiclass model, none in a
            regression.
        log: True when the model was fitted to the natural logarithm of the target.
        scale: Factor of the exponential of such a score, which is the median of a skewed target, to its mean.
        minimum: Minimum of a regression's target, of a prediction as of ground truth.
        maximum: Maximum of a regression's target.
        quantile: Level of the quantile of the target that a prediction is (0-1); None where it is none.
    """

    task: str
    labels: tuple[str, ...] = ()
    description: str = ""
    unit: str = ""
    threshold: float = 0.5
    tables: tuple[CalibrationTable, ...] = field(default=())
    log: bool = False
    scale: float = 1.0
    minimum: float | None = None
    maximum: float | None = None
    quantile: float | None = None

    def transform(self, scores: Floats) -> Predictions:
        """Convert raw scores to predictions.

        Args:
            scores: Raw scores, `[n, classes]` of a classifier, `[n, 1]` or `[n]` of a regression.
        """
        if not self.labels:
            numbers = self._invert_target(np.asarray(scores, dtype=np.float64).reshape(-1))
            return Predictions(outcomes=numbers, quantile=self.quantile)
        probabilities = self.calibrate(scores)
        if self.task == "binary":
            # the threshold was chosen on calibrated probabilities, hence the order
            positive = probabilities[:, POSITIVE] >= self.threshold
            return Predictions(outcomes=positive.astype(np.float64), probabilities=probabilities)
        return Predictions(
            outcomes=probabilities.argmax(axis=1).astype(np.float64), probabilities=probabilities
        )

    def calibrate(self, scores: Floats) -> Floats:
        """Calibrate raw scores to probabilities `[n, classes]` that add up to 1."""
        if self.task == "binary":
            # filled in place: single predictions pass here, and each NumPy call counts
            both = np.empty((len(scores), 2))
            both[:, POSITIVE] = self.tables[0](scores[:, POSITIVE]) if self.tables else scores[:, POSITIVE]
            np.subtract(1, both[:, POSITIVE], out=both[:, 1 - POSITIVE])
            return both
        if not self.tables:
            return scores
        each = np.column_stack([table(scores[:, i]) for i, table in enumerate(self.tables)])
        total = each.sum(axis=1, keepdims=True)
        # tables may map every class of a row to 0; such a row gets equal probabilities
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / each.shape[1])

    def _invert_target(self, scores: Floats) -> Floats:
        numbers = self.scale * np.exp(scores) if self.log else scores
        # models may extrapolate beyond every plausible target, so their output is bounded
        return np.clip(numbers, self.minimum, self.maximum)

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in OutputTransform.__slots__}
        document["tables"] = [
            {"scores": table.scores, "probabilities": table.probabilities} for table in self.tables
        ]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "OutputTransform":
        tables = tuple(
            CalibrationTable(scores=tuple(each["scores"]), probabilities=tuple(each["probabilities"]))
            for each in document["tables"]
        )
        return cls(**{**document, "labels": tuple(document["labels"]), "tables": tables})
