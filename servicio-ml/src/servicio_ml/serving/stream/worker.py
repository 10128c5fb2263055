"""Stream worker: takes requests from the streams and scores them in batches."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import replace

from servicio_ml.domain.ports.broker import Broker
from servicio_ml.domain.stream import DeadLetter, StreamOutcome
from servicio_ml.errors import BrokerError, ModelWorkerError, ServicioError
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.stream.scorer import UNRELATED_FAILURES, BatchScorer, MessageBatch

logger = logging.getLogger(__name__)
BATCH_ROWS = 256
READ_TIMEOUT_SECONDS = 1.0
"""Timeout of a read, and so the maximum delay of a stop."""
CLAIM_AFTER_SECONDS = 30.0
"""Age from which a worker claims a request that another one has not finished."""
MIN_RETRY_SECONDS, MAX_RETRY_SECONDS = 0.5, 10.0


class StreamWorker:
    """Consumer of the requests for all models that have a champion.

    Messages of dead workers are claimed one by one: if one of them kills its worker, no other message counts
    its delivery.

    Args:
        service: Service whose predictor scores and whose log holds earlier results.
        broker: Streams, as a consumer with a name of its own.
        claim_after_seconds: Age from which a request is claimed; must exceed the time to score a batch.
    """

    def __init__(
        self, service: Service, broker: Broker, *, claim_after_seconds: float = CLAIM_AFTER_SECONDS
    ) -> None:
        self._models: LoadedModels = service.models
        self._scorer = BatchScorer(service)
        self._broker, self._claim_after = broker, claim_after_seconds
        self._joined_models: set[str] = set()
        self._pending: deque[MessageBatch] = deque()

    def run(self, stop: threading.Event) -> None:
        """Process requests until `stop` is set, and finish the batches already taken.

        While a service that it needs is down, the worker keeps its batches and retries.
        """
        failures = 0
        while not stop.is_set():
            try:
                # without a model to serve, step returns at once and the loop waits
                if not self.step(READ_TIMEOUT_SECONDS):
                    stop.wait(READ_TIMEOUT_SECONDS)
            except ServicioError as error:
                if not failures:
                    logger.warning("the stream worker waits: %s", error)
                stop.wait(min(MIN_RETRY_SECONDS * 2**failures, MAX_RETRY_SECONDS))
                failures += 1
                # a broker that lost its memory has lost its groups too
                self._joined_models.clear()
            else:
                if failures:
                    logger.warning("the stream worker continues")
                failures = 0
        self._leave_groups()

    def step(self, wait_seconds: float) -> bool:
        """Process the batches already taken, or those that arrive in time; False when no model is served.

        Raises:
            ServicioError: A service is down; the batches stay for the next step.
        """
        models = [loaded_model.model for loaded_model in self._models.list_champions()]
        for model in models:
            if model not in self._joined_models:
                self._broker.join(model)
                self._joined_models.add(model)
        if models and not self._pending:
            self._read_batches(models, wait_seconds)
        while self._pending:
            batch = self._pending[0]
            # marked before the work: if it fails halfway, some rows may be in the log already
            self._pending[0] = replace(batch, redelivered=True)
            outcomes = self._compute_outcomes(batch)
            self._broker.finish(batch.model, outcomes)
            self._pending.popleft()
            _log_batch(batch, outcomes)
        return bool(models)

    def _compute_outcomes(self, batch: MessageBatch) -> Sequence[StreamOutcome]:
        try:
            return self._scorer.compute_outcomes(batch)
        except ModelWorkerError as error:
            if error.failure not in UNRELATED_FAILURES:
                # one by one from now on, so that the message that ends the process of its model is alone
                self._pending.popleft()
                self._pending.extendleft(
                    replace(batch, messages=(each,), redelivered=True) for each in reversed(batch.messages)
                )
            raise

    def _read_batches(self, models: Sequence[str], wait_seconds: float) -> None:
        for model in models:
            message = self._broker.claim(model, idle_seconds=self._claim_after)
            if message is not None:
                self._pending.append(MessageBatch(model=model, messages=(message,), redelivered=True))
        # claimed requests are late already, so they do not wait for new ones
        wait_seconds = 0 if self._pending else wait_seconds
        found = self._broker.read(models, rows=BATCH_ROWS, wait_seconds=wait_seconds)
        self._pending.extend(
            MessageBatch(model=model, messages=messages, redelivered=False)
            for model, messages in found.items()
        )

    def _leave_groups(self) -> None:
        for model in self._joined_models:
            try:
                self._broker.leave(model)
            except BrokerError as error:
                logger.warning("the stream worker did not leave its group: %s", error)
                return


def _log_batch(batch: MessageBatch, outcomes: Sequence[StreamOutcome]) -> None:
    dead = sum(isinstance(each, DeadLetter) for each in outcomes)
    again = ", delivered again" if batch.redelivered else ""
    logger.info(
        "%s: %d requests%s, %d results, %d dead letters",
        batch.model, len(batch.messages), again, len(outcomes) - dead, dead,
    )  # fmt: skip
