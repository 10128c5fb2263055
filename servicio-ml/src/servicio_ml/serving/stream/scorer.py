"""Outcomes of the messages of a batch: result or dead letter.

Each request has one result in the stream and one row in the log, whichever worker dies in between: the
prediction id of the row is derived from stream and message id, only the worker that holds a request finishes
it, and a redelivered request gets the result that the log holds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson

from servicio_ml.domain.fields.identifier import normalize_identifiers
from servicio_ml.domain.prediction import Interface, LoggedPrediction, derive_named_key, format_prediction_ids
from servicio_ml.domain.stream import (
    INTERVAL,
    KEY,
    OUTLIER,
    RECORD,
    VERSION,
    DeadLetter,
    StreamKind,
    StreamMessage,
    StreamOutcome,
    StreamResult,
    build_stream_name,
)
from servicio_ml.errors import (
    ArtifactError,
    FieldError,
    InvalidError,
    ModelFailureError,
    ModelWorkerError,
    NoSuchModelError,
    NotReadyError,
    RequestError,
    WorkerFailure,
)
from servicio_ml.features.outliers.answer_details import AnswerDetails
from servicio_ml.features.output import Predictions
from servicio_ml.serving.models.loaded_model import LoadedModel, PredictionResult, ScoredBatch
from servicio_ml.serving.models.row_faults import RequestRows
from servicio_ml.serving.prediction.service import Service

MAX_DELIVERIES = 5
"""Maximum deliveries of one request; the next one makes it a dead letter, since it may kill its workers."""

UNRELATED_FAILURES = frozenset({WorkerFailure.START, WorkerFailure.DOWN, WorkerFailure.BUSY})
"""Failures of an isolated model that no message has caused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageBatch:
    """Messages of one model; `redelivered` when some of them may be in the log already."""

    model: str
    messages: Sequence[StreamMessage]
    redelivered: bool


