"""supervisord, which keeps the components running: its configuration, start, stop and state."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import Any
from xmlrpc.client import Error, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from deploy.embedded.components.component import EmbeddedPlatform
from deploy.embedded.processes import orphaned_processes
from deploy.embedded.processes.running_platforms import SUPERVISORD, describe_absence
from deploy.embedded.processes.supervisord_config import build_configuration, get_server_url
from deploy.embedded.settings import ROOT, PlatformError, StatePaths

START_SECONDS = 15.0
STOP_SECONDS = 15.0
"""Time limit for supervisord itself, in addition to those of its components."""
POLL_SECONDS = 0.1
PROCESS_VARIABLES = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",
}
LIVE_STATES = {"STARTING", "BACKOFF", "RUNNING", "EXITED"}
"""States of a component that runs or will run: supervisord restarts one that has exited."""

CONNECTION_ERRORS = (OSError, HTTPException, Error)
"""Errors of a supervisord that does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessState:
    """State of a component's process.

    Attributes:
        name: Name of the component.
        state: State as supervisord names it: RUNNING, STARTING, BACKOFF, STOPPED, EXITED or FATAL.
        pid: Process id; 0 if it does not run.
        seconds: Time since its start, in seconds.
        reason: Reason of the last end or of a failed start; empty if it runs.
    """

    name: str
    state: str
    pid: int
    seconds: int
    reason: str


def start(platform: EmbeddedPlatform, paths: StatePaths) -> tuple[subprocess.Popen[bytes], EmbeddedPlatform]:
    """Start supervisord and thereby all components; give its process and the running platform.

    Raises:
        PlatformError: supervisord does not start.
    """
    process = _start_process(platform, paths)
    try:
        running = replace(platform, session=process.pid)
        running.write_description(paths.description)
        _wait_until_alive(process, paths)
    except BaseException:
        # the caller does not have the process yet and could not stop it
        process.kill()
        process.wait()
        end_orphans(paths, process.pid)
        raise
    return process, running


def _start_process(platform: EmbeddedPlatform, paths: StatePaths) -> subprocess.Popen[bytes]:
    for folder in (paths.run, paths.logs):
        folder.mkdir(parents=True, exist_ok=True)
    config = paths.supervisord_config
    config.write_text(build_configuration(platform, paths))
    environment = {**os.environ, **PROCESS_VARIABLES, **platform.variables}
    command = [sys.executable, "-m", SUPERVISORD, "--nodaemon", "--configuration", str(config)]
    with paths.get_log("supervisord-output").open("wb") as output:
        # its own session: Ctrl-C in the terminal reaches `make up` only, which stops the components in order
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env=environment,
            start_new_session=True,
        )  # fmt: skip


def _wait_until_alive(process: subprocess.Popen[bytes], paths: StatePaths) -> None:
    """Wait until supervisord answers.

    Raises:
        PlatformError: supervisord has ended, or does not answer within 15 s.
    """
    limit = time.monotonic() + START_SECONDS
    while not is_alive(paths):
        if process.poll() is not None or time.monotonic() > limit:
            output = paths.get_log("supervisord-output").read_text().strip()
            raise PlatformError(f"supervisord has not started: {output or 'no reason given'}")
        threading.Event().wait(POLL_SECONDS)


def is_alive(paths: StatePaths) -> bool:
    """Whether the platform's supervisord answers."""
    try:
        with _connect(paths) as supervisor:
            return bool(supervisor.getState()["statename"] == "RUNNING")
    except CONNECTION_ERRORS:
        return False


def read_states(paths: StatePaths) -> Mapping[str, ProcessState]:
    """Read the state of each component, by its name.

    Raises:
        PlatformError: No platform runs.
    """
    with _translate_errors(paths), _connect(paths) as supervisor:
        return {each["name"]: _parse_state(each) for each in supervisor.getAllProcessInfo()}


def stop(paths: StatePaths, platform: EmbeddedPlatform) -> None:
    """Stop all components in the reverse order of their start, and end orphaned processes.

    Raises:
        PlatformError: No platform runs.
    """
    with _translate_errors(paths), _connect(paths) as supervisor:
        supervisor.shutdown()
    # supervisord stops one component after the other and kills each that exceeds its own limit
    limit = time.monotonic() + STOP_SECONDS + sum(each.stop_seconds for each in platform.components)
    # the process is watched, not the socket: a supervisord that is killed leaves its socket behind
    while orphaned_processes.is_running(platform.session) and time.monotonic() < limit:
        threading.Event().wait(POLL_SECONDS)
    if orphaned_processes.is_running(platform.session):
        os.kill(platform.session, signal.SIGKILL)
    end_orphans(paths, platform.session)


def end_orphans(paths: StatePaths, session: int) -> int:
    """End the processes that a platform has left behind; give their number."""
    server = get_server_url(paths)
    ended = orphaned_processes.end_processes(lambda: orphaned_processes.find_in_session(server, session))
    paths.socket.unlink(missing_ok=True)
    return ended


@contextmanager
def _connect(paths: StatePaths) -> Iterator[Any]:
    transport = SupervisorTransport(None, None, get_server_url(paths))
    # the address is a placeholder that XML-RPC needs; the transport connects to the socket
    with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
        yield proxy.supervisor


@contextmanager
def _translate_errors(paths: StatePaths) -> Iterator[None]:
    try:
        yield
    except CONNECTION_ERRORS as error:
        raise PlatformError(describe_absence(paths)) from error


def _parse_state(info: Mapping[str, Any]) -> ProcessState:
    is_up = info["pid"] > 0
    reason = "" if is_up else info["spawnerr"] or info["description"]
    return ProcessState(
        name=info["name"], state=info["statename"], pid=info["pid"],
        seconds=max(0, info["now"] - info["start"]) if is_up else 0, reason=reason,
    )  # fmt: skip


def find_failed(states: Mapping[str, ProcessState]) -> Sequence[ProcessState]:
    """Find the components that supervisord no longer restarts."""
    return [each for each in states.values() if each.state not in LIVE_STATES]
