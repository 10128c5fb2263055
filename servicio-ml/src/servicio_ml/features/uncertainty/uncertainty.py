"""Uncertainty document of an artifact: from an answer to its interval, or its set of labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.errors import RequestError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import POSITIVE, Predictions
from servicio_ml.features.runtimes.scorer import Scorer
from servicio_ml.features.uncertainty.conformity import ConformityTable
from servicio_ml.features.uncertainty.error_model import ErrorModel
from servicio_ml.features.uncertainty.label_scores import (
    compute_doubt,
    compute_label_scores,
    draw_row_numbers,
)
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL, INTERVAL, parse_level
from servicio_ml.features.uncertainty.probability_bounds import ProbabilityBounds
from servicio_ml.features.uncertainty.row_groups import RowGroups

UNCERTAINTY, ERROR_MODEL = "uncertainty.json", "error.onnx"
LOWER, UPPER, LABEL_SET = "lower", "upper", "label_set"
PROBABILITY_LOWER, PROBABILITY_UPPER = "probability_lower", "probability_upper"
UncertaintyColumns = dict[str, npt.NDArray[Any]]
"""By name: `lower` and `upper` of a regression; `label_set`, whether the set of a row has each label,
`[n, classes]`, and of a binary model `probability_lower` and `probability_upper`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertainty:
    """Calibrated uncertainty of one model version.

    Attributes:
        groups: Groups of rows that are calibrated separately.
        table: Quantiles of the conformity scores by group.
        error_model: Expected error of a regression; None for classes.
        bounds: Bounds of a binary model's probability; None for others.
        minimum: Minimum of a regression's target.
        maximum: Maximum of a regression's target.
        coverage: Share of the calibration rows that are covered at `DEFAULT_LEVEL`.
        value_columns: Number of the matrix's first columns, the values of the fields.
    """

    groups: RowGroups
    table: ConformityTable
    error_model: ErrorModel | None = None
    bounds: ProbabilityBounds | None = None
    minimum: float | None = None
    maximum: float | None = None
    coverage: float = DEFAULT_LEVEL
    value_columns: int

    def compute_columns(self, matrix: Matrix, predictions: Predictions, level: float) -> UncertaintyColumns:
        """Compute the columns of an answer at a level.

        Args:
            matrix: `[n, features]`, its derived columns filled.
            predictions: Answers of the model to these rows.
            level: Share of the rows whose truth is within, from 0.5 to 0.99.

        Raises:
            RequestError: There are too few calibration rows for the level.
        """
        quantiles = self.table.get_quantiles(level)
        if predictions.probabilities is None:
            return self._compute_interval(matrix, predictions, quantiles)
        groups = self.groups.assign(matrix, compute_doubt(predictions.probabilities))
        # derived columns are left out: their last bits may depend on the number of rows
        numbers = draw_row_numbers(matrix[:, : self.value_columns])
        scores = compute_label_scores(predictions.probabilities, predictions.outcomes, numbers)
        columns = {LABEL_SET: scores <= quantiles[groups][:, None]}
        if self.bounds is None:
            return columns
        lower, upper = self.bounds.compute(predictions.probabilities[:, POSITIVE])
        return {**columns, PROBABILITY_LOWER: lower, PROBABILITY_UPPER: upper}

    def _compute_interval(
        self, matrix: Matrix, predictions: Predictions, quantiles: npt.NDArray[Any]
    ) -> UncertaintyColumns:
        outcomes = predictions.outcomes
        model = self._require_error_model()
        difficulty = model.compute_difficulty(model.estimate_errors(matrix, outcomes))
        half = quantiles[self.groups.assign(matrix, difficulty)] * difficulty
        # the truth lies within the limits, so a bound beyond them says nothing
        lower = np.clip(outcomes - half, self.minimum, self.maximum)
        return {LOWER: lower, UPPER: np.clip(outcomes + half, self.minimum, self.maximum)}

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns of `compute_columns`."""
        if self.error_model is not None:
            return (LOWER, UPPER)
        return (LABEL_SET,) if self.bounds is None else (LABEL_SET, PROBABILITY_LOWER, PROBABILITY_UPPER)

    def estimate_errors(self, matrix: Matrix, predictions: Predictions) -> npt.NDArray[Any]:
        """Estimate |truth - answer| of a regression's answers, `[n]`, in the target's unit.

        Args:
            matrix: `[n, features]`, its derived columns filled.
            predictions: Answers of the model to these rows.
        """
        return self._require_error_model().estimate_errors(matrix, predictions.outcomes)

    def _require_error_model(self) -> ErrorModel:
        if self.error_model is None:
            raise TypeError("the model answers with classes, whose errors are no numbers")
        return self.error_model

    def to_json(self) -> dict[str, Any]:
        parts = {name: getattr(self, name) for name in ("groups", "table", "error_model", "bounds")}
        documents = {name: None if part is None else part.to_json() for name, part in parts.items()}
        numbers = {name: getattr(self, name) for name in ("minimum", "maximum", "coverage", "value_columns")}
        return {**documents, **numbers}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], scorer: Scorer | None) -> "Uncertainty":
        """Build from a document; the scorer is that of `ERROR_MODEL`, where there is one."""
        bounds, error = document["bounds"], document["error_model"]
        return cls(
            groups=RowGroups.from_json(document["groups"]),
            table=ConformityTable.from_json(document["table"]),
            error_model=None if error is None or scorer is None else ErrorModel.from_json(error, scorer),
            bounds=None if bounds is None else ProbabilityBounds.from_json(bounds),
            minimum=document["minimum"],
            maximum=document["maximum"],
            coverage=document["coverage"],
            value_columns=document["value_columns"],
        )


def resolve_level(uncertainty: Uncertainty | None, model: str, given: object) -> float:
    """Resolve the parameter `interval` of a request to a level that a model answers.

    Args:
        uncertainty: Uncertainty of the model; None where it has none.
        model: Name of the model, and its version.
        given: Value of the parameter.

    Raises:
        RequestError: The value is no level, the model has no uncertainty, or too few rows for the level.
    """
    level = parse_level(given)
    if uncertainty is None:
        allowed = (
            "ask without it: the model was not calibrated, as it has few rows with ground truth, or none, or"
            " runs in a process of its own"
        )
        raise RequestError(f"{INTERVAL} {level:g} of {model}", allowed)
    uncertainty.table.get_quantiles(level)
    return level


def mark_covered(columns: UncertaintyColumns, truth: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Mark the rows whose interval or set holds the truth, `[n]`.

    Args:
        columns: As of `Uncertainty.compute_columns`.
        truth: `[n]`: numbers, or indices of labels; an index that is none is in no set.
    """
    if LOWER in columns:
        return np.asarray((columns[LOWER] <= truth) & (truth <= columns[UPPER]))
    members, codes = columns[LABEL_SET], truth.astype(np.intp)
    known = (codes >= 0) & (codes < members.shape[1])
    return np.asarray(known & members[np.arange(len(codes)), np.where(known, codes, 0)])
