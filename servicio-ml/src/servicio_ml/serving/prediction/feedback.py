"""Ground truth of past predictions: checked, logged once, and counted against the prediction."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from servicio_ml.domain.prediction import (
    GroundTruth,
    LabelledPrediction,
    derive_shadow_key,
    format_prediction_ids,
    parse_prediction_id,
)
from servicio_ml.errors import TooLargeError, UnknownPredictionError
from servicio_ml.serving.prediction.actual_values import parse_actual_values
from servicio_ml.serving.prediction.coverage_counts import count_logged_rows
from servicio_ml.serving.prediction.feedback_documents import (
    FeedbackReceipt,
    FeedbackStatus,
    GroundTruthInput,
)
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.prediction.truth_counts import count_truths
from servicio_ml.serving.prediction.truth_identifiers import parse_truth_identifiers


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRecorder:
    """Records ground truth; blocks on the log, so call it in a thread."""

    service: Service

    def record_one(self, model: str, truth: GroundTruthInput, now: float) -> FeedbackReceipt:
        """Record the ground truth of one prediction.

        Args:
            model: Name of the model.
            truth: Prediction id or identifier, and actual value.
            now: Current time, in seconds since 1970.

        Raises:
            InvalidError: The value is no label of the model, or no number within the target's bounds; or
                there is not exactly one of id and identifier.
            UnknownPredictionError: The log has no such prediction of the model.
            ServicioError: There is no such model here, or the log cannot be written.
        """
        (receipt,) = self.record_many(model, [truth], now)
        if receipt.status is FeedbackStatus.UNKNOWN:
            raise UnknownPredictionError(truth.prediction_id or "", identifier=receipt.identifier or "")
        return receipt

    def record_many(
        self, model: str, truths: Sequence[GroundTruthInput], now: float
    ) -> list[FeedbackReceipt]:
        """Record the ground truth of known predictions; the receipts of the others say so.

        Raises:
            TooLargeError: The batch has more rows than the limit.
            InvalidError: As in `record_one`; none of the batch is recorded.
            ServicioError: As in `record_one`.
        """
        limit = self.service.limits.rows
        if len(truths) > limit:
            raise TooLargeError(f"a batch of {len(truths)} labels", f"{limit} labels")
        # the champion's target: a client does not know which version has answered
        output = self.service.models.get_champion(model).artifact.output
        values = parse_actual_values(model, output, [truth.actual for truth in truths])
        texts = parse_truth_identifiers(model, truths)
        ids = self._find_known_ids(model, truths, texts)
        known_truths = [
            GroundTruth(prediction_id=each, actual=value, at=now)
            for each, value in zip(ids, values, strict=True)
            if each is not None
        ]
        labelled = iter(self._log_labels(output.labels, known_truths))
        return [
            _build_receipt(each or truth.prediction_id, text, None if each is None else next(labelled))
            for each, truth, text in zip(ids, truths, texts, strict=True)
        ]

    def _find_known_ids(
        self, model: str, truths: Sequence[GroundTruthInput], texts: Sequence[str | None]
    ) -> list[str | None]:
        """Find the id of each truth's prediction; None for an unknown one."""
        ids = self._find_ids(model, truths, texts)
        logged = self.service.log.find([each for each in ids if each])
        # a prediction of another model counts as unknown, so that names reveal nothing
        known = {each for each, prediction in logged.items() if prediction.model == model}
        return [each if each in known else None for each in ids]

    def _find_ids(
        self, model: str, truths: Sequence[GroundTruthInput], texts: Sequence[str | None]
    ) -> list[str | None]:
        """Find the id that each truth names, directly or by an identifier; None for an unknown identifier."""
        named = [text for text in texts if text]
        latest = self.service.log.find_latest(model, named) if named else {}
        ids = {text: prediction.id for text, prediction in latest.items()}
        return [
            ids.get(text) if text else truth.prediction_id for truth, text in zip(truths, texts, strict=True)
        ]

    def _log_labels(
        self, labels: Sequence[str], truths: Sequence[GroundTruth]
    ) -> Sequence[LabelledPrediction | None]:
        """Log and count; the challenger's predictions of the same rows get the same ground truth."""
        # the id of a shadow row follows from the id of the answer
        shadows = [replace(each, prediction_id=_derive_shadow_id(each.prediction_id)) for each in truths]
        both = self.service.log.add_ground_truth([*truths, *shadows])
        predicted, shadowed = both[: len(truths)], both[len(truths) :]
        for each in predicted:
            if each is not None and each.new and each.revision == 1:
                # clocks of two machines may differ by some milliseconds
                lag = max(0.0, each.at - each.prediction.at)
                self.service.metrics.label_lag.labels(each.prediction.model).observe(lag)
        new = [each for each in (*predicted, *shadowed) if each is not None and each.new]
        count_truths(self.service.metrics, labels, new)
        count_logged_rows(self.service, new)
        return predicted


def _derive_shadow_id(prediction_id: str) -> str:
    key, place = parse_prediction_id(prediction_id)
    return format_prediction_ids(derive_shadow_key(key), place, 1)[0]


def _build_receipt(
    prediction_id: str | None, identifier: str | None, labelled: LabelledPrediction | None
) -> FeedbackReceipt:
    status = FeedbackStatus.UNKNOWN
    if labelled is not None:
        fresh = FeedbackStatus.ACCEPTED if labelled.revision == 1 else FeedbackStatus.CORRECTED
        status = fresh if labelled.new else FeedbackStatus.KNOWN
    return FeedbackReceipt(
        prediction_id=prediction_id,
        identifier=identifier,
        status=status,
        revision=None if labelled is None else labelled.revision,
    )
