"""Counts of ground truth that has arrived by interval or set, and by segment.

They are computed again from the logged features and predictions, so that a prediction costs nothing more.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.errors import ServicioError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.uncertainty import Uncertainty, mark_covered
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.prediction.segments.truths import count_segment_truths
from servicio_ml.serving.prediction.service import Service

LEVEL_LABEL = f"{DEFAULT_LEVEL:g}"


def count_logged_rows(service: Service, found: Sequence[LabelledPrediction]) -> None:
    """Count predictions with their first ground truth by what their logged features say.

    That is whether the interval or set at `DEFAULT_LEVEL` holds the truth, and the loss by segment.

    Args:
        service: Service of this process, whose log has the features.
        found: Predictions with new ground truth.

    Raises:
        LogError: The log cannot be read.
    """
    by_version = defaultdict(list)
    for each in found:
        if each.revision == 1:
            by_version[each.prediction.model, each.prediction.version].append(each)
    for (model, version), labelled in by_version.items():
        if loaded_model := _load_version(service, model, version):
            _count_version(service, loaded_model, labelled)


def _count_version(
    service: Service, loaded_model: LoadedModel, labelled: Sequence[LabelledPrediction]
) -> None:
    uncertainty, segments = loaded_model.artifact.uncertainty, loaded_model.artifact.reference.segments
    if uncertainty and uncertainty.table.max_level < DEFAULT_LEVEL:
        uncertainty = None
    if not uncertainty and not segments:
        return
    known, matrix = _read_features(service, loaded_model, labelled)
    if not known:
        return
    covered = None
    if uncertainty:
        covered = _mark_covered(uncertainty, matrix, known)
        _count_covered(service, loaded_model, covered, uncertainty.coverage)
    count_segment_truths(service.metrics, loaded_model, matrix, known, covered)


def _mark_covered(
    uncertainty: Uncertainty, matrix: Matrix, labelled: Sequence[LabelledPrediction]
) -> npt.NDArray[np.bool_]:
    columns = uncertainty.compute_columns(matrix, _stack_predictions(labelled), DEFAULT_LEVEL)
    return mark_covered(columns, np.array([each.actual for each in labelled]))


def _count_covered(
    service: Service, loaded_model: LoadedModel, covered: npt.NDArray[np.bool_], expected: float
) -> None:
    labels = (loaded_model.model, str(loaded_model.version), LEVEL_LABEL)
    held = int(covered.sum())
    for text, number in (("true", held), ("false", len(covered) - held)):
        service.metrics.interval_covered.labels(*labels, text).inc(number)
    service.metrics.interval_expected.labels(*labels).inc(expected * len(covered))


def _load_version(service: Service, model: str, version: int) -> LoadedModel | None:
    """Load the version that has answered; None where it is not there any more."""
    try:
        return service.models.get_or_load(model, str(version))
    except ServicioError:
        # its ground truth is recorded anyway
        return None


def _read_features(
    service: Service, loaded_model: LoadedModel, labelled: Sequence[LabelledPrediction]
) -> tuple[Sequence[LabelledPrediction], Matrix]:
    """Read the matrix of the predictions that are still in the log."""
    encoder = loaded_model.artifact.encoder
    features = service.log.find_features([each.prediction.id for each in labelled])
    known = [each for each in labelled if each.prediction.id in features]
    matrix = np.zeros((len(known), len(encoder.schema.names)), dtype=np.float32)
    joined = b"".join(features[each.prediction.id] for each in known)
    matrix[:, : loaded_model.value_width] = np.frombuffer(joined, "<f4").reshape(len(known), -1)
    encoder.derive(matrix)
    return known, matrix


def _stack_predictions(labelled: Sequence[LabelledPrediction]) -> Predictions:
    probabilities = np.array([each.prediction.probabilities for each in labelled])
    return Predictions(
        outcomes=np.array([each.prediction.outcome for each in labelled]),
        probabilities=probabilities if probabilities.size else None,
    )
