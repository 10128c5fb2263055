"""From training rows to the outlier model of a version."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.model_selection import KFold

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.outliers.outlier_model import OUTLIER, OUTLIER_MODEL, Floats, OutlierModel
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.features.uncertainty.conformity import compute_quantiles
from servicio_ml.features.uncertainty.levels import compute_needed_rows
from servicio_ml.pipeline.training.fitting import SEED
from servicio_ml.pipeline.training.outliers.forest_graph import build_forest_graph
from servicio_ml.pipeline.tree_table import write_tree_table

USUAL_SHARE = 0.99
"""Share of the rows that are no outliers."""
MIN_ROWS = compute_needed_rows(USUAL_SHARE)
"""Minimum number of training rows; the quantile of fewer is infinite."""
MAX_ROWS = 20_000
"""Maximum number of training rows that are read: a tree takes 256 of them, and the limit needs few."""
TREES, TREE_ROWS, FOLDS = 100, 256, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltOutlierModel:
    """An outlier model and its ONNX file.

    Attributes:
        model: The model.
        onnx: Its forest.
    """

    model: OutlierModel
    onnx: bytes

    def write(self, folder: Path, matrix: Matrix) -> None:
        """Write the files into the folder of an artifact.

        Args:
            folder: The folder.
            matrix: Rows `[n, features]` on which the table of trees is compared with the ONNX model.
        """
        (folder / OUTLIER).write_text(json.dumps(self.model.to_json(), indent=1))
        (folder / OUTLIER_MODEL).write_bytes(self.onnx)
        write_tree_table(folder / OUTLIER_MODEL, matrix)


def build_outlier_model(schema: FeatureSchema, matrix: Matrix) -> BuiltOutlierModel | None:
    """Build the outlier model of training rows; None where there are fewer than `MIN_ROWS`.

    The limit is the quantile `USUAL_SHARE` of the scores of the rows, each by a forest of the other folds.

    Args:
        schema: Schema of the rows.
        matrix: Training rows, `[n, features]`.
    """
    columns = select_columns(schema, matrix)
    if len(matrix) < MIN_ROWS or not columns:
        return None
    matrix = matrix[np.unique(np.linspace(0, len(matrix) - 1, MAX_ROWS).astype(np.intp))]
    scores = np.empty(len(matrix))
    for train, other in KFold(FOLDS, shuffle=True, random_state=SEED).split(matrix):
        scores[other] = _score(fit_forest(matrix[train], columns), matrix[other])
    (limit,) = compute_quantiles(scores, np.ones(len(scores)), [USUAL_SHARE])
    onnx = fit_forest(matrix, columns)
    model = OutlierModel(
        scorer=OnnxScorer(onnx), limit=limit, expected_share=float((scores > limit).mean()), rows=len(scores)
    )
    return BuiltOutlierModel(model=model, onnx=onnx)


def select_columns(schema: FeatureSchema, matrix: Matrix) -> list[int]:
    """Select the columns in which rows may be unusual: those that models read, with a value, but no dates.

    A later day than that of all training rows is no outlier: every row of production has one.
    """
    dates = {i for i, each in enumerate(schema.fields) if each.is_dated}
    return [i for i in schema.inputs if i not in dates and not np.isnan(matrix[:, i]).all()]


def fit_forest(matrix: Matrix, columns: Sequence[int]) -> bytes:
    """Fit an isolation forest on some columns of rows `[n, features]`, and export it."""
    forest = IsolationForest(n_estimators=TREES, max_samples=min(TREE_ROWS, len(matrix)), random_state=SEED)
    forest.fit(matrix[:, columns])
    return build_forest_graph(forest, columns, matrix.shape[1])


def _score(onnx: bytes, matrix: Matrix) -> Floats:
    return OnnxScorer(onnx).score(matrix).reshape(-1)
