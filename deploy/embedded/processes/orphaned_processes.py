"""Processes that a killed platform, or a killed component of it, has left behind.

supervisord passes its address and the component's name to every process, and all of them belong to its
session. A retraining that the server has started has its own session and may continue. Programs such as
Redis overwrite their environment to show a title; therefore a file records the first process of each
component.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

SERVER_VARIABLE, COMPONENT_VARIABLE = "SUPERVISOR_SERVER_URL", "SUPERVISOR_PROCESS_NAME"
RECORD_SUFFIX = ".process"
CREATION_TOLERANCE_SECONDS = 2.0
"""Tolerance when creation times are compared: two processes may round the machine's start differently."""
TERMINATE_SECONDS = 10.0
POLL_SECONDS = 0.1

FindProcesses = Callable[[], Sequence[psutil.Process]]


def find_in_session(server: str, session: int) -> list[psutil.Process]:
    """Find the running processes of a platform.

    Args:
        server: Address of its supervisord.
        session: Session id of its processes.
    """
    recorded = (process for process, _ in _read_recorded(server) if _get_session(process) == session)
    return _deduplicate([*recorded, *(process for process, _ in _find_supervised(server, session))])


def find_of_component(server: str, component: str) -> list[psutil.Process]:
    """Find the processes of an earlier run of a component, in the session of this process."""
    supervised = (process for process, name in _find_supervised(server, os.getsid(0)) if name == component)
    recorded = (process for process, name in _read_recorded(server) if name == component)
    # supervisord gives each run its own process group: those of this one are not orphans
    own = os.getpgrp()
    return [each for each in _deduplicate([*recorded, *supervised]) if _get_group(each) not in {own, None}]


def end_processes(find: FindProcesses) -> int:
    """Terminate processes and kill those that are left after 10 s; give the number of processes found."""
    first = find()
    for process in first:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    limit = time.monotonic() + TERMINATE_SECONDS
    # searched anew each time: a process that ends may have started another one
    while left := find():
        if time.monotonic() > limit:
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        threading.Event().wait(POLL_SECONDS)
    return len(first)


def is_running(pid: int) -> bool:
    """Whether a process has this id and has not ended."""
    try:
        return _is_alive(psutil.Process(pid))
    except psutil.NoSuchProcess:
        return False


def record_process(server: str, component: str) -> None:
    """Record this process as the first one of a component."""
    own = psutil.Process()
    path = _get_folder(server) / f"{component}{RECORD_SUFFIX}"
    path.write_text(f"{own.pid} {own.create_time()}")


def _read_recorded(server: str) -> Iterator[tuple[psutil.Process, str]]:
    """Read the recorded processes that still run, each with the name of its component."""
    for file in _get_folder(server).glob(f"*{RECORD_SUFFIX}"):
        # it has ended, or the record was not written completely
        with suppress(psutil.NoSuchProcess, OSError, ValueError):
            pid, created = file.read_text().split()
            process = psutil.Process(int(pid))
            # after a reboot or a long time, another process may have the same id
            is_same = abs(process.create_time() - float(created)) <= CREATION_TOLERANCE_SECONDS
            if is_same and _is_alive(process):
                yield process, file.name.removesuffix(RECORD_SUFFIX)


def _find_supervised(server: str, session: int) -> Iterator[tuple[psutil.Process, str]]:
    """Find the running processes of a session that a supervisord has started, with their components."""
    for process in psutil.process_iter():
        # it has ended, or belongs to another user
        with suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session and _is_alive(process):
                variables = process.environ()
                if variables.get(SERVER_VARIABLE) == server:
                    yield process, variables.get(COMPONENT_VARIABLE, "")


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process has not ended; a zombie has, though nobody has read its exit code."""
    return bool(process.status() != psutil.STATUS_ZOMBIE)


def _deduplicate(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    return list({process.pid: process for process in processes}.values())


def _get_folder(server: str) -> Path:
    return Path(server.removeprefix("unix://")).parent


def _get_session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


def _get_group(process: psutil.Process) -> int | None:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return None
