"""The predictor: every interface asks it, and gets answers that are logged, counted and named.

Requests that are ready in one turn of the event loop share one call of the model and one commit of the
journal; nothing waits for company.
"""

import asyncio
import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.ports import Clock, Journal
from servicio_ml.domain.prediction import Chunk, Protocol, Purpose, named_key, shadow_key, timed_key
from servicio_ml.errors import InvalidError, JournalError
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.models import Models
from servicio_ml.serving.sampling import chosen, share_of
from servicio_ml.serving.served import Answered, Served

logger = logging.getLogger(__name__)
ROWS_IN_LOOP = 64
"""Rows above which a request is scored in a thread: it would hold up the others for milliseconds."""
SHADOWS_WAITING = 64
"""Batches of the challenger's that may wait; more are dropped and counted."""
SHADOW, VALUE = "shadow", "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """What is logged.

    Attributes:
        sampling: Share of the rows, by their id.
        drop: Whether a row is answered that could not be logged.
    """

    sampling: float = 1.0
    drop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Waiting:
    served: Served
    purpose: Purpose
    protocol: Protocol
    matrix: Matrix
    answer: asyncio.Future[Answered]


class Predictor:
    """Answers rows.

    Args:
        models: That answer.
        journal: Every answer is written to it first.
        metrics: Count the answers.
        clock: Gives the time.
        random: Gives so many random bits: `random.getrandbits`.
        policy: What is logged.
    """

    def __init__(
        self, models: Models, journal: Journal, metrics: Metrics, clock: Clock,
        random: Callable[[int], int], policy: LogPolicy,
    ) -> None:  # fmt: skip
        self.models = models
        self._journal, self._metrics, self._clock, self._random = journal, metrics, clock, random
        self._policy = policy
        self._waiting: list[_Waiting] = []
        self._large = ThreadPoolExecutor(1, "servicio-ml-large")
        self._shadows = ThreadPoolExecutor(1, "servicio-ml-shadow")
        self._shadow_room = threading.BoundedSemaphore(SHADOWS_WAITING)

    def choose(self, model: str, client: str = "") -> tuple[Served, Purpose]:
        """Who answers a client: the champion, or the challenger for its share of the clients.

        Args:
            model: Its name.
            client: Key of the client, whose share is always the same; without one the champion answers.

        Raises:
            NoSuchModelError: The model is not served.
            NotReadyError: It has no champion that answers yet.
        """
        champion = self.models.champion(model)
        known = self.models.known[model]
        if client and known.challenger is not None and share_of(client) < known.traffic.canary:
            return known.challenger, Purpose.CANARY
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
        """Score, log and count the rows `[n, features]` of one request.

        Raises:
            JournalError: They could not be logged, and the policy is to refuse.
        """
        loop = asyncio.get_running_loop()
        if len(matrix) > ROWS_IN_LOOP:
            return await loop.run_in_executor(self._large, self.answer_now, served, matrix, protocol, purpose)
        future: asyncio.Future[Answered] = loop.create_future()
        if not self._waiting:
            loop.call_soon(self._turn)
        self._waiting.append(
            _Waiting(served=served, purpose=purpose, protocol=protocol, matrix=matrix, answer=future)
        )
        return await future

    def answer_now(
        self, served: Served, matrix: Matrix, protocol: Protocol, purpose: Purpose = Purpose.ANSWER
    ) -> Answered:
        """As `answer`, at once: for a thread or a worker of its own.

        Raises:
            JournalError: As `answer`.
        """
        key = timed_key(self._clock(), self._random)
        predictions = served.artifact.predict(matrix)
        self._log([self._chunk(served, protocol, purpose, key, matrix, predictions)])
        self._count(served, protocol, purpose, key, matrix, predictions)
        return Answered(served=served, key=key, start=0, rows=len(matrix), predictions=predictions)

    def answer_named(
        self, served: Served, matrix: Matrix, protocol: Protocol, names: Sequence[str]
    ) -> list[Answered]:
        """As `answer_now`, each row logged under a name of its own: once, however often it comes.

        Raises:
            JournalError: As `answer`.
        """
        predictions = served.artifact.predict(matrix)
        keys = [named_key(name) for name in names]
        rows = [predictions.part(slice(i, i + 1)) for i in range(len(keys))]
        self._log(
            [
                self._chunk(served, protocol, Purpose.ANSWER, key, matrix[i : i + 1], rows[i])
                for i, key in enumerate(keys)
            ]
        )
        self._count(served, protocol, Purpose.ANSWER, keys[0], matrix, predictions)
        return [
            Answered(served=served, key=key, start=0, rows=1, predictions=row)
            for key, row in zip(keys, rows, strict=True)
        ]

    def reject(self, error: InvalidError) -> None:
        """Count the values of a request that is refused."""
        known = self.models.champion(error.model).artifact.encoder.schema.field_names
        for fault in error.faults:
            feature = fault.field if fault.field in known else ""
            self._metrics.rejected.labels(error.model, feature, fault.reason).inc()

    def _turn(self) -> None:
        waiting, self._waiting = self._waiting, []
        groups: dict[tuple[Served, Protocol, Purpose], list[_Waiting]] = defaultdict(list)
        for each in waiting:
            groups[each.served, each.protocol, each.purpose].append(each)
        try:
            scored = [(*group, *self._scored(*group, members)) for group, members in groups.items()]
            self._log([chunk for *_, chunk in scored])
        except Exception as error:  # noqa: BLE001  whoever waits is told, whatever it is
            for each in waiting:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for (served, protocol, purpose, key, matrix, predictions, _), members in zip(
            scored, groups.values(), strict=True
        ):
            self._count(served, protocol, purpose, key, matrix, predictions)
            start = 0
            for each in members:
                rows = len(each.matrix)
                # who waits no longer was cut off; its rows are logged
                if not each.answer.done():
                    part = (
                        predictions if rows == len(matrix) else predictions.part(slice(start, start + rows))
                    )
                    each.answer.set_result(
                        Answered(served=served, key=key, start=start, rows=rows, predictions=part)
                    )
                start += rows

    def _scored(
        self, served: Served, protocol: Protocol, purpose: Purpose, members: Sequence[_Waiting]
    ) -> tuple[bytes, Matrix, Predictions, Chunk]:
        matrix = members[0].matrix if len(members) == 1 else np.concatenate([each.matrix for each in members])
        key = timed_key(self._clock(), self._random)
        predictions = served.artifact.predict(matrix)
        return key, matrix, predictions, self._chunk(served, protocol, purpose, key, matrix, predictions)

    def _chunk(
        self, served: Served, protocol: Protocol, purpose: Purpose, key: bytes, matrix: Matrix,
        predictions: Predictions,
    ) -> Chunk:  # fmt: skip
        places = np.arange(len(matrix), dtype=np.uint32)
        if self._policy.sampling < 1:
            places = places[chosen(key, len(matrix), self._policy.sampling)]
            matrix, predictions = matrix[places], predictions.part(places)
        return self._chunk_at(places, served, protocol, purpose, key, matrix, predictions)

    def _chunk_at(
        self, places: npt.NDArray[np.uint32], served: Served, protocol: Protocol, purpose: Purpose,
        key: bytes, matrix: Matrix, predictions: Predictions,
    ) -> Chunk:  # fmt: skip
        width, probabilities = len(served.artifact.encoder.schema.fields), predictions.probabilities
        return Chunk(
            key=key,
            at=self._clock(),
            model=served.model,
            version=served.version,
            protocol=protocol,
            purpose=purpose,
            rows=len(places),
            places=places.tobytes(),
            features=matrix[:, :width].tobytes(),
            outcomes=predictions.outcomes.tobytes(),
            probabilities=b"" if probabilities is None else probabilities.tobytes(),
        )

    def _log(self, chunks: Sequence[Chunk]) -> None:
        kept = [chunk for chunk in chunks if chunk.rows]
        if not kept:
            return
        try:
            self._journal.write(kept)
        except JournalError:
            if not self._policy.drop:
                raise
            for chunk in kept:
                self._metrics.log_dropped.labels(chunk.model).inc(chunk.rows)

    def _count(
        self, served: Served, protocol: Protocol, purpose: Purpose, key: bytes, matrix: Matrix,
        predictions: Predictions,
    ) -> None:  # fmt: skip
        served.tally.add(matrix, predictions)
        road = SHADOW if purpose is Purpose.SHADOW else protocol.value
        count = self._metrics.predictions.labels
        if not served.labels:
            count(served.model, served.version, road, VALUE).inc(len(matrix))
        else:
            numbers = np.bincount(predictions.outcomes.astype(np.intp), minlength=len(served.labels))
            for label, number in zip(served.labels, numbers.tolist(), strict=True):
                if number:
                    count(served.model, served.version, road, label).inc(number)
        if purpose is Purpose.ANSWER:
            self._shadow(served, protocol, key, matrix)

    def _shadow(self, served: Served, protocol: Protocol, key: bytes, matrix: Matrix) -> None:
        known = self.models.known.get(served.model)
        if known is None or known.challenger is None or not known.traffic.shadow:
            return
        if known.champion is not served:
            return
        places = np.flatnonzero(chosen(key, len(matrix), known.traffic.shadow)).astype(np.uint32)
        if not len(places):
            return
        if not self._shadow_room.acquire(blocking=False):
            self._metrics.shadow_dropped.labels(served.model).inc(len(places))
            return
        self._shadows.submit(
            self._shadowed, known.challenger, protocol, shadow_key(key), places, matrix[places]
        )

    def _shadowed(
        self, served: Served, protocol: Protocol, key: bytes, places: npt.NDArray[np.uint32], matrix: Matrix
    ) -> None:
        try:
            predictions = served.artifact.predict(matrix)
            chunk = self._chunk_at(places, served, protocol, Purpose.SHADOW, key, matrix, predictions)
            self._log([chunk])
            self._count(served, protocol, Purpose.SHADOW, key, matrix, predictions)
        except Exception:  # the rows' own answers were given
            logger.exception("%s version %d failed in shadow", served.model, served.version)
            self._metrics.shadow_dropped.labels(served.model).inc(len(matrix))
        finally:
            self._shadow_room.release()

    def close(self) -> None:
        """Finish what is in hand."""
        self._large.shutdown()
        self._shadows.shutdown()
