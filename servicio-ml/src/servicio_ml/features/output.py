"""From a model's raw scores to an answer: calibration table, threshold, labels, inverse transform."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
POSITIVE, BINARY_CLASSES = 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A monotone, piecewise linear map from a raw score to a probability."""

    scores: tuple[float, ...]
    probabilities: tuple[float, ...]

    def __call__(self, scores: Floats) -> Floats:
        return np.interp(scores, self.scores, self.probabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictions:
    """Answers for n rows.

    Attributes:
        outcomes: `[n]`: the label's index of a classifier, the number of a regression.
        probabilities: `[n, classes]`, calibrated; None in a regression.
    """

    outcomes: Floats
    probabilities: Floats | None = None

    @property
    def shown(self) -> Floats:
        """`[n]`: what the prediction's bins count: a binary model's probability, else the outcome itself."""
        if self.probabilities is not None and self.probabilities.shape[1] == BINARY_CLASSES:
            return self.probabilities[:, POSITIVE]
        return self.outcomes

    def part(self, rows: slice | npt.NDArray[np.bool_]) -> "Predictions":
        """The answers of some of the rows."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return Predictions(outcomes=self.outcomes[rows], probabilities=probabilities)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How scores become answers.

    Attributes:
        task: `binary`, `multiclass` or `regression`.
        labels: Of the classes in order; empty in a regression.
        description: What is predicted, in one line for people; empty in an artifact that does not say it.
        unit: Of a regression's number; likewise.
        threshold: Probability from which a binary answer is positive.
        tables: Calibration: one for a binary model, one per class of several, none in a regression.
        log: Whether a number was learnt as its natural logarithm.
        minimum: Least answer of a regression.
        maximum: Greatest answer of a regression.
    """

    task: str
    labels: tuple[str, ...] = ()
    description: str = ""
    unit: str = ""
    threshold: float = 0.5
    tables: tuple[Table, ...] = field(default=())
    log: bool = False
    minimum: float | None = None
    maximum: float | None = None

    def answer(self, scores: Floats) -> Predictions:
        """Answers for raw scores.

        Args:
            scores: `[n, classes]` of a classifier, `[n, 1]` or `[n]` of a regression.
        """
        if not self.labels:
            return Predictions(outcomes=self._numbers(np.asarray(scores, dtype=np.float64).reshape(-1)))
        probabilities = self.calibrated(scores)
        if self.task == "binary":
            positive = probabilities[:, POSITIVE] >= self.threshold
            return Predictions(outcomes=positive.astype(np.float64), probabilities=probabilities)
        return Predictions(
            outcomes=probabilities.argmax(axis=1).astype(np.float64), probabilities=probabilities
        )

    def calibrated(self, scores: Floats) -> Floats:
        """Probabilities `[n, classes]` that add up to 1."""
        if self.task == "binary":
            both = np.empty((len(scores), 2))
            both[:, POSITIVE] = self.tables[0](scores[:, POSITIVE]) if self.tables else scores[:, POSITIVE]
            np.subtract(1, both[:, POSITIVE], out=both[:, 1 - POSITIVE])
            return both
        if not self.tables:
            return scores
        each = np.column_stack([table(scores[:, i]) for i, table in enumerate(self.tables)])
        total = each.sum(axis=1, keepdims=True)
        return np.where(total > 0, each / np.where(total > 0, total, 1), 1 / each.shape[1])

    def _numbers(self, scores: Floats) -> Floats:
        numbers = np.exp(scores) if self.log else scores
        return np.clip(numbers, self.minimum, self.maximum)

    def to_json(self) -> dict[str, Any]:
        document = {name: getattr(self, name) for name in Output.__slots__}
        document["tables"] = [
            {"scores": table.scores, "probabilities": table.probabilities} for table in self.tables
        ]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Output":
        tables = tuple(
            Table(scores=tuple(each["scores"]), probabilities=tuple(each["probabilities"]))
            for each in document["tables"]
        )
        return cls(**{**document, "labels": tuple(document["labels"]), "tables": tables})
