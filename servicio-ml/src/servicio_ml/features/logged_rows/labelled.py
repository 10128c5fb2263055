"""Logged predictions with ground truth, as the matrix and the predictions of their rows."""

from collections.abc import Sequence

import numpy as np

from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.output import Predictions

READ_ROWS = 10_000
"""Number of rows whose features are read at once."""


def read_labelled_matrix(
    log: PredictionLog, encoder: Encoder, labelled: Sequence[LabelledPrediction]
) -> tuple[Matrix, list[LabelledPrediction]]:
    """Read the matrix `[n, features]` of the predictions whose rows are still in the log, and these.

    Raises:
        LogError: The log cannot be read.
    """
    features = dict[str, bytes]()
    for start in range(0, len(labelled), READ_ROWS):
        part = labelled[start : start + READ_ROWS]
        features.update(log.find_features([each.prediction.id for each in part]))
    known = [each for each in labelled if each.prediction.id in features]
    matrix = np.zeros((len(known), len(encoder.schema.names)), dtype=np.float32)
    joined = b"".join(features[each.prediction.id] for each in known)
    matrix[:, : encoder.value_columns] = np.frombuffer(joined, "<f4").reshape(-1, encoder.value_columns)
    encoder.derive(matrix)
    return matrix, known


def stack_predictions(labelled: Sequence[LabelledPrediction], classes: int) -> Predictions:
    """Stack the answers of rows; `classes` is 0 for a regression."""
    probabilities = np.array([each.prediction.probabilities for each in labelled])
    return Predictions(
        outcomes=np.array([each.prediction.outcome for each in labelled]),
        probabilities=probabilities.reshape(len(labelled), classes) if classes else None,
    )
