"""Processes that a killed platform, or a killed part of it, has left behind.

supervisord tells every process which server keeps it and as which part; all of them are of its session. A
retraining that the server has started has a session of its own: it may go on. Programs such as Redis write
over that to show a title, so that each part's first process is noted in a file too.
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
NOTE = ".process"
BEGUN_WORD = 19
"""Of those after the name in /proc/<pid>/stat."""
PATIENCE_SECONDS = 10.0
BETWEEN_LOOKS_SECONDS = 0.1

Found = Callable[[], Sequence[int]]


def of_session(server: str, session: int) -> list[int]:
    """The processes of a platform.

    Args:
        server: Address of its supervisord.
        session: Of its processes.
    """
    noted = (pid for pid, _ in _noted(server) if _session(pid) == session)
    return sorted({*noted, *(pid for pid, _ in _kept(server, session))})


def of_part(server: str, part: str) -> list[int]:
    """The processes of an earlier run of a part, in the session of this process."""
    ours = os.getpgrp()
    kept = (pid for pid, told in _kept(server, os.getsid(0)) if told.get(PART) == part)
    noted = (pid for pid, name in _noted(server) if name == part)
    return sorted({pid for pid in (*noted, *kept) if _group(pid) not in {ours, None}})


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


def runs(pid: int) -> bool:
    """Whether there is a process of that number."""
    try:
        return _alive(PROC / str(pid))
    except OSError:
        return False


def note(server: str, part: str) -> None:
    """Note this process as a part's first."""
    (_folder(server) / f"{part}{NOTE}").write_text(f"{os.getpid()} {_begun(os.getpid())}")


def _noted(server: str) -> Iterator[tuple[int, str]]:
    """The first processes of parts that are still there."""
    for file in _folder(server).glob(f"*{NOTE}"):
        with suppress(OSError, ValueError):  # it has ended, or its note was not written to the end
            pid, begun = file.read_text().split()
            if _begun(int(pid)) == begun and _alive(PROC / pid):
                yield int(pid), file.name.removesuffix(NOTE)


def _folder(server: str) -> Path:
    return Path(server.removeprefix("unix://")).parent


def _begun(pid: int) -> str:
    """When a process began, in ticks since the machine did: no two with the same id share it."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[BEGUN_WORD]


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


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
