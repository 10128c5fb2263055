"""The predictor behind every interface: it scores rows, logs them and counts them.

Requests that arrive in one turn of the event loop share one call of the model and one commit of the journal;
no request waits for others to arrive. An isolated model has a queue with a thread instead: whatever its
process does, the event loop and the other models do not wait for it.
"""

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import numpy as np

from servicio_ml.domain.fields.identifier import IDENTIFIER, Identifiers
from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.prediction import Interface, Purpose, TimedKeys, derive_named_key
from servicio_ml.domain.rollout.traffic import choose_version
from servicio_ml.errors import InvalidError, ModelFailureError, ModelWorkerError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models.isolated.scoring_queue import ScoringQueue
from servicio_ml.serving.models.loaded_model import LoadedModel, PredictionResult
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.models.row_faults import RequestRows
from servicio_ml.serving.prediction.pending_requests import (
    OnDone,
    PendingRequest,
    deliver_error,
    deliver_results,
    join_identifiers,
    settle_future,
    stack_matrices,
)
from servicio_ml.serving.prediction.recorder import RecordedBatch, Recorder
from servicio_ml.serving.prediction.shadow import ShadowScorer
from servicio_ml.serving.rollout.arm_counter import ArmCounter

MAX_ROWS_IN_LOOP = 64
"""Number of rows above which a request is scored in a thread: it would delay others by milliseconds."""
T = TypeVar("T")
BatchKey = tuple[LoadedModel, Interface, Purpose]


