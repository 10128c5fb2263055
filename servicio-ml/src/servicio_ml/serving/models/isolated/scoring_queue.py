"""The queue of an isolated model: one thread that scores what waits, so that the event loop never waits."""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from servicio_ml.errors import ModelWorkerError, WorkerFailure

MAX_WAITING = 64
"""Maximum number of requests that wait for one isolated model; further ones are refused with 503."""
T = TypeVar("T")


class ScoringQueue:
    """Queue with one thread, since the process of a model answers one request at a time.

    Args:
        model: Name of the model.
        record_failure: Called with the reason of each refused request.
    """

    def __init__(self, model: str, record_failure: Callable[[WorkerFailure], None]) -> None:
        self._model, self._record_failure = model, record_failure
        self._executor = ThreadPoolExecutor(1, "servicio-ml-isolated")
        self._capacity = threading.BoundedSemaphore(MAX_WAITING)
        self._lock = threading.Lock()
        self._collected: dict[Hashable, list[Any]] = {}

    def submit(self, work: Callable[..., T], *arguments: object) -> Future[T]:
        """Run work in the thread of the queue; never waits for its turn.

        Raises:
            ModelWorkerError: Too many requests are waiting.
        """
        self._take_place()
        future = self._executor.submit(work, *arguments)
        future.add_done_callback(lambda _: self._capacity.release())
        return future

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run work in the thread of the queue, and wait for its result in the event loop.

        Raises:
            ModelWorkerError: As in `submit`.
        """
        return await asyncio.wrap_future(self.submit(work, *arguments))

    def collect(self, key: Hashable, item: T, work: Callable[[list[T]], None]) -> None:
        """Add an item to those that the thread works on together, once it is free.

        Args:
            key: Key of the items that belong together.
            item: Item.
            work: Function of all items of the key.

        Raises:
            ModelWorkerError: As in `submit`.
        """
        self._take_place()
        with self._lock:
            waiting = self._collected.setdefault(key, [])
            waiting.append(item)
            # one call for all that arrive until then: a data frame of many rows costs little more than one
            if len(waiting) == 1:
                self._executor.submit(self._run_collected, key, work)

    def _run_collected(self, key: Hashable, work: Callable[[list[Any]], None]) -> None:
        with self._lock:
            items = self._collected.pop(key)
        try:
            work(items)
        finally:
            self._capacity.release(len(items))

    def _take_place(self) -> None:
        if not self._capacity.acquire(blocking=False):
            self._record_failure(WorkerFailure.BUSY)
            problem = f"{MAX_WAITING} requests are waiting for it"
            raise ModelWorkerError(self._model, WorkerFailure.BUSY, problem)

    def close(self) -> None:
        """Finish the waiting work."""
        self._executor.shutdown()
