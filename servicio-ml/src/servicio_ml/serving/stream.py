"""Requests from a stream: a worker that answers them in batches.

Each request has one answer in the results and one row in the log, whoever dies in between: the row's
prediction id is made of stream and message id, only whoever holds a request finishes it, and one that comes
again is answered as the log has it.
"""

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import orjson
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from servicio_ml.domain.ports import Broker
from servicio_ml.domain.prediction import Prediction, Protocol, named_key, prediction_ids
from servicio_ml.domain.stream import KEY, RECORD, Dead, Message, Result, Stream, Verdict, stream_name
from servicio_ml.errors import (
    ArtifactError,
    BrokerError,
    Fault,
    InvalidError,
    NoSuchModelError,
    NotReadyError,
    ServicioError,
)
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.models import Models
from servicio_ml.serving.served import Answered, Scored, Served
from servicio_ml.serving.service import Service

logger = logging.getLogger(__name__)
BATCH_ROWS = 256
WAIT_SECONDS = 1.0
"""How long a read waits for a request, and so how late a stop may be noticed."""
CLAIM_AFTER_SECONDS = 30.0
"""Age from which a request that was handed out is taken over."""
MAX_DELIVERIES = 5
"""Of one request; it is buried with the next, since whoever had it died of it."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Messages of one model; `again` when some of them may be in the log already."""

    model: str
    messages: Sequence[Message]
    again: bool


class StreamWorker:
    """Answers the requests of every served model that has a champion.

    What dead workers left is taken over message by message: should one of them be what kills, it takes no
    other with it.

    Args:
        service: Its predictor answers and its log knows what was answered.
        broker: The streams, as a consumer of its own.
        claim_after_seconds: Age from which a request that was handed out is taken over; longer than the work
            on a batch takes.
    """

    def __init__(
        self, service: Service, broker: Broker, *, claim_after_seconds: float = CLAIM_AFTER_SECONDS
    ) -> None:
        self._models, self._predictor, self._log = service.models, service.predictor, service.log
        self._broker, self._claim_after = broker, claim_after_seconds
        self._joined: set[str] = set()
        self._hand: deque[_Batch] = deque()

    def run(self, stop: threading.Event) -> None:
        """Answer until told to stop; what is in hand then is finished first.

        While anything that is needed is down, the worker keeps what it has and tries again.
        """
        failures = 0
        while not stop.is_set():
            try:
                if not self.step(WAIT_SECONDS):
                    stop.wait(WAIT_SECONDS)
            except ServicioError as error:
                if not failures:
                    logger.warning("the stream worker waits: %s", error)
                stop.wait(min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))
                failures += 1
                # a broker that lost its memory has lost its groups too
                self._joined.clear()
            else:
                if failures:
                    logger.warning("the stream worker goes on")
                failures = 0
        self._leave()

    def step(self, wait_seconds: float) -> bool:
        """Answer what is in hand, or else what is there within the time; False when no model is served.

        Raises:
            ServicioError: Something is down; what is in hand stays there for the next step.
        """
        models = [served.model for served in self._models.champions()]
        for model in models:
            if model not in self._joined:
                self._broker.join(model)
                self._joined.add(model)
        if models and not self._hand:
            self._take(models, wait_seconds)
        while self._hand:
            batch = self._hand[0]
            # should anything fail from here on, the log has to be asked
            self._hand[0] = replace(batch, again=True)
            self._broker.finish(batch.model, self._verdicts(batch))
            self._hand.popleft()
        return bool(models)

    def _take(self, models: Sequence[str], wait_seconds: float) -> None:
        for model in models:
            message = self._broker.claim(model, idle_seconds=self._claim_after)
            if message is not None:
                self._hand.append(_Batch(model=model, messages=(message,), again=True))
        wait_seconds = 0 if self._hand else wait_seconds
        found = self._broker.read(models, rows=BATCH_ROWS, wait_seconds=wait_seconds)
        self._hand.extend(
            _Batch(model=model, messages=messages, again=False) for model, messages in found.items()
        )

    def _verdicts(self, batch: _Batch) -> list[Verdict]:
        """What becomes of each message; the fresh ones are scored and logged together."""
        served = self._models.champion(batch.model)
        known = self._logged(batch) if batch.again else {}
        verdicts = [self._remembered(known[each.id], each) for each in batch.messages if each.id in known]
        rows: list[Matrix] = []
        fresh: list[Message] = []
        for message in batch.messages:
            if message.id in known:
                continue
            try:
                rows.append(self._decoded(served, message))
                fresh.append(message)
            except InvalidError as error:
                self._predictor.reject(error)
                verdicts.append(_dead(message, str(error)))
            except _ExhaustedError as error:
                verdicts.append(_dead(message, str(error)))
        if fresh:
            names = [_name(batch.model, message) for message in fresh]
            answers = self._predictor.answer_named(served, np.concatenate(rows), Protocol.STREAM, names)
            # of two workers that had the message, the one that logged it first has decided
            decided = self._logged(replace(batch, messages=fresh)) if batch.again else {}
            verdicts += [
                self._remembered(decided[message.id], message)
                if message.id in decided
                else _result(message, answer)
                for message, answer in zip(fresh, answers, strict=True)
            ]
        return verdicts

    def _decoded(self, served: Served, message: Message) -> Matrix:
        if message.deliveries > MAX_DELIVERIES:
            raise _ExhaustedError
        record = message.fields.get(RECORD)
        if record is None:
            fault = Fault(
                row=0, field=RECORD, value=None, allowed="one record as JSON text", reason="missing"
            )
            raise InvalidError(served.model, [fault])
        return served.decoder.record(record.encode())

    def _logged(self, batch: _Batch) -> Mapping[str, Prediction]:
        """Message id to what the log has of it."""
        ids = {_prediction_id(batch.model, message): message.id for message in batch.messages}
        return {ids[each]: found for each, found in self._log.find([*ids]).items()}

    def _remembered(self, logged: Prediction, message: Message) -> Verdict:
        """The answer as the log has it."""
        try:
            served = self._version(logged.model, str(logged.version))
        except (NoSuchModelError, ArtifactError) as error:
            return _dead(message, f"it was answered as {logged.id}, but {error}")
        predictions = Predictions(
            outcomes=np.array([logged.outcome]),
            probabilities=np.array([logged.probabilities]) if logged.probabilities else None,
        )
        scored = Scored(served, named_key(_name(logged.model, message)), predictions)
        return _result(message, Answered(scored=scored, start=0, rows=1))

    def _version(self, model: str, version: str) -> Served:
        try:
            return self._models.obtain(model, version)
        except NoSuchModelError:
            # another worker may have met it before this one looked at the registry again
            self._models.refresh()
            if problem := self._models.problem or self._models.state(model).problem:
                raise NotReadyError(model, problem) from None
            return self._models.obtain(model, version)

    def _leave(self) -> None:
        for model in self._joined:
            try:
                self._broker.leave(model)
            except BrokerError as error:
                logger.warning("the stream worker did not leave its group: %s", error)
                return


