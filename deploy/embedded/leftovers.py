"""Processes that a killed platform, or a killed part of it, has left behind.

supervisord tells every process which server keeps it and as which part; all of them are of its session. A
retraining that the server has started has a session of its own: it may go on.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
SERVER, PART = "SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME"
PATIENCE_SECONDS = 10.0
BETWEEN_LOOKS_SECONDS = 0.1

Found = Callable[[], Sequence[int]]


def of_session(server: str, session: int) -> list[int]:
    """The processes of a platform.

    Args:
        server: Address of its supervisord.
        session: Of its processes.
    """
    return [pid for pid, _ in _kept(server, session)]


def of_part(server: str, part: str) -> list[int]:
    """The processes of an earlier run of a part, in the session of this process."""
    group = os.getpgrp()
    return [
        pid
        for pid, told in _kept(server, os.getsid(0))
        if told.get(PART) == part and _group(pid) not in {group, None}
    ]


def end(found: Found) -> int:
    """End processes: ask them first, kill them when they take too long; gives how many there were."""
    first = found()
    _signal(first, signal.SIGTERM)
    limit = time.monotonic() + PATIENCE_SECONDS
    while left := found():
        if time.monotonic() > limit:
            _signal(left, signal.SIGKILL)
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    return len(first)


def _signal(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def _kept(server: str, session: int) -> Iterator[tuple[int, Mapping[str, str]]]:
    for folder in PROC.glob("[0-9]*"):
        pid = int(folder.name)
        with suppress(OSError):  # it has ended, or is somebody else's
            if os.getsid(pid) == session and _alive(folder):
                told = _environment(folder)
                if told.get(SERVER) == server:
                    yield pid, told


def _alive(folder: Path) -> bool:
    """Whether it is more than a dead process that nobody has asked for its exit code."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"


def _environment(folder: Path) -> Mapping[str, str]:
    lines = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
