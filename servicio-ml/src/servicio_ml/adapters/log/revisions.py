"""Ground truth becomes revisions: the same truth again is none."""

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import replace

from servicio_ml.domain.prediction import GroundTruth, Labelled, Prediction


def revised(
    truths: Sequence[GroundTruth],
    predictions: Mapping[str, Prediction],
    newest: MutableMapping[str, Labelled],
) -> list[Labelled | None]:
    """What each truth is: a new revision, the newest one again, or None for an unknown prediction.

    Args:
        truths: In the order in which they came.
        predictions: Those that are known, by id.
        newest: The newest revision of each that has one, by id; brought up to date.
    """
    taken = list[Labelled | None]()
    for truth in truths:
        prediction, last = predictions.get(truth.prediction_id), newest.get(truth.prediction_id)
        if prediction is None:
            taken.append(None)
        elif last is not None and last.actual == truth.actual:
            taken.append(replace(last, new=False))
        else:
            revision = 1 if last is None else last.revision + 1
            made = Labelled(
                prediction=prediction, actual=truth.actual, at=truth.at, revision=revision, new=True
            )
            newest[truth.prediction_id] = made
            taken.append(made)
    return taken
