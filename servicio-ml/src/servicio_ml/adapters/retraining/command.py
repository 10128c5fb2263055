"""Retrainer that runs a command on this machine; the command outlives the server."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TextIO

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.errors import RetrainingError

METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""Folder of the server's metrics; removed when the server ends, so the command must not inherit it."""

DRAFT_SUFFIX = "starting"
"""Suffix of an output file whose process may not exist yet."""


class CommandRetrainer:
    """Separate processes, at most one at a time for each model.

    The output file of a run begins with its key, and gets its final name once the process runs. So a key
    with an output file was started before, in whatever process, and is not started again.

    Args:
        folder: Folder of the output files and locks.
        command: Command that receives the model, its output file and the key of the run.
        clock: Source of the current time.
    """

    def __init__(self, folder: Path, command: Sequence[str], clock: Clock) -> None:
        self._folder, self._command, self._clock = folder.resolve(), tuple(command), clock

    def start(self, model: str, key: str, reason: str) -> str:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._lock_starts(model):
                return str(self._find_file(model, key, "log") or self._start_run(model, key, reason))
        except OSError as error:
            raise RetrainingError(model, f"{error}; see that {self._folder} can be written") from error

    def find_end(self, model: str, reference: str) -> RetrainingEnd | None:
        # the process records its end itself: without a record, only whether it is gone can be seen
        try:
            with (self._folder / f"{model}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            raise RetrainingError(model, f"{error}; see that {self._folder} can be written") from error
        return RetrainingEnd(error=f"its process is gone, see {reference}")

    @contextmanager
    def _lock_starts(self, model: str) -> Iterator[None]:
        """Let one server process at a time look for a key and start it."""
        with (self._folder / f"{model}.start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _find_file(self, model: str, key: str, suffix: str) -> Path | None:
        for path in sorted(self._folder.glob(f"{model}-*.{suffix}"), reverse=True):
            with path.open(errors="replace") as lines:
                if lines.readline().startswith(f"{key}: "):
                    return path
        return None

    def _start_run(self, model: str, key: str, reason: str) -> Path:
        log = self._choose_log(model)
        draft = log.with_suffix(f".{DRAFT_SUFFIX}")
        with (self._folder / f"{model}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return self._adopt_run(model, key)
            try:
                draft.write_text(f"{key}: {reason}\n")
                process = self._spawn([model, str(log), key], draft, lock)
                # renamed only now: a file without a process behind it must not claim the key
                draft.rename(log)
            finally:
                with suppress(OSError):
                    draft.unlink()
        # waits for its exit code, or a finished command would stay a zombie as long as the server lives
        threading.Thread(target=process.wait, name=f"retraining of {model}", daemon=True).start()
        return log

    def _adopt_run(self, model: str, key: str) -> Path:
        """Finish the start of a running process whose server crashed before it renamed the output file."""
        draft = self._find_file(model, key, DRAFT_SUFFIX)
        if draft is None:
            problem = f"a retraining runs already, see the newest {self._folder}/{model}-*.log"
            raise RetrainingError(model, problem)
        return draft.rename(draft.with_suffix(".log"))

    def _choose_log(self, model: str) -> Path:
        started = datetime.fromtimestamp(self._clock(), UTC)
        stem = f"{model}-{started:%Y%m%dT%H%M%SZ}"
        paths = (self._folder / f"{stem}{f'-{number}' if number else ''}.log" for number in count())
        return next(path for path in paths if not path.exists())

    def _spawn(self, arguments: Sequence[str], output: Path, lock: TextIO) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != METRICS_FOLDER_VARIABLE}
        with output.open("a") as stream:
            # the lock is inherited: it is released when the last process of the retraining ends
            return subprocess.Popen(  # noqa: S603  our own command
                [*self._command, *arguments], stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                pass_fds=[lock.fileno()], start_new_session=True, env=environment,
            )  # fmt: skip
