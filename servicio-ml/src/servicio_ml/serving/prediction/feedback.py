"""Ground truth of past predictions: checked, logged once, and counted against the prediction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from servicio_ml.domain.prediction import (
    GroundTruth,
    LabelledPrediction,
    derive_shadow_key,
    format_prediction_ids,
    parse_prediction_id,
)
from servicio_ml.errors import FieldError, InvalidError, TooLargeError, UnknownPredictionError
from servicio_ml.serving.models.truncation import truncate_value
from servicio_ml.serving.prediction.feedback_documents import (
    FeedbackReceipt,
    FeedbackStatus,
    GroundTruthInput,
)
from servicio_ml.serving.prediction.service import Service

ACTUAL_FIELD = "actual"
OTHER_LABEL = "other"
"""Metric label of classes that the champion does not know: an older version may have had others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackRecorder:
    """Records ground truth; blocks on the log, so call it in a thread."""

    service: Service

    def record_one(self, model: str, truth: GroundTruthInput, now: float) -> FeedbackReceipt:
        """Record the ground truth of one prediction.

        Args:
            model: Name of the model.
            truth: Prediction id and actual value.
            now: Current time, in seconds since 1970.

        Raises:
            InvalidError: The value is no label of the model, or no finite number.
            UnknownPredictionError: The log has no such prediction of the model.
            ServicioError: There is no such model here, or the log cannot be written.
        """
        (receipt,) = self.record_many(model, [truth], now)
        if receipt.status is FeedbackStatus.UNKNOWN:
            raise UnknownPredictionError(truth.prediction_id)
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
        # the champion's labels: a client does not know which version has answered
        labels = self.service.models.get_champion(model).labels
        values = _parse_actuals(model, labels, truths)
        logged = self.service.log.find([truth.prediction_id for truth in truths])
        # a prediction of another model counts as unknown, so that names reveal nothing
        known = {each for each, prediction in logged.items() if prediction.model == model}
        known_truths = [
            GroundTruth(prediction_id=truth.prediction_id, actual=value, at=now)
            for truth, value in zip(truths, values, strict=True)
            if truth.prediction_id in known
        ]
        labelled = iter(self._log_labels(labels, known_truths))
        return [
            _build_receipt(truth.prediction_id, next(labelled) if truth.prediction_id in known else None)
            for truth in truths
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
        for each in (*predicted, *shadowed):
            if each is not None and each.new:
                self._count(labels, each)
        return predicted

    def _count(self, labels: Sequence[str], labelled: LabelledPrediction) -> None:
        """Count the first ground truth of a prediction; a counter cannot undo it after a correction."""
        metrics, prediction = self.service.metrics, labelled.prediction
        version = (prediction.model, str(prediction.version))
        if labelled.revision > 1:
            metrics.label_corrections.labels(*version).inc()
        elif labels:
            cell = (_name_label(labels, prediction.outcome), _name_label(labels, labelled.actual))
            metrics.realised_confusion.labels(*version, *cell).inc()
        else:
            error = abs(labelled.actual - prediction.outcome)
            metrics.absolute_error.labels(*version).observe(error)


def _parse_actuals(model: str, labels: Sequence[str], truths: Sequence[GroundTruthInput]) -> list[float]:
    """Parse the actual values as they are logged: the label's index, or the number."""
    codes = {label: float(code) for code, label in enumerate(labels)}
    values = [_parse_actual(truth.actual, codes) for truth in truths]
    allowed = f"one of {', '.join(labels)}" if labels else "a finite number"
    faults = [
        FieldError(
            row=row,
            field=ACTUAL_FIELD,
            value=truncate_value(truth.actual),
            allowed=allowed,
            reason=_classify_fault(truth, labels),
        )
        for row, (truth, value) in enumerate(zip(truths, values, strict=True))
        if value is None
    ]
    if faults:
        raise InvalidError(model, faults)
    return [value for value in values if value is not None]


def _parse_actual(actual: object, codes: Mapping[str, float]) -> float | None:
    if not codes:
        return _parse_finite(actual)
    return codes.get(actual) if isinstance(actual, str) else None


def _parse_finite(value: object) -> float | None:
    # bool is a subclass of int, and true is no number of anything
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _classify_fault(truth: GroundTruthInput, labels: Sequence[str]) -> str:
    if labels:
        return "level" if isinstance(truth.actual, str) else "type"
    number = isinstance(truth.actual, (int, float)) and not isinstance(truth.actual, bool)
    return "range" if number else "type"


def _derive_shadow_id(prediction_id: str) -> str:
    key, place = parse_prediction_id(prediction_id)
    return format_prediction_ids(derive_shadow_key(key), place, 1)[0]


def _name_label(labels: Sequence[str], code: float) -> str:
    return labels[int(code)] if 0 <= code < len(labels) else OTHER_LABEL


def _build_receipt(prediction_id: str, labelled: LabelledPrediction | None) -> FeedbackReceipt:
    if labelled is None:
        return FeedbackReceipt(prediction_id=prediction_id, status=FeedbackStatus.UNKNOWN, revision=None)
    fresh = FeedbackStatus.ACCEPTED if labelled.revision == 1 else FeedbackStatus.CORRECTED
    status = fresh if labelled.new else FeedbackStatus.KNOWN
    return FeedbackReceipt(prediction_id=prediction_id, status=status, revision=labelled.revision)
