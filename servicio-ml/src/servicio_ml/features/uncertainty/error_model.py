"""Expected error of a regression's answers, by a second model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.performance.error_sums import ErrorSums
from servicio_ml.features.runtimes.scorer import Scorer

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorModel:
    """Model of the absolute errors that the model's answers to unseen rows had.

    Source: "direct loss estimation" as in NannyML; as a difficulty of conformal prediction, Papadopoulos,
    Gammerman and Vovk, "Normalized nonconformity measures for regression conformal prediction" (2008).

    Attributes:
        scorer: ONNX model of a matrix `[n, features + 1]`: the features, then the answer.
        is_relative: Whether its scores are shares of the answer, as for a target whose logarithm is fitted.
        ratio: Factor that makes the mean of its estimates that of the errors of unseen rows.
        squared_ratio: Factor that makes the mean of their squares that of the squared errors: π / 2 for
            normal errors, and more where few are large.
        floor: Minimum of the difficulty, in the target's unit.
        damping: Exponent of the difficulty, 0 to 1; below 1 it makes the wide intervals narrower and the
            narrow ones wider.
    """

    scorer: Scorer
    is_relative: bool
    ratio: float
    squared_ratio: float
    floor: float
    damping: float

    def estimate_errors(self, matrix: Matrix, outcomes: Floats) -> Floats:
        """Estimate |truth - answer| of each row, `[n]`, in the target's unit.

        Args:
            matrix: `[n, features]`, its derived columns filled.
            outcomes: Answers of the model, `[n]`.
        """
        scores = self.scorer.score(append_outcomes(matrix, outcomes)).reshape(-1).astype(np.float64)
        return self.ratio * (scores * np.abs(outcomes) if self.is_relative else scores)

    def sum_errors(self, matrix: Matrix, outcomes: Floats) -> ErrorSums:
        """Sum the expected errors of rows and their expected squares; see `estimate_errors`."""
        return self.sum_estimates(self.estimate_errors(matrix, outcomes))

    def sum_estimates(self, errors: Floats) -> ErrorSums:
        """Sum estimated errors `[n]` and their expected squares."""
        squared = self.squared_ratio * float(errors @ errors)
        return ErrorSums(rows=len(errors), absolute=float(errors.sum()), squared=squared)

    def compute_difficulty(self, errors: Floats) -> Floats:
        """Compute what intervals are proportional to, `[n]`, from estimated errors."""
        return np.asarray(np.maximum(errors, self.floor) ** self.damping)

    def to_json(self) -> dict[str, Any]:
        return {
            name: getattr(self, name)
            for name in ("is_relative", "ratio", "squared_ratio", "floor", "damping")
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], scorer: Scorer) -> "ErrorModel":
        return cls(scorer=scorer, **document)


def append_outcomes(matrix: Matrix, outcomes: Floats) -> Matrix:
    """Append the answers to the features, `[n, features + 1]`: errors often grow with the answer."""
    return np.column_stack([matrix, outcomes]).astype(np.float32, copy=False)
