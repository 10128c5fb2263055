"""Outlier score of a row: how few random splits part it from the training rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.runtimes.scorer import Scorer

OUTLIER, OUTLIER_MODEL = "outlier.json", "outlier.onnx"
OUTLIER_SCORE, OUTLIER_LIMIT = "outlier_score", "outlier_limit"
"""Names of the score of a row, and of the limit of its model, in an answer."""
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierModel:
    """Isolation forest of one model version.

    Source: Liu, Ting and Zhou, "Isolation Forest" (2008), section 4; a missing value takes a side of each
    split like any other.

    Attributes:
        scorer: ONNX model of a matrix `[n, features]`, whose scores are those of `compute_scores`.
        limit: Score above which a row is an outlier.
        expected_share: Share of the training rows, each scored by a forest that had not seen it, above the
            limit.
        rows: Number of these rows.
    """

    scorer: Scorer
    limit: float
    expected_share: float
    rows: int

    def compute_scores(self, matrix: Matrix) -> Floats:
        """Compute 2^(-mean depth / usual depth) of each row, `[n]`: 0.5 for a usual one, up to 1.

        Args:
            matrix: `[n, features]`, its derived columns filled.
        """
        return self.scorer.score(matrix).reshape(-1).astype(np.float64, copy=False)

    def count_outliers(self, matrix: Matrix) -> int:
        """Count the rows of a matrix `[n, features]` above the limit."""
        return int((self.compute_scores(matrix) > self.limit).sum())

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("limit", "expected_share", "rows")}

    @classmethod
    def from_json(cls, document: Mapping[str, Any], scorer: Scorer) -> "OutlierModel":
        return cls(scorer=scorer, **document)