class Predictor:
    """Scores rows.

    Args:
        models: Loaded models.
        recorder: Logs and counts every row before its result is returned.
        metrics: Metrics of this process.
        clock: Returns the time in seconds since 1970.
        random: Returns the given number of random bits: `random.getrandbits`.
    """

    def __init__(
        self,
        models: LoadedModels,
        recorder: Recorder,
        metrics: Metrics,
        clock: Clock,
        random: Callable[[int], int],
    ) -> None:
        self.models = models
        self._recorder, self._metrics, self._keys = recorder, metrics, TimedKeys(clock, random)
        self._clock, self.arm_counter = clock, ArmCounter(models)
        self._shadow = ShadowScorer(models, recorder, metrics, self.arm_counter)
        self._pending: dict[BatchKey, list[PendingRequest]] = defaultdict(list)
        # one thread: large requests queue here, and leave the other cores to the event loops
        self._executor = ThreadPoolExecutor(1, "servicio-ml-large")
        self.finished_large_requests = 0
        # looking a child up costs more than observing
        self._observe_seconds = cache(
            lambda model, protocol: metrics.prediction_seconds.labels(model, protocol).observe
        )

    def route(self, model: str, client_key: str = "") -> tuple[LoadedModel, Purpose]:
        """Route a client to the champion, or to another version that has a share of the clients.

        Args:
            model: Name of the model.
            client_key: Key of the client, which gets the same version as long as its share does not shrink.
                Without one, the champion answers until another version has all clients.

        Raises:
            NoSuchModelError: There is no such model here.
            NotReadyError: The model has no loaded champion yet.
        """
        champion, others, traffic = self.models.get_serving_versions(model)
        if others:
            shares = traffic.get_shares(self._clock())
            if client_key or math.fsum(shares.values()) >= 1:
                version = choose_version(client_key, champion.version, shares)
                found = next((each for each in others if each.version == version), None)
                if found is not None:
                    return found, Purpose.CANARY
                if traffic.marks_champion and version == champion.version:
                    return champion, Purpose.CANARY
        return champion, Purpose.ANSWER

    def follow_identifier(
        self,
        decided_by: str,
        loaded_model: LoadedModel,
        purpose: Purpose,
        rows: RequestRows,
        decode: Callable[[LoadedModel], RequestRows],
    ) -> tuple[LoadedModel, Purpose, RequestRows]:
        """Route a request of one row by the row's identifier, where neither client nor version is given.

        Args:
            decided_by: Client key, or version or alias; with one, nothing changes.
            loaded_model: Version that has decoded the rows.
            purpose: Purpose of its answer.
            rows: Decoded rows.
            decode: Decodes the rows by another version; raises `ServicioError` where it refuses them.
        """
        identifier = rows.identifiers[0] if len(rows.identifiers) == 1 else None
        if decided_by or identifier is None:
            return loaded_model, purpose, rows
        found, purpose = self.route(loaded_model.model, identifier)
        return found, purpose, rows if found is loaded_model else decode(found)

    async def resolve(
        self, model: str, version_or_alias: str, client_key: str = ""
    ) -> tuple[LoadedModel, Purpose]:
        """Resolve an alias or a version, and load it if necessary; route the client if it is empty.

        Raises:
            ServicioError: There is no such model, alias or version, or it cannot be loaded.
        """
        if not version_or_alias:
            return self.route(model, client_key)
        # loaded versions answer without a thread, which would cost more than the prediction
        loaded_model = self.models.get_loaded(model, version_or_alias)
        if loaded_model is None:
            loaded_model = await asyncio.get_running_loop().run_in_executor(
                None, self.models.get_or_load, model, version_or_alias
            )
        return loaded_model, Purpose.ANSWER

    async def score(
        self,
        loaded_model: LoadedModel,
        matrix: Matrix,
        protocol: Interface,
        purpose: Purpose = Purpose.ANSWER,
        identifiers: Identifiers = (),
    ) -> PredictionResult:
        """Score, log and count the rows of one request.

        Args:
            loaded_model: Version that scores.
            matrix: Rows `[n, features]`; their derived columns are filled here.
            protocol: Interface of the request.
            purpose: Purpose that is logged.
            identifiers: Identifiers of the rows, which are logged with them.

        Raises:
            JournalError: The rows could not be logged, and the policy is to refuse.
            ServingError: The model is isolated, and cannot score now or has failed on these rows.
        """
        if len(matrix) > MAX_ROWS_IN_LOOP:
            return await self.run_in_thread(
                loaded_model, self.score_sync, loaded_model, matrix, protocol, purpose, identifiers
            )
        future: asyncio.Future[PredictionResult] = asyncio.get_running_loop().create_future()
        self.submit(loaded_model, matrix, protocol, purpose, partial(settle_future, future), identifiers)
        return await future

    def submit(
        self,
        loaded_model: LoadedModel,
        matrix: Matrix,
        protocol: Interface,
        purpose: Purpose,
        on_done: OnDone,
        identifiers: Identifiers = (),
    ) -> None:
        """Score a few rows as `score` does, and call back in the next turn of the event loop or later.

        Raises:
            ModelWorkerError: The model is isolated, and too many requests are waiting for it.
        """
        batch_key = loaded_model, protocol, purpose
        if loaded_model.queue is not None:
            self._submit_isolated(loaded_model.queue, batch_key, matrix, on_done, identifiers)
            return
        # `call_soon` runs after all requests that arrived in this turn have been added
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._score_pending)
        request = PendingRequest(matrix=matrix, on_done=on_done, identifiers=identifiers)
        self._pending[batch_key].append(request)

    def score_sync(
        self,
        loaded_model: LoadedModel,
        matrix: Matrix,
        protocol: Interface,
        purpose: Purpose = Purpose.ANSWER,
        identifiers: Identifiers = (),
    ) -> PredictionResult:
        """Score as `score` does, without an event loop: for threads and stream workers.

        Raises:
            JournalError: As in `score`.
        """
        started = time.perf_counter()
        batch = self._score_once((loaded_model, protocol, purpose), matrix, identifiers)
        self._recorder.log([batch])
        self._finish_batch(batch, started)
        return PredictionResult(scored_batch=batch.scored_batch, start=0, row_count=len(matrix))

    def score_idempotent(
        self,
        loaded_model: LoadedModel,
        matrix: Matrix,
        protocol: Interface,
        idempotency_keys: Sequence[str],
        identifiers: Identifiers = (),
    ) -> list[PredictionResult]:
        """Score as `score_sync` does, and log each row once under its idempotency key.

        Raises:
            JournalError: As in `score`.
        """
        started = time.perf_counter()
        batch = self._score_once((loaded_model, protocol, Purpose.ANSWER), matrix, identifiers)
        rows = [batch.select_row(i, derive_named_key(key)) for i, key in enumerate(idempotency_keys)]
        # each row is its own chunk with a key derived from its message, so that a repeated message finds it
        self._recorder.log(rows)
        self._recorder.count(batch)
        for row in rows:
            self._shadow.submit(row)
        self._observe_seconds(loaded_model.model, protocol)(time.perf_counter() - started)
        return [PredictionResult(scored_batch=row.scored_batch, start=0, row_count=1) for row in rows]

    async def run_in_thread(self, loaded_model: LoadedModel, work: Callable[..., T], *arguments: object) -> T:
        """Run long work with a model in the thread of large requests, or in that of an isolated model.

        Raises:
            ModelWorkerError: The model is isolated, and too many requests are waiting for it.
        """
        if loaded_model.queue is not None:
            return await loaded_model.queue.run(work, *arguments)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)
        finally:
            self.finished_large_requests += 1

    def count_rejected(self, error: InvalidError) -> None:
        """Count the refused values of a request."""
        # only names of the schema become labels: a client could fill the memory with others
        champion = self.models.get_status(error.model).champion
        known = {IDENTIFIER, *champion.artifact.encoder.schema.field_names} if champion else set()
        for fault in error.faults:
            feature = fault.field if fault.field in known else ""
            self._metrics.rejected_values.labels(error.model, feature, fault.reason).inc()

    def _score_pending(self) -> None:
        # swapped first: callbacks may submit new requests
        groups, self._pending = self._pending, defaultdict(list)
        started = time.perf_counter()
        batches: list[tuple[RecordedBatch, list[PendingRequest]]] = []
        for group, members in groups.items():
            try:
                batch = self._score_once(group, stack_matrices(members), join_identifiers(members))
                batches.append((batch, members))
            except Exception as error:  # noqa: BLE001  every waiting request gets the error
                deliver_error(members, error)
        try:
            self._recorder.log([batch for batch, _ in batches])
        except Exception as error:  # noqa: BLE001  as above
            for _, members in batches:
                deliver_error(members, error)
            return
        for batch, members in batches:
            # logged before it is delivered: a prediction that a client has seen is in the log
            deliver_results(batch.scored_batch, members)
            self._finish_batch(batch, started)

    def _submit_isolated(
        self,
        queue: ScoringQueue,
        batch_key: BatchKey,
        matrix: Matrix,
        on_done: OnDone,
        identifiers: Identifiers,
    ) -> None:
        loop = asyncio.get_running_loop()

        def call_back(outcome: PredictionResult | Exception) -> None:
            loop.call_soon_threadsafe(on_done, outcome)

        request = PendingRequest(matrix=matrix, on_done=call_back, identifiers=identifiers)
        queue.collect(batch_key[1:], request, partial(self._score_isolated, batch_key))

    def _score_isolated(self, batch_key: BatchKey, members: list[PendingRequest]) -> None:
        """Score waiting requests together in the thread of their model; a failing one leaves the others."""
        started, matrix = time.perf_counter(), stack_matrices(members)
        try:
            batch = self._score_group(batch_key, matrix, join_identifiers(members))
            self._recorder.log([batch])
        except ModelFailureError as error:
            if len(members) == 1:
                self.arm_counter.add_rows(batch_key[0], len(matrix), failed=len(matrix))
                deliver_error(members, error)
                return
            # by halves, until the rows that it fails on are alone
            middle = len(members) // 2
            self._score_isolated(batch_key, members[:middle])
            self._score_isolated(batch_key, members[middle:])
        except Exception as error:  # noqa: BLE001  every waiting request gets the error
            # a journal that refuses is no failure of the model
            if isinstance(error, ModelWorkerError):
                self.arm_counter.add_rows(batch_key[0], len(matrix), failed=len(matrix))
            deliver_error(members, error)
        else:
            deliver_results(batch.scored_batch, members)
            self._finish_batch(batch, started)

    def _score_once(self, batch_key: BatchKey, matrix: Matrix, identifiers: Identifiers) -> RecordedBatch:
        """Score rows that are not tried again, and count them for a rollout if they fail."""
        try:
            return self._score_group(batch_key, matrix, identifiers)
        except Exception:
            self.arm_counter.add_rows(batch_key[0], len(matrix), failed=len(matrix))
            raise

    def _score_group(self, batch_key: BatchKey, matrix: Matrix, identifiers: Identifiers) -> RecordedBatch:
        loaded_model, protocol, purpose = batch_key
        scored_batch = loaded_model.score(self._keys.create(), matrix)
        self.arm_counter.add_rows(loaded_model, len(matrix))
        row_indices = np.arange(len(matrix), dtype=np.uint32)
        return RecordedBatch(
            scored_batch=scored_batch,
            matrix=matrix,
            protocol=protocol,
            purpose=purpose,
            row_indices=row_indices,
            identifiers=identifiers,
        )

    def _finish_batch(self, batch: RecordedBatch, started: float) -> None:
        self._recorder.count(batch)
        self._shadow.submit(batch)
        self._observe_seconds(batch.scored_batch.loaded_model.model, batch.protocol)(
            time.perf_counter() - started
        )

    def close(self) -> None:
        """Finish the requests in flight."""
        self._executor.shutdown()
        # before the queues, to which a challenger's rows go
        self._shadow.close()
        for loaded_model in self.models.list_loaded():
            loaded_model.close()
