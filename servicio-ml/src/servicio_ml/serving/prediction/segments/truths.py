"""Counts of ground truth by segment, from the logged features of the predictions."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import LabelledPrediction
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.performance.segments import SegmentProfile
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.loaded_model import LoadedModel

Covered = npt.NDArray[np.bool_]


def count_segment_truths(
    metrics: Metrics,
    loaded_model: LoadedModel,
    matrix: Matrix,
    labelled: Sequence[LabelledPrediction],
    covered: Covered | None,
) -> None:
    """Count the losses of predictions of one version, and whether intervals held their truth.

    Args:
        metrics: Counters.
        loaded_model: Version that has predicted.
        matrix: Features of the rows, `[n, features]`.
        labelled: Predictions with their first ground truth, `n` of them.
        covered: Whether the interval or set of each holds the truth, `[n]`; None of a version without.
    """
    outcomes = np.array([each.prediction.outcome for each in labelled])
    actual = np.array([each.actual for each in labelled])
    errors = np.abs(outcomes - actual)
    losses = (errors > 0).astype(np.float64) if loaded_model.labels else errors
    for profile in loaded_model.artifact.reference.segments:
        places = profile.assign(matrix)
        for value in np.unique(places).tolist():
            mask, labels = places == value, _list_labels(loaded_model, profile, value)
            metrics.segment_labels.labels(*labels).inc(int(mask.sum()))
            metrics.segment_loss.labels(*labels).inc(float(losses[mask].sum()))
            if not loaded_model.labels:
                metrics.segment_squared_loss.labels(*labels).inc(float((losses[mask] ** 2).sum()))
            if covered is not None:
                metrics.segment_covered.labels(*labels).inc(int(covered[mask].sum()))
            if profile.cells:
                _count_cells(metrics, loaded_model, labels, outcomes[mask], actual[mask])


def _list_labels(loaded_model: LoadedModel, profile: SegmentProfile, value: int) -> tuple[str, ...]:
    return (loaded_model.model, str(loaded_model.version), profile.field, profile.values[value])


def _count_cells(
    metrics: Metrics,
    loaded_model: LoadedModel,
    labels: tuple[str, ...],
    outcomes: npt.NDArray[np.float64],
    actual: npt.NDArray[np.float64],
) -> None:
    """Count rows by predicted and actual class; a class that the version does not know is no cell."""
    names = loaded_model.labels
    for predicted, mine in enumerate(names):
        for true, theirs in enumerate(names):
            if number := int(((outcomes == predicted) & (actual == true)).sum()):
                metrics.segment_confusion.labels(*labels, mine, theirs).inc(number)
