"""Counts of the intervals and sets that held the ground truth which has arrived.

They are computed again from the logged features and predictions, so that a prediction costs nothing more.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.errors import ServicioError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.uncertainty import Uncertainty, mark_covered
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.prediction.service import Service

LEVEL_LABEL = f"{DEFAULT_LEVEL:g}"


def count_coverage(service: Service, found: Sequence[LabelledPrediction]) -> None:
    """Count whether the interval or set of each prediction at `DEFAULT_LEVEL` holds its first ground truth.

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
        loaded_model = _load_version(service, model, version)
        uncertainty = None if loaded_model is None else loaded_model.artifact.uncertainty
        if loaded_model and uncertainty and uncertainty.table.max_level >= DEFAULT_LEVEL:
            _count_version(service, loaded_model, uncertainty, labelled)


def _count_version(
    service: Service,
    loaded_model: LoadedModel,
    uncertainty: Uncertainty,
    labelled: Sequence[LabelledPrediction],
) -> None:
    known, matrix = _read_features(service, loaded_model, uncertainty, labelled)
    if not known:
        return
    columns = uncertainty.compute_columns(matrix, _stack_predictions(known), DEFAULT_LEVEL)
    covered = int(mark_covered(columns, np.array([each.actual for each in known])).sum())
    labels = (loaded_model.model, str(loaded_model.version), LEVEL_LABEL)
    for text, number in (("true", covered), ("false", len(known) - covered)):
        service.metrics.interval_covered.labels(*labels, text).inc(number)
    service.metrics.interval_expected.labels(*labels).inc(uncertainty.coverage * len(known))


def _load_version(service: Service, model: str, version: int) -> LoadedModel | None:
    """Load the version that has answered; None where it is not there any more."""
    try:
        return service.models.get_or_load(model, str(version))
    except ServicioError:
        # its ground truth is recorded anyway
        return None


def _read_features(
    service: Service,
    loaded_model: LoadedModel,
    uncertainty: Uncertainty,
    labelled: Sequence[LabelledPrediction],
) -> tuple[Sequence[LabelledPrediction], Matrix]:
    """Read the matrix of the predictions that are still in the log; zeros where it does not matter."""
    encoder = loaded_model.artifact.encoder
    if not uncertainty.needs_features:
        return labelled, np.zeros((len(labelled), len(encoder.schema.names)), dtype=np.float32)
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
