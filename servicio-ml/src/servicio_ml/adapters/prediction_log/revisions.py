"""Revisions of ground truth: an unchanged value creates no new revision."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

from servicio_ml.domain.prediction import GroundTruth, LabelledPrediction, LoggedPrediction


def build_revisions(
    truths: Sequence[GroundTruth],
    predictions: Mapping[str, LoggedPrediction],
    newest: MutableMapping[str, LabelledPrediction],
) -> list[LabelledPrediction | None]:
    """Build the revision of each truth: a new one, the newest one again, or None for an unknown prediction.

    Args:
        truths: Ground truth in the order of its arrival.
        predictions: Known predictions by id.
        newest: Newest revision by prediction id; updated in place.
    """
    taken = list[LabelledPrediction | None]()
    for truth in truths:
        prediction, last = predictions.get(truth.prediction_id), newest.get(truth.prediction_id)
        if prediction is None:
            taken.append(None)
        elif last is not None and last.actual == truth.actual:
            taken.append(replace(last, new=False))
        else:
            revision = 1 if last is None else last.revision + 1
            made = LabelledPrediction(
                prediction=prediction, actual=truth.actual, at=truth.at, revision=revision, new=True
            )
            # a batch may hold the same prediction again
            newest[truth.prediction_id] = made
            taken.append(made)
    return taken
