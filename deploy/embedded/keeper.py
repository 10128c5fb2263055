"""supervisord, which keeps the parts running: its configuration, its start, and asking it."""

import os
import shlex
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

from deploy.embedded import leftovers
from deploy.embedded.part import Part, Platform
from deploy.embedded.settings import ROOT, Places, PlatformError

LOG_BYTES, LOG_FILES = "5MB", 2
STEADY_SECONDS = 8
"""A part that ends sooner has not started: the slowest takes so long to find its port taken."""
ATTEMPTS = 3
"""Each a second later than the one before."""
START_SECONDS = 15.0
STOP_SECONDS = 15.0
"""For supervisord itself, besides what its parts may take."""
BETWEEN_LOOKS_SECONDS = 0.1
QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYTHONUNBUFFERED": "1",
}
GOES_ON = {"STARTING", "BACKOFF", "RUNNING", "EXITED"}
"""States of a part that runs or will: one that has ended is started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How a part does.

    Attributes:
        name: Of the part.
        state: In supervisord's words: RUNNING, STARTING, BACKOFF, STOPPED, EXITED, FATAL.
        pid: 0 when it does not run.
        seconds: Since it was started.
        why: How it ended last, or why it could not be started; empty when it runs.
    """

    name: str
    state: str
    pid: int
    seconds: int
    why: str


def server(places: Places) -> str:
    """The address of its supervisord, which its processes are told too."""
    return f"unix://{places.socket}"


def configuration(platform: Platform, places: Places) -> str:
    """What supervisord reads."""
    sections = {
        "unix_http_server": {"file": str(places.socket), "chmod": "0700"},
        "supervisord": {
            "logfile": str(places.log("supervisord")), "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": str(LOG_FILES), "pidfile": str(places.run / "supervisord.pid"),
            "childlogdir": str(places.logs), "directory": str(ROOT), "nodaemon": "true", "silent": "true",
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        **{f"program:{part.name}": _program(part, places) for part in platform.parts},
    }  # fmt: skip
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{name} = {value.replace('%', '%%')}" for name, value in options.items()]
    return "\n".join(lines) + "\n"


def _program(part: Part, places: Places) -> Mapping[str, str]:
    guarded = [sys.executable, "-m", "deploy.embedded.guard", *part.command]
    return {
        "command": shlex.join(guarded), "priority": str(part.order), "autorestart": "true",
        "startsecs": str(STEADY_SECONDS), "startretries": str(ATTEMPTS), "stopsignal": "TERM",
        "stopwaitsecs": str(part.stop_seconds), "killasgroup": "true", "redirect_stderr": "true",
        "stdout_logfile": str(places.log(part.name)), "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": str(LOG_FILES),
    }  # fmt: skip


def start(platform: Platform, places: Places) -> tuple[subprocess.Popen[bytes], Platform]:
    """Start supervisord, and with it all parts; gives it, and the platform that now runs.

    Raises:
        PlatformError: It does not start.
    """
    for folder in (places.run, places.logs):
        folder.mkdir(parents=True, exist_ok=True)
    file = places.run / "supervisord.conf"
    file.write_text(configuration(platform, places))
    environment = {**os.environ, **QUIET, **platform.settings}
    words = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(file)]
    with places.log("supervisord-output").open("wb") as output:
        process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=ROOT, env=environment,
            start_new_session=True,
        )  # fmt: skip
    try:
        begun = replace(platform, session=process.pid)
        begun.write(places.description)
        _answers(process, places)
    except BaseException:
        # whoever asked for it does not have it yet, and could not stop it
        process.kill()
        process.wait()
        sweep(places, process.pid)
        raise
    return process, begun


def _answers(process: subprocess.Popen[bytes], places: Places) -> None:
    """Wait until supervisord can be asked.

    Raises:
        PlatformError: It has ended, or takes too long.
    """
    limit = time.monotonic() + START_SECONDS
    while not alive(places):
        if process.poll() is not None or time.monotonic() > limit:
            said = places.log("supervisord-output").read_text().strip()
            raise PlatformError(f"supervisord has not started: {said or 'no reason given'}")
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


def alive(places: Places) -> bool:
    """Whether a supervisord answers."""
    try:
        with _asked(places) as supervisor:
            return bool(supervisor.getState()["statename"] == "RUNNING")
    except PlatformError:
        return False


def states(places: Places) -> Mapping[str, State]:
    """How each part does, by its name.

    Raises:
        PlatformError: No platform runs.
    """
    with _asked(places) as supervisor:
        return {each["name"]: _state(each) for each in supervisor.getAllProcessInfo()}


def stop(places: Places, platform: Platform) -> None:
    """Stop all parts, those that serve others last, and see that no process is left.

    Raises:
        PlatformError: No platform runs.
    """
    with _asked(places) as supervisor:
        supervisor.shutdown()
    # one part after the other, and each is killed when it takes longer than it may
    limit = time.monotonic() + STOP_SECONDS + sum(part.stop_seconds for part in platform.parts)
    # supervisord leads the session; killed meanwhile, it leaves its socket behind
    while leftovers.runs(platform.session) and time.monotonic() < limit:
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    if leftovers.runs(platform.session):
        os.kill(platform.session, signal.SIGKILL)
    sweep(places, platform.session)


def sweep(places: Places, session: int) -> int:
    """End what a platform has left behind; gives how many processes that were."""
    ended = leftovers.end(lambda: leftovers.of_session(server(places), session))
    places.socket.unlink(missing_ok=True)
    return ended


@contextmanager
def _asked(places: Places) -> Iterator[Any]:
    transport = SupervisorTransport(None, None, server(places))
    try:
        with ServerProxy("http://127.0.0.1", transport=transport) as proxy:
            yield proxy.supervisor
    except (OSError, HTTPException, Error) as error:
        raise PlatformError("no platform runs here; start one by `make up`") from error


def _state(told: Mapping[str, Any]) -> State:
    runs = told["pid"] > 0
    why = "" if runs else told["spawnerr"] or told["description"]
    return State(
        name=told["name"], state=told["statename"], pid=told["pid"],
        seconds=max(0, told["now"] - told["start"]) if runs else 0, why=why,
    )  # fmt: skip


def broken(states: Mapping[str, State]) -> Sequence[State]:
    """Those that supervisord has given up."""
    return [each for each in states.values() if each.state not in GOES_ON]
