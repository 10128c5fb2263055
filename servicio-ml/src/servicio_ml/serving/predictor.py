"""The predictor: every interface asks it, and gets answers that are logged, counted and named.

Requests that are ready in one turn of the event loop share one call of the model and one commit of the
journal; nothing waits for company.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TypeVar

import numpy as np

from servicio_ml.domain.ports import Clock
from servicio_ml.domain.prediction import Protocol, Purpose, named_key, timed_key
from servicio_ml.errors import InvalidError
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.recorder import Batch, Recorder
from servicio_ml.serving.sampling import share_of
from servicio_ml.serving.served import Answered, Scored, Served
from servicio_ml.serving.shadow import Shadow

ROWS_IN_LOOP = 64
"""Rows above which a request is scored in a thread: it would hold up the others for milliseconds."""
T = TypeVar("T")
Group = tuple[Served, Protocol, Purpose]
Done = Callable[[Answered | Exception], None]
"""Told the answer of a request, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Waiting:
    matrix: Matrix
    done: Done


class Predictor:
    """Answers rows.

    Args:
        models: That answer.
        recorder: Logs and counts every answer before it is given.
        metrics: Of this process.
        clock: Gives the time.
        random: Gives so many random bits: `random.getrandbits`.
    """

    def __init__(
        self, models: Models, recorder: Recorder, metrics: Metrics, clock: Clock, random: Callable[[int], int]
    ) -> None:
        self.models = models
        self._recorder, self._metrics, self._clock, self._random = recorder, metrics, clock, random
        self._shadow = Shadow(models, recorder, metrics)
        self._waiting: dict[Group, list[_Waiting]] = defaultdict(list)
        self._large = ThreadPoolExecutor(1, "servicio-ml-large")
        # looking a child up costs more than observing
        self._seconds = cache(
            lambda model, protocol: metrics.prediction_seconds.labels(model, protocol).observe
        )

    def choose(self, model: str, client: str = "") -> tuple[Served, Purpose]:
        """Who answers a client: the champion, or the challenger for its share of the clients.

        Args:
            model: Its name.
            client: Key of the client, whose share is always the same; without one the champion answers.

        Raises:
            NoSuchModelError: The model is not served.
            NotReadyError: It has no champion that answers yet.
        """
        champion, challenger, traffic = self.models.voices(model)
        if client and challenger is not None and share_of(client) < traffic.canary:
            return challenger, Purpose.CANARY
        return champion, Purpose.ANSWER

    async def pick(self, model: str, wanted: str, client: str = "") -> tuple[Served, Purpose]:
        """Who answers when an alias or a version may be wanted; `wanted` is empty otherwise.

        Raises:
            ServicioError: There is no such model, alias or version, or it cannot be loaded.
        """
        if not wanted:
            return self.choose(model, client)
        found = self.models.loaded(model, wanted)
        if found is None:
            found = await asyncio.get_running_loop().run_in_executor(None, self.models.obtain, model, wanted)
        return found, Purpose.ANSWER

    async def answer(
        self, served: Served, matrix: Matrix, protocol: Protocol, purpose: Purpose = Purpose.ANSWER
    ) -> Answered:
        """Score, log and count the rows of one request.

        Args:
            served: Who answers.
            matrix: `[n, features]`; its derived columns are filled here.
            protocol: The road that the request came by.
            purpose: Why it is answered.

        Raises:
            JournalError: They could not be logged, and the policy is to refuse.
        """
        if len(matrix) > ROWS_IN_LOOP:
            return await self.aside(self.answer_now, served, matrix, protocol, purpose)
        future: asyncio.Future[Answered] = asyncio.get_running_loop().create_future()
        self.submit(served, matrix, protocol, purpose, partial(_settle, future))
        return await future

    def submit(
        self, served: Served, matrix: Matrix, protocol: Protocol, purpose: Purpose, done: Done
    ) -> None:
        """As `answer`, of a few rows, for a caller in the event loop that is called back in its next turn."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        self._waiting[served, protocol, purpose].append(_Waiting(matrix=matrix, done=done))

    def answer_now(
        self, served: Served, matrix: Matrix, protocol: Protocol, purpose: Purpose = Purpose.ANSWER
    ) -> Answered:
        """As `answer`, at once: for a thread or a worker of its own.

        Raises:
            JournalError: As `answer`.
        """
        started = time.perf_counter()
        batch = self._batch((served, protocol, purpose), matrix)
        self._recorder.log([batch])
        self._done(batch, started)
        return Answered(scored=batch.scored, start=0, rows=len(matrix))

    def answer_named(
        self, served: Served, matrix: Matrix, protocol: Protocol, names: Sequence[str]
    ) -> list[Answered]:
        """As `answer_now`, each row logged under a name of its own: once, however often it comes.

        Raises:
            JournalError: As `answer`.
        """
        started = time.perf_counter()
        whole = self._batch((served, protocol, Purpose.ANSWER), matrix)
        rows = [
            Batch(
                scored=Scored(served, named_key(name), whole.scored.predictions.part(slice(i, i + 1))),
                matrix=matrix[i : i + 1],
                protocol=protocol,
                purpose=Purpose.ANSWER,
                places=whole.places[:1],
            )
            for i, name in enumerate(names)
        ]
        self._recorder.log(rows)
        self._recorder.count(whole)
        for row in rows:
            self._shadow.follow(row)
        self._seconds(served.model, protocol)(time.perf_counter() - started)
        return [Answered(scored=row.scored, start=0, rows=1) for row in rows]

    async def aside(self, work: Callable[..., T], *arguments: object) -> T:
        """Do long work in the thread of large requests."""
        return await asyncio.get_running_loop().run_in_executor(self._large, work, *arguments)

    def reject(self, error: InvalidError) -> None:
        """Count the values of a request that is refused."""
        champion = self.models.state(error.model).champion
        known = champion.artifact.encoder.schema.field_names if champion else ()
        for fault in error.faults:
            feature = fault.field if fault.field in known else ""
            self._metrics.rejected.labels(error.model, feature, fault.reason).inc()

    def _turn(self) -> None:
        groups, self._waiting = self._waiting, defaultdict(list)
        started = time.perf_counter()
        batches: list[tuple[Batch, list[_Waiting]]] = []
        for group, members in groups.items():
            try:
                batches.append((self._batch(group, _stacked(members)), members))
            except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
                _tell(members, error)
        try:
            self._recorder.log([batch for batch, _ in batches])
        except Exception as error:  # noqa: BLE001  as above
            for _, members in batches:
                _tell(members, error)
            return
        for batch, members in batches:
            _answer(batch.scored, members)
            self._done(batch, started)

    def _batch(self, group: Group, matrix: Matrix) -> Batch:
        served, protocol, purpose = group
        scored = served.score(timed_key(self._clock(), self._random), matrix)
        places = np.arange(len(matrix), dtype=np.uint32)
        return Batch(scored=scored, matrix=matrix, protocol=protocol, purpose=purpose, places=places)

    def _done(self, batch: Batch, started: float) -> None:
        self._recorder.count(batch)
        if batch.purpose is Purpose.ANSWER:
            self._shadow.follow(batch)
        self._seconds(batch.scored.served.model, batch.protocol)(time.perf_counter() - started)

    def close(self) -> None:
        """Finish what is in hand."""
        self._large.shutdown()
        self._shadow.close()


def _stacked(members: Sequence[_Waiting]) -> Matrix:
    return members[0].matrix if len(members) == 1 else np.concatenate([each.matrix for each in members])


def _answer(scored: Scored, members: Sequence[_Waiting]) -> None:
    start = 0
    for each in members:
        rows = len(each.matrix)
        each.done(Answered(scored=scored, start=start, rows=rows))
        start += rows


def _tell(members: Sequence[_Waiting], error: Exception) -> None:
    for each in members:
        each.done(error)


def _settle(future: asyncio.Future[Answered], outcome: Answered | Exception) -> None:
    # who waits no longer was cut off; its rows are logged
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