class BatchScorer:
    """Scorer of batches that scores and logs each message once.

    Args:
        service: Service whose predictor scores and whose log holds earlier results.
    """

    def __init__(self, service: Service) -> None:
        self._models, self._predictor, self._log = service.models, service.predictor, service.log

    def compute_outcomes(self, batch: MessageBatch) -> list[StreamOutcome]:
        """Compute the outcome of each message; new messages are scored and logged together.

        Raises:
            ServicioError: A service is down; the batch can be computed again.
        """
        logged = self._find_logged(batch) if batch.redelivered else {}
        outcomes = [
            self._replay_result(logged[each.id], each) for each in batch.messages if each.id in logged
        ]
        versions: dict[str, list[StreamMessage]] = {}
        for each in batch.messages:
            # the result of the others was replayed above
            if each.id not in logged:
                versions.setdefault(each.fields.get(VERSION, ""), []).append(each)
        for version, messages in versions.items():
            outcomes += self._score_by_version(version, replace(batch, messages=messages))
        return outcomes

    def _score_by_version(self, version: str, batch: MessageBatch) -> list[StreamOutcome]:
        """Compute the outcomes of messages for one alias or version; for the champion if it is empty."""
        try:
            loaded_model = self._load_model(batch.model, version)
        except NoSuchModelError as error:
            if not version:
                raise
            return [_build_dead_letter(each, str(error)) for each in batch.messages]
        outcomes: list[StreamOutcome] = []
        rows: dict[str, RequestRows] = {}
        for message in batch.messages:
            decoded = self._decode_or_bury(loaded_model, message)
            if isinstance(decoded, DeadLetter):
                outcomes.append(decoded)
            else:
                rows[message.id] = decoded
        if rows:
            message_batch = replace(batch, messages=[each for each in batch.messages if each.id in rows])
            outcomes += self._score_or_bury(loaded_model, message_batch, [*rows.values()])
        return outcomes

    def _load_model(self, model: str, version: str) -> LoadedModel:
        return self._models.get_or_load(model, version) if version else self._models.get_champion(model)

    def _score_or_bury(
        self, loaded_model: LoadedModel, batch: MessageBatch, rows: Sequence[RequestRows]
    ) -> list[StreamOutcome]:
        """Score messages together; those that an isolated model fails on, or ends by, become dead letters."""
        try:
            return [*self._score(loaded_model, batch, rows)]
        except ModelFailureError as error:
            if len(rows) == 1:
                return [_build_dead_letter(batch.messages[0], str(error))]
        except ModelWorkerError as error:
            # a second time and alone, it is the message that ends the process
            if error.failure in UNRELATED_FAILURES or len(rows) > 1 or not batch.redelivered:
                raise
            return [_build_dead_letter(batch.messages[0], str(error))]
        return [
            outcome
            for message, row in zip(batch.messages, rows, strict=True)
            for outcome in self._score_or_bury(loaded_model, replace(batch, messages=[message]), [row])
        ]

    def _score(
        self, loaded_model: LoadedModel, batch: MessageBatch, rows: Sequence[RequestRows]
    ) -> Iterator[StreamOutcome]:
        names = [_build_row_name(batch.model, message) for message in batch.messages]
        matrix = np.concatenate([each.matrix for each in rows])
        identifiers = normalize_identifiers([next(iter(each.identifiers), None) for each in rows])
        results = self._predictor.score_idempotent(loaded_model, matrix, Interface.STREAM, names, identifiers)
        # if two workers hold the message, the first in the log decides: both must give the same result
        logged = self._find_logged(batch) if batch.redelivered else {}
        for message, result in zip(batch.messages, results, strict=True):
            if message.id in logged:
                yield self._replay_result(logged[message.id], message)
            else:
                yield _build_result(message, result)

    def _decode_or_bury(self, loaded_model: LoadedModel, message: StreamMessage) -> RequestRows | DeadLetter:
        # the broker counts deliveries, so that the count survives the workers
        if message.deliveries > MAX_DELIVERIES:
            return _build_dead_letter(message, f"{MAX_DELIVERIES} workers took it and did not finish it")
        try:
            return self._decode(loaded_model, message)
        except InvalidError as error:
            self._predictor.count_rejected(error)
            return _build_dead_letter(message, str(error))
        except RequestError as error:
            return _build_dead_letter(message, str(error))

    def _decode(self, loaded_model: LoadedModel, message: StreamMessage) -> RequestRows:
        # before it is scored and logged
        _resolve_details(loaded_model, message)
        record = message.fields.get(RECORD)
        if record is None:
            fault = FieldError(
                row=0, field=RECORD, value=None, allowed="one record as JSON text", reason="missing"
            )
            raise InvalidError(loaded_model.model, [fault])
        return loaded_model.decoder.decode_record(record.encode())

    def _find_logged(self, batch: MessageBatch) -> Mapping[str, LoggedPrediction]:
        """Find the logged predictions of a batch, by message id."""
        ids = {_compute_prediction_id(batch.model, message): message.id for message in batch.messages}
        return {ids[each]: found for each, found in self._log.find([*ids]).items()}

    def _replay_result(self, logged: LoggedPrediction, message: StreamMessage) -> StreamOutcome:
        """Build the result again from the log."""
        try:
            loaded_model = self._load_version(logged.model, str(logged.version))
        except (NoSuchModelError, ArtifactError) as error:
            return _build_dead_letter(message, f"it was scored as {logged.id}, but {error}")
        predictions = Predictions(
            outcomes=np.array([logged.outcome]),
            probabilities=np.array([logged.probabilities]) if logged.probabilities else None,
        )
        rows = self._decode_or_bury(loaded_model, replace(message, deliveries=1))
        if isinstance(rows, DeadLetter):
            return rows
        loaded_model.artifact.encoder.derive(rows.matrix)
        key = derive_named_key(_build_row_name(logged.model, message))
        batch = ScoredBatch(loaded_model, key, predictions, rows.matrix)
        return _build_result(message, PredictionResult(scored_batch=batch, start=0, row_count=1))

    def _load_version(self, model: str, version: str) -> LoadedModel:
        try:
            return self._models.get_or_load(model, version)
        except NoSuchModelError:
            # another worker may have scored by a version that is newer than this one's view of the registry
            self._models.refresh()
            if problem := self._models.registry_error or self._models.get_status(model).error:
                raise NotReadyError(model, problem) from None
            return self._models.get_or_load(model, version)


def _build_row_name(model: str, message: StreamMessage) -> str:
    """Build the name that the row of a message is logged by."""
    return f"{build_stream_name(model, StreamKind.REQUESTS)}/{message.id}"


def _compute_prediction_id(model: str, message: StreamMessage) -> str:
    return format_prediction_ids(derive_named_key(_build_row_name(model, message)), 0, 1)[0]


def _resolve_details(loaded_model: LoadedModel, message: StreamMessage) -> AnswerDetails:
    return loaded_model.resolve_details(message.fields.get(INTERVAL), message.fields.get(OUTLIER))


def _build_result(message: StreamMessage, result: PredictionResult) -> StreamResult:
    result = replace(result, details=_resolve_details(result.loaded_model, message))
    (document,) = result.to_documents()
    answer = orjson.dumps(document).decode()
    return StreamResult(request=message.id, key=message.fields.get(KEY, ""), answer=answer)


def _build_dead_letter(message: StreamMessage, reason: str) -> DeadLetter:
    return DeadLetter(request=message.id, reason=reason, fields=message.fields)
