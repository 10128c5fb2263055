"""Ground truth that comes later: checked, logged once, counted against what was predicted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from servicio_ml.domain.prediction import GroundTruth, Labelled, parsed_id, prediction_ids, shadow_key
from servicio_ml.errors import Fault, InvalidError, TooLargeError, UnknownPredictionError
from servicio_ml.serving.decode import shown
from servicio_ml.serving.service import Service

ID_CHARACTERS = 64
ACTUAL = "actual"
OTHER = "other"
"""Stands for a label that the champion does not know: an older version may have had others."""


class Status(StrEnum):
    """What became of a ground truth."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    CORRECTED = "corrected"
    UNKNOWN = "unknown"


class Truth(BaseModel):
    """What really happened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prediction_id: str = Field(description="Of the answer.", max_length=ID_CHARACTERS)
    # what it may be is the model's to say, and so is the error
    actual: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})] = Field(
        description="A label of the model; the number in a regression."
    )


class Truths(BaseModel):
    """Many of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: list[Truth] = Field(min_length=1)


class Receipt(BaseModel):
    """What became of a ground truth: the same again changes nothing, another one is a new revision."""

    prediction_id: str
    status: Status
    revision: int | None = Field(description="1 for the first; null for an unknown prediction.")


class Receipts(BaseModel):
    """In the order of the request."""

    labels: list[Receipt]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Takes in ground truth; waits for the log, so that it belongs in a thread."""

    service: Service

    def one(self, model: str, truth: Truth, now: float) -> Receipt:
        """Take in one.

        Args:
            model: Whose prediction it was.
            truth: What happened.
            now: Seconds since 1970.

        Raises:
            InvalidError: It is no label of the model, or no finite number.
            UnknownPredictionError: No such prediction of the model is logged.
            ServicioError: The model is not served, or the log cannot be written.
        """
        (receipt,) = self.many(model, [truth], now)
        if receipt.status is Status.UNKNOWN:
            raise UnknownPredictionError(truth.prediction_id)
        return receipt

    def many(self, model: str, truths: Sequence[Truth], now: float) -> list[Receipt]:
        """Take in those whose prediction is known, and tell of the others.

        Raises:
            TooLargeError: There are more than the limit.
            InvalidError: As `one`; none of them is taken.
            ServicioError: As `one`.
        """
        limit = self.service.limits.rows
        if len(truths) > limit:
            raise TooLargeError(f"a batch of {len(truths)} labels", f"{limit} labels")
        labels = self.service.models.champion(model).labels
        values = _values(model, labels, truths)
        logged = self.service.log.find([truth.prediction_id for truth in truths])
        known = {each for each, prediction in logged.items() if prediction.model == model}
        mine = [
            GroundTruth(prediction_id=truth.prediction_id, actual=value, at=now)
            for truth, value in zip(truths, values, strict=True)
            if truth.prediction_id in known
        ]
        taken = iter(self._taken(labels, mine))
        return [
            _receipt(truth.prediction_id, next(taken) if truth.prediction_id in known else None)
            for truth in truths
        ]

    def _taken(self, labels: Sequence[str], truths: Sequence[GroundTruth]) -> Sequence[Labelled | None]:
        """Log and count; the challenger's answers to the same rows get the same truth."""
        shadows = [replace(each, prediction_id=_shadow_id(each.prediction_id)) for each in truths]
        both = self.service.log.label([*truths, *shadows])
        answered, shadowed = both[: len(truths)], both[len(truths) :]
        for each in answered:
            if each is not None and each.new and each.revision == 1:
                lag = max(0.0, each.at - each.prediction.at)
                self.service.metrics.label_lag.labels(each.prediction.model).observe(lag)
        for each in (*answered, *shadowed):
            if each is not None and each.new:
                self._count(labels, each)
        return answered

    def _count(self, labels: Sequence[str], labelled: Labelled) -> None:
        """Count the first truth of a prediction; a counter cannot take a corrected one back."""
        metrics, prediction = self.service.metrics, labelled.prediction
        version = (prediction.model, str(prediction.version))
        if labelled.revision > 1:
            metrics.corrections.labels(*version).inc()
        elif labels:
            cell = (_label(labels, prediction.outcome), _label(labels, labelled.actual))
            metrics.realised.labels(*version, *cell).inc()
        else:
            error = abs(labelled.actual - prediction.outcome)
            metrics.absolute_error.labels(*version).observe(error)


def _values(model: str, labels: Sequence[str], truths: Sequence[Truth]) -> list[float]:
    """What happened, as it is logged: the label's index, or the number."""
    codes = {label: float(code) for code, label in enumerate(labels)}
    values = [
        (codes.get(truth.actual) if isinstance(truth.actual, str) else None)
        if labels
        else _finite(truth.actual)
        for truth in truths
    ]
    allowed = f"one of {', '.join(labels)}" if labels else "a finite number"
    faults = [
        Fault(
            row=row, field=ACTUAL, value=shown(truth.actual), allowed=allowed, reason=_reason(truth, labels)
        )
        for row, (truth, value) in enumerate(zip(truths, values, strict=True))
        if value is None
    ]
    if faults:
        raise InvalidError(model, faults)
    return [value for value in values if value is not None]


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _reason(truth: Truth, labels: Sequence[str]) -> str:
    if labels:
        return "level" if isinstance(truth.actual, str) else "type"
    number = isinstance(truth.actual, (int, float)) and not isinstance(truth.actual, bool)
    return "range" if number else "type"


def _shadow_id(prediction_id: str) -> str:
    key, place = parsed_id(prediction_id)
    return prediction_ids(shadow_key(key), place, 1)[0]


def _label(labels: Sequence[str], code: float) -> str:
    return labels[int(code)] if 0 <= code < len(labels) else OTHER


def _receipt(prediction_id: str, labelled: Labelled | None) -> Receipt:
    if labelled is None:
        return Receipt(prediction_id=prediction_id, status=Status.UNKNOWN, revision=None)
    fresh = Status.ACCEPTED if labelled.revision == 1 else Status.CORRECTED
    status = fresh if labelled.new else Status.KNOWN
    return Receipt(prediction_id=prediction_id, status=status, revision=labelled.revision)
