"""An estimator that does what a faulty or hostile one may do, by the text of each row.

It is pickled by tests, with this file beside it, and runs in the process of an isolated model only.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin

ACT, NUMBER = "act", "number"
"""Columns of the estimator: what it does, and a number."""
OK = "ok"
Scores = npt.NDArray[np.float64]


def _fill_memory() -> None:
    kept = []
    while True:
        # not touched, so that the limit is reached at once; NumPy raises a MemoryError of its own
        kept.append(np.empty(1 << 26, dtype=np.uint8))


def _fill_touched_memory() -> None:
    kept = []
    while True:
        kept.append(np.ones(1 << 26, dtype=np.uint8))


def _read_server_environment() -> None:
    raise ValueError(Path(f"/proc/{os.getppid()}/environ").read_text())


def _raise() -> None:
    raise ValueError("line\nbreak \x1b[31m" + "x" * 100_000)


def _show_environment() -> None:
    raise ValueError(" ".join(f"{name}={value}" for name, value in os.environ.items()))


def _write_to_its_connection() -> None:
    for path in Path("/proc/self/fd").iterdir():
        try:
            socket.socket(fileno=os.dup(int(path.name))).send(b"\x07" * 64)
        except OSError:
            continue


def _print_much() -> None:
    for _ in range(5000):
        sys.stdout.write("x" * 200 + "\n")


def _start_thread() -> None:
    thread = threading.Thread(target=os.getpid)
    thread.start()
    thread.join()


ACTS: Mapping[str, Callable[[], object]] = {
    "raise": _raise,
    "raise exit": lambda: sys.exit(3),
    "hang": lambda: threading.Event().wait(),
    "allocate": _fill_memory,
    "leak": _fill_touched_memory,
    "exit": lambda: os._exit(3),
    "crash": lambda: ctypes.string_at(0),
    "open a socket": lambda: socket.create_connection(("127.0.0.1", 9)),
    "open a local socket": lambda: socket.socket(socket.AF_UNIX),
    "fork": os.fork,
    "run a program": lambda: subprocess.run(["true"], check=True),
    "kill the server": lambda: os.kill(os.getppid(), signal.SIGKILL),
    "kill every process": lambda: os.kill(-1, signal.SIGKILL),
    "show its environment": _show_environment,
    "read the server's environment": _read_server_environment,
    "read a foreign file": lambda: Path("/etc/shadow").read_text(),
    "write a foreign file": lambda: Path("/usr/hostile").write_text("x"),
    "write its own file": lambda: Path("own.txt").write_text("x"),
    "start a thread": _start_thread,
    "print much": _print_much,
    "answer for itself": _write_to_its_connection,
}


class HostileEstimator(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """Estimator of two classes, whose probability is the number."""

    def __init__(self) -> None:
        self.classes_ = np.array(["no", "yes"])
        self.feature_names_in_ = np.array([ACT, NUMBER], dtype=object)

    def predict_proba(self, frame: pd.DataFrame) -> Any:
        for act in frame[ACT].unique():
            ACTS.get(act, lambda: None)()
        yes = frame[NUMBER].to_numpy(dtype=np.float64)
        scores = np.column_stack([1 - yes, yes])
        wrong = {"wrong shape": scores[:, :1], "fewer rows": scores[1:], "text": "yes"}
        return wrong.get(frame[ACT].iloc[0], scores)

    def predict(self, frame: pd.DataFrame) -> Any:
        return self.classes_[self.predict_proba(frame).argmax(axis=1)]