class Backlog(Collector):
    """The metric `servicio_ml_stream_lag`: requests without an answer, by model.

    Args:
        broker: Asked at each scrape; while it is down there are no samples.
        models: Those that are served.
    """

    def __init__(self, broker: Broker, models: Models) -> None:
        self._broker, self._models = broker, models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(
            "servicio_ml_stream_lag", "Requests in the stream without an answer.", labels=["model"]
        )
        try:
            for served in self._models.champions():
                family.add_metric([served.model], self._broker.backlog(served.model))
        except BrokerError as error:
            logger.warning("the backlog is not known: %s", error)
        yield family


class _ExhaustedError(Exception):
    """A message was handed out too often."""

    def __init__(self) -> None:
        super().__init__(f"{MAX_DELIVERIES} workers had it and did not finish it")


def _name(model: str, message: Message) -> str:
    """By which the message's row is logged."""
    return f"{stream_name(model, Stream.REQUESTS)}/{message.id}"


def _prediction_id(model: str, message: Message) -> str:
    return prediction_ids(named_key(_name(model, message)), 0, 1)[0]


def _result(message: Message, answered: Answered) -> Result:
    (document,) = answered.documents()
    answer = orjson.dumps(document).decode()
    return Result(request=message.id, key=message.fields.get(KEY, ""), answer=answer)


def _dead(message: Message, reason: str) -> Dead:
    return Dead(request=message.id, reason=reason, fields=message.fields)
