"""Retrainings by a command of this machine, which goes on when the server ends."""

import fcntl
import os
import subprocess
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from servicio_ml.domain.ports import Clock
from servicio_ml.errors import RetrainingError

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Of the server, gone when it ends: not for the command."""


class CommandRetrainer:
    """Processes of their own, one at a time for each model.

    Args:
        folder: Of their output and their locks.
        command: Called with the model and the file of its output, to which its own output goes too.
        clock: Gives the time.
    """

    def __init__(self, folder: Path, command: Sequence[str], clock: Clock) -> None:
        self._folder, self._command, self._clock = folder.resolve(), tuple(command), clock

    def start(self, model: str, key: str, reason: str) -> str:
        begun = datetime.fromtimestamp(self._clock(), UTC)
        log = self._folder / f"{model}-{begun:%Y%m%dT%H%M%SZ}.log"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / f"{model}.lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                log.write_text(f"{key}: {reason}\n")
                process = self._begun(model, log, lock.fileno())
        except BlockingIOError as error:
            problem = f"a retraining runs already, see the newest {self._folder}/{model}-*.log"
            raise RetrainingError(model, problem) from error
        except OSError as error:
            raise RetrainingError(model, f"{error}; see that {self._folder} can be written") from error
        # asks for its exit code, or a finished one would stay a zombie as long as the server lives
        threading.Thread(target=process.wait, name=f"retraining of {model}", daemon=True).start()
        return str(log)

    def _begun(self, model: str, log: Path, lock: int) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if name != METRICS_FOLDER}
        with log.open("a") as output:
            # the lock is inherited: it goes when the last process of the retraining does
            return subprocess.Popen(  # noqa: S603  our own command
                [*self._command, model, str(log)], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                pass_fds=[lock], start_new_session=True, env=environment,
            )  # fmt: skip
