"""One process of an isolated model: its start, the exchange of messages and its end."""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servicio_ml.errors import ModelFailureError, ModelWorkerError, WorkerFailure, escape_unprintable
from servicio_ml.model_worker import messages

logger = logging.getLogger(__name__)
PACKAGE = Path(messages.__file__).parent
START_SECONDS = 120.0
"""Maximum time from the start of a process until its model is loaded."""
EXIT_SECONDS, KILL_SECONDS = 1.0, 10.0
MAX_LOG_LINES, MAX_LINE_BYTES = 200, 1000
"""Maximum number of lines that a process writes to the log, and their maximum length."""
KEPT_VARIABLES = ("LD_LIBRARY_PATH", "TZ")
"""Variables of the server that a process gets; the others may hold credentials."""
# one processor each: other requests need the rest, and processes cannot be made
THREAD_VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "JOBLIB_MULTIPROCESSING": "0",
    # the default pools of Arrow reserve address space, which is limited
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProgram:
    """What a process runs.

    Attributes:
        name: Name of the model, for messages.
        python: Interpreter.
        kind: Kind of the model file.
        folder: Folder of the model.
        file: Path of the model file in it.
        scratch: Folder that the process may write.
        memory_bytes: Maximum address space, in bytes.
    """

    name: str
    python: Path
    kind: str
    folder: Path
    file: str
    scratch: Path
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """What a process says of its model.

    Attributes:
        task: `binary`, `multiclass` or `regression`.
        classes: Classes in the order of the scores; empty in a regression.
        columns: Names of the input columns in order; empty where the library does not know them.
        categories: Texts by name of each column that it reads as a category of pandas, in the order of its
            codes; no texts where the library does not keep them.
        confined_files: Whether the process can open its own files only.
    """

    task: str
    classes: tuple[Any, ...]
    columns: tuple[str, ...]
    categories: Mapping[str, tuple[str, ...]]
    confined_files: bool


class ModelProcess:
    """A running process.

    Start it in a thread that lives as long as it should: Linux ends it with the thread that has started it.

    Raises:
        ModelWorkerError: The process cannot be started, or its model cannot be loaded.
    """

    def __init__(self, program: ModelProgram, *, start_seconds: float = START_SECONDS) -> None:
        self._name = program.name
        self._connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            try:
                self._process = _spawn(program, theirs.fileno())
            except OSError as error:
                self._connection.close()
                raise ModelWorkerError(self._name, WorkerFailure.START, str(error)) from error
        threading.Thread(target=self._log_lines, name="servicio-ml-model-log", daemon=True).start()
        try:
            header, _ = self.exchange(None, deadline=time.monotonic() + start_seconds)
            self.description = _read_description(header)
        except ModelFailureError as error:
            self.kill()
            raise ModelWorkerError(self._name, WorkerFailure.START, error.problem) from error
        except (KeyError, TypeError) as error:
            self.kill()
            problem = f"its description is malformed ({type(error).__name__}: {error})"
            raise ModelWorkerError(self._name, WorkerFailure.PROTOCOL, problem) from error

    @property
    def id(self) -> int:
        return self._process.pid

    def exchange(
        self, request: Mapping[str, Any] | None, payload: bytes = b"", *, deadline: float
    ) -> tuple[dict[str, Any], bytearray]:
        """Send a request and receive its answer; None waits for the description.

        A process that does not answer in time, or answers with anything but a message, is killed.

        Raises:
            ModelFailureError: The model has raised an error; the process goes on.
            ModelWorkerError: The process has ended or was killed.
        """
        try:
            if request is not None:
                messages.send_message(self._connection, {**request}, payload, deadline=deadline)
            header, answer = messages.receive_message(self._connection, deadline=deadline)
        except TimeoutError as error:
            self.kill()
            problem = "it has not answered within its time limit, and was stopped"
            raise ModelWorkerError(self._name, WorkerFailure.TIMEOUT, problem) from error
        except (EOFError, OSError) as error:
            raise ModelWorkerError(self._name, WorkerFailure.EXIT, self._describe_exit()) from error
        except ValueError as error:
            self.kill()
            problem = f"its answer is no message ({error}), and it was stopped"
            raise ModelWorkerError(self._name, WorkerFailure.PROTOCOL, problem) from error
        if (found := header.get(messages.ERROR)) is not None:
            self._raise_error(found)
        return header, answer

    def _raise_error(self, document: Any) -> None:
        kind, text = (
            escape_unprintable(str(document.get(key, "")) if isinstance(document, dict) else "")
            for key in (messages.TYPE, messages.TEXT)
        )
        if kind == "MemoryError":
            # what has filled the memory stays in it
            self.kill()
            problem = "its model has used up the memory limit, and it was stopped"
            raise ModelWorkerError(self._name, WorkerFailure.MEMORY, problem)
        # these say themselves what is wrong with the model
        known = kind in {"ModelFileError", "UnconvertibleError"}
        raise ModelFailureError(self._name, text if known else f"the model raised {kind}: {text}")

    def _describe_exit(self) -> str:
        # its connection closes a moment before its exit code is known
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_SECONDS)
        code = self._process.returncode
        self.kill()
        if code is None:
            return "it has closed its connection, and was stopped"
        if code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        return f"it has ended with the exit code {code}"

    def wait(self) -> None:
        """Wait for the end of the process."""
        self._process.wait()

    def stop(self) -> None:
        """Kill the process without waiting for its end."""
        self._process.kill()

    def kill(self) -> None:
        """Kill the process, which cannot have any child, and close the connection to it."""
        self._process.kill()
        self._process.wait(KILL_SECONDS)
        self._connection.close()

    def _log_lines(self) -> None:
        output = self._process.stdout
        if output is None:
            return
        with output:
            for number, line in enumerate(iter(lambda: output.readline(MAX_LINE_BYTES), b"")):
                # read on, or the process would wait for its lines to be taken
                if number < MAX_LOG_LINES:
                    text = escape_unprintable(line.decode(errors="replace").rstrip())
                    logger.info("model %s: %s", self._name, text)


def _spawn(program: ModelProgram, connection: int) -> "subprocess.Popen[bytes]":
    arguments = {
        "connection": connection, "parent": os.getpid(), "kind": program.kind, "model": program.folder,
        "file": program.file, "scratch": program.scratch, "memory-bytes": program.memory_bytes,
    }  # fmt: skip
    # -I: neither variables nor the working folder of the server say what is imported; -B: no file is written
    command = [str(program.python), "-I", "-B", "-u", str(PACKAGE)]
    command += [f"--{name}={value}" for name, value in arguments.items()]
    return subprocess.Popen(  # noqa: S603  the interpreter is of an environment that the operator has made
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[connection],
        env=_build_variables(program.scratch),
        cwd=program.scratch,
        # an interrupt at the terminal is for the server, which ends it
        start_new_session=True,
    )


def _build_variables(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"PATH": os.defpath, "HOME": str(scratch), "TMPDIR": str(scratch), "LANG": "C.UTF-8"}
    return {**kept, **own, **THREAD_VARIABLES}


def _read_description(header: Mapping[str, Any]) -> ModelDescription:
    return ModelDescription(
        task=str(header[messages.TASK]),
        classes=tuple(header[messages.CLASSES]),
        columns=tuple(map(str, header[messages.COLUMNS])),
        categories={name: tuple(texts) for name, texts in dict(header[messages.CATEGORIES]).items()},
        confined_files=bool(header[messages.CONFINED]),
    )
