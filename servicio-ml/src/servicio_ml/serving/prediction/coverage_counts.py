"""Counts of ground truth that has arrived by interval or set, and by segment.

They are computed again from the logged features and predictions, so that a prediction costs nothing more.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.errors import ServicioError
from servicio_ml.features.logged_rows.labelled import read_labelled_matrix, stack_predictions
from servicio_ml.features.uncertainty.levels import DEFAULT_LEVEL
from servicio_ml.features.uncertainty.uncertainty import mark_covered
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
    matrix, known = read_labelled_matrix(service.log, loaded_model.artifact.encoder, labelled)
    if not known:
        return
    covered = None
    if uncertainty:
        predictions = stack_predictions(known, len(loaded_model.labels))
        columns = uncertainty.compute_columns(matrix, predictions, DEFAULT_LEVEL)
        covered = mark_covered(columns, np.array([each.actual for each in known]))
        _count_covered(service, loaded_model, covered, uncertainty.coverage)
    count_segment_truths(service.metrics, loaded_model, matrix, known, covered)


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
