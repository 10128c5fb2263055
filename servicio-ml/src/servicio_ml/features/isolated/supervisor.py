"""The supervisor of an isolated model: it starts the process, replaces an ended one, passes requests on."""

import logging
import shutil
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any, Protocol

from servicio_ml.errors import ModelFailureError, ModelWorkerError, ServicioError, WorkerFailure
from servicio_ml.features.isolated.model_process import ModelDescription, ModelProcess, ModelProgram

logger = logging.getLogger(__name__)
FIRST_DELAY_SECONDS, MAX_DELAY_SECONDS = 0.5, 60.0
"""Delay before a second start in a row without an answer; it doubles up to the maximum."""


class WorkerListener(Protocol):
    """Receiver of the events of a model's process; called in any thread."""

    def record_failure(self, failure: WorkerFailure) -> None:
        """Record a request that was not answered, or a start that has failed."""

    def record_start(self, *, again: bool) -> None:
        """Record that a process is ready; `again` for every one but the first."""

    def record_end(self) -> None:
        """Record that the process has ended."""


class SilentListener:
    """Listener that records nothing."""

    def record_failure(self, failure: WorkerFailure) -> None:
        pass

    def record_start(self, *, again: bool) -> None:
        pass

    def record_end(self) -> None:
        pass


class ProcessSupervisor:
    """Keeps the process of a model running until it is closed.

    Args:
        program: What the process runs; its folders are deleted when the supervisor is closed.

    Attributes:
        listener: Receiver of its events.
        starts: Number of processes that have been started.
    """

    def __init__(self, program: ModelProgram) -> None:
        self.listener: WorkerListener = SilentListener()
        self.starts = 0
        self._program = program
        # one request at a time: a process has one thread
        self._turn, self._closed = threading.Lock(), threading.Event()
        self._process: ModelProcess | None = None
        self._problem = "it has not been started"
        self._starts_without_answer = 0

    def start(self) -> ModelDescription:
        """Start the first process, and return its description.

        Raises:
            ModelWorkerError: The process cannot be started, or its model cannot be loaded.
        """
        first: Future[ModelDescription] = Future()
        # a thread that lives as long as the model: Linux ends a process with the thread that has started it
        threading.Thread(target=self._run, args=(first,), name="servicio-ml-model", daemon=True).start()
        try:
            return first.result()
        except ServicioError:
            self.close()
            raise

    @property
    def process_id(self) -> int | None:
        """Id of the running process."""
        process = self._process
        return None if process is None else process.id

    def request(
        self, header: Mapping[str, Any], payload: bytes = b"", *, seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request to the process and receive its answer.

        Args:
            header: Request.
            payload: Raw bytes.
            seconds: Maximum time for its turn, and then for its answer.

        Raises:
            ModelFailureError: The model has raised an error.
            ModelWorkerError: No process is running, it has others to answer, or it has ended.
        """
        try:
            answer = self._exchange(header, payload, seconds)
        except (ModelFailureError, ModelWorkerError) as error:
            self.listener.record_failure(error.failure)
            raise
        self._starts_without_answer = 0
        return answer

    def _exchange(
        self, header: Mapping[str, Any], payload: bytes, seconds: float
    ) -> tuple[dict[str, Any], bytearray]:
        if not self._turn.acquire(timeout=seconds):
            problem = f"earlier requests have taken more than {seconds:g} s"
            raise ModelWorkerError(self._program.name, WorkerFailure.BUSY, problem)
        try:
            process = self._process
            if process is None:
                raise ModelWorkerError(self._program.name, WorkerFailure.DOWN, self._problem)
            try:
                return process.exchange(header, payload, deadline=time.monotonic() + seconds)
            except ModelWorkerError as error:
                self._problem = f"it starts again after this: {error}"
                self._forget_process(process)
                raise
        finally:
            self._turn.release()

    def _run(self, first: "Future[ModelDescription]") -> None:
        while not self._closed.is_set():
            process = self._start_process(first)
            if process is not None:
                process.wait()
                self._forget_process(process)
                # not while a request reads the rest of its answer
                with self._turn:
                    process.kill()
                self.listener.record_end()
            elif self.starts == 1:
                # what cannot even be loaded is not tried again by itself
                return
            self._closed.wait(self._compute_delay())

    def _forget_process(self, process: ModelProcess) -> None:
        # at once: the next request must not reach a process that has ended, and may reach its successor
        if self._process is process:
            self._process = None

    def _start_process(self, first: "Future[ModelDescription]") -> ModelProcess | None:
        self.starts += 1
        self._starts_without_answer += 1
        try:
            process = ModelProcess(self._program)
        except Exception as error:  # noqa: BLE001  reported to whoever waits, or logged
            self._report_start_failure(first, error)
            return None
        self._process = process
        if self._closed.is_set():
            process.stop()
        if not first.done():
            first.set_result(process.description)
        logger.info("model %s: its isolated process %d is ready", self._program.name, process.id)
        if not process.description.confined_files:
            problem = "this kernel has no Landlock, so that its process can read the files of this user"
            logger.warning("model %s: %s", self._program.name, problem)
        self.listener.record_start(again=self.starts > 1)
        return process

    def _report_start_failure(self, first: "Future[ModelDescription]", error: Exception) -> None:
        self._problem = str(error)
        if not first.done():
            first.set_exception(error)
            return
        logger.error("model %s: its isolated process did not start: %s", self._program.name, error)
        self.listener.record_failure(
            error.failure if isinstance(error, ModelWorkerError) else WorkerFailure.START
        )

    def _compute_delay(self) -> float:
        # a process that has answered is replaced at once
        repeated = self._starts_without_answer - 1
        return min(FIRST_DELAY_SECONDS * 2**repeated, MAX_DELAY_SECONDS) if repeated > 0 else 0.0

    def close(self) -> None:
        """End the process and delete its folders, without waiting: the caller may be the event loop."""
        self._closed.set()
        process = self._process
        if process is not None:
            process.stop()
        for folder in (self._program.folder, self._program.scratch):
            shutil.rmtree(folder, ignore_errors=True)
