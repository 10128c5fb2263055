"""Losses of both versions of a rollout, on logged rows that both have scored and that have ground truth."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import (
    LabelledPrediction,
    LoggedPrediction,
    Purpose,
    derive_shadow_key,
    format_prediction_ids,
    parse_prediction_id,
)
from servicio_ml.domain.rollout.paired_sums import PairedSums, sum_pairs
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.lifecycle.rollout.maintainer import LossEvidence
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.models.sampling import is_selected

READ_ROWS = 5_000
"""Number of rows whose predictions are read at once."""
Versions = Mapping[int, LoadedModel]


class LossReader:
    """Reads the losses of a rollout.

    Args:
        log: Prediction log.
        models: Loaded models, which know the labels of each version.
    """

    def __init__(self, log: PredictionLog, models: LoadedModels) -> None:
        self._log, self._models = log, models

    def read_losses(self, rollout: Rollout, now: float) -> LossEvidence:
        """Read the losses from the start of a rollout, or of its watch, on.

        All are read each time, by the newest ground truth: a correction replaces what was received before.

        Args:
            rollout: Rollout.
            now: Time in seconds since 1970.

        Raises:
            ServicioError: The log cannot be read, or a version cannot be loaded.
        """
        numbers = (rollout.challenger, rollout.champion)
        versions = {number: self._models.get_or_load(rollout.model, str(number)) for number in numbers}
        labelled = self._log.read_ground_truth(rollout.model, rollout.evidence_since, now)
        answered = (
            each
            for each in labelled
            if each.prediction.purpose != Purpose.SHADOW
            and each.prediction.version in versions
            # the others were not scored in shadow, and looking for them costs most of the time
            and is_selected(*parse_prediction_id(each.prediction.id), rollout.ramp.shadow)
        )
        sums = PairedSums()
        for part in _split(answered, READ_ROWS):
            sums += self._sum_losses(rollout, versions, part)
        policy = versions[rollout.champion].artifact.reference.policy
        return LossEvidence(sums=sums, design_effect=policy.design_effect)

    def _sum_losses(
        self, rollout: Rollout, versions: Versions, answered: Sequence[LabelledPrediction]
    ) -> PairedSums:
        shadow_ids = [_derive_shadow_id(each.prediction.id) for each in answered]
        shadows = self._log.find(shadow_ids)
        losses = list[tuple[float, float]]()
        for each, shadow_id in zip(answered, shadow_ids, strict=True):
            shadow = shadows.get(shadow_id)
            pair = {each.prediction.version: each.prediction}
            if shadow is not None:
                pair[shadow.version] = shadow
            # the journal of the shadow may not be in the log yet
            if pair.keys() == versions.keys():
                truth = _get_truth(versions[each.prediction.version], each.actual)
                challenger, champion = (
                    compute_loss(versions[number], pair[number], truth)
                    for number in (rollout.challenger, rollout.champion)
                )
                losses.append((challenger, champion))
        return sum_pairs(losses)


def compute_loss(version: LoadedModel, prediction: LoggedPrediction, truth: float | str) -> float:
    """Compute the loss of a prediction.

    It is the Brier score (Brier 1950: the sum over the classes of the squared differences), the pinball loss
    of a quantile, or the absolute error in the target's unit.

    Args:
        version: Version that has made the prediction.
        prediction: Logged prediction.
        truth: True label, or number.
    """
    if isinstance(truth, str):
        pairs = zip(version.labels, prediction.probabilities, strict=True)
        # a class that the version does not know has a probability of 0
        unknown = float(truth not in version.labels)
        return unknown + sum((probability - (label == truth)) ** 2 for label, probability in pairs)
    error, quantile = truth - prediction.outcome, version.artifact.output.quantile
    if quantile is None:
        return abs(error)
    return max(quantile * error, (quantile - 1) * error)


def _get_truth(version: LoadedModel, actual: float) -> float | str:
    return version.labels[int(actual)] if version.labels else actual


def _derive_shadow_id(prediction_id: str) -> str:
    key, place = parse_prediction_id(prediction_id)
    (shadow_id,) = format_prediction_ids(derive_shadow_key(key), place, 1)
    return shadow_id


def _split(items: Iterable[LabelledPrediction], size: int) -> Iterator[list[LabelledPrediction]]:
    iterator = iter(items)
    while part := list(islice(iterator, size)):
        yield part
