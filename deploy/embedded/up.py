"""`make up`: start the platform and hold it until it is stopped."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FrameType

from deploy.embedded import prepare, readiness, terminal_output
from deploy.embedded.components.component import EmbeddedPlatform, read_platform
from deploy.embedded.components.platform_builder import build_platform
from deploy.embedded.platform_lock import lock_platform, read_lock_owner
from deploy.embedded.processes import ports, supervisord
from deploy.embedded.processes.supervisord import ProcessState
from deploy.embedded.releases.offer import ask_for_programs
from deploy.embedded.settings import PlatformError, PlatformSetup, StatePaths
from servicio_ml.domain.use_case import UseCase

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
POLL_SECONDS = 1.0
CHAMPIONS_SECONDS = 3.0


# no Exception: an `except Exception` of a library must not swallow it
class StopRequested(BaseException):
    """A signal asks the platform to stop."""


@dataclass(slots=True, kw_only=True)
class RunningPlatform:
    """A platform that this process holds.

    Attributes:
        platform: Its description.
        process: supervisord, if this process has started it.
        last_states: States of the components at the last check.
    """

    platform: EmbeddedPlatform
    process: subprocess.Popen[bytes] | None = None
    last_states: Mapping[str, ProcessState] = field(default_factory=dict)


def run_platform(setup: PlatformSetup) -> int:
    """Start the platform and hold it; give the exit code."""
    setup.paths.run.mkdir(parents=True, exist_ok=True)
    with lock_platform(setup.paths, str(os.getpid())) as is_locked:
        if not is_locked:
            return _show_running(setup)
        for each in STOP_SIGNALS:
            signal.signal(each, _on_stop_signal)
        try:
            return _run_locked(setup)
        except StopRequested:
            return 0


def _show_running(setup: PlatformSetup) -> int:
    if not (owner := read_lock_owner(setup.paths)):
        raise PlatformError("the platform is being stopped; wait for its end and `make up` again")
    print(f"servicio-ml is up already; process {owner} holds it")
    found = read_platform(setup.paths)
    if found is None or not supervisord.is_alive(setup.paths):
        print("it is still starting; see its terminal")
    else:
        terminal_output.print_addresses(found, supervisord.read_states(setup.paths))
    return 0


def _on_stop_signal(_number: int, _frame: FrameType | None) -> None:
    # a second Ctrl-C would interrupt the stop
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise StopRequested


def _run_locked(setup: PlatformSetup) -> int:
    use_cases = prepare.list_wanted(setup)
    running = _adopt(setup) or _start(setup, use_cases)
    try:
        readiness.wait_for_components(running.platform.components, setup.paths)
        _ensure_champions(setup, use_cases)
        _print_summary(setup, running.platform)
        return _watch(setup, running)
    finally:
        _stop(setup.paths, running)


def _adopt(setup: PlatformSetup) -> RunningPlatform | None:
    """Take over a platform whose terminal was killed, or end what a killed platform has left behind."""
    left = read_platform(setup.paths)
    if left is None:
        return None
    if supervisord.is_alive(setup.paths):
        print("a platform runs here whose terminal was killed; this one takes it over with its old variables")
        return RunningPlatform(platform=left)
    if ended := supervisord.end_orphans(setup.paths, left.session):
        print(f"ended {ended} orphaned processes of a platform that was killed")
    return None


def _start(setup: PlatformSetup, use_cases: Sequence[UseCase]) -> RunningPlatform:
    ask_for_programs(setup)
    platform = build_platform(setup)
    ports.check_ports(platform.components)
    if not setup.settings.mlflow_url and not (setup.paths.state / "mlflow.db").exists():
        # without a database there is no champion; trained now, the first ones have all processors
        for each in use_cases:
            prepare.ensure_champion(setup, each)
        # training takes minutes, in which another program may have taken a port
        ports.check_ports(platform.components)
    titles = ", ".join(each.title for each in platform.components)
    print(f"starting {titles}; logs: {setup.paths.logs}", flush=True)
    process, platform = supervisord.start(platform, setup.paths)
    return RunningPlatform(platform=platform, process=process)


def _ensure_champions(setup: PlatformSetup, use_cases: Sequence[UseCase]) -> None:
    """Train the use cases that have no champion and wait until all champions are ready."""
    names = [each.name for each in use_cases]
    ready = readiness.wait_for_models(setup.api_url, names, CHAMPIONS_SECONDS)
    unready = [each for each in use_cases if each.name not in ready]
    # a model that is not ready may have a champion that cannot be loaded: training would hide that
    missing = prepare.list_without_champion(setup, unready) if unready else []
    for each in missing:
        prepare.ensure_champion(setup, each)
    if unready and (failed := sorted({*names} - readiness.wait_for_models(setup.api_url, names))):
        problem = f"models that are not ready: {', '.join(failed)}; see {setup.api_url}/health/ready"
        print(problem, file=sys.stderr)


def _print_summary(setup: PlatformSetup, platform: EmbeddedPlatform) -> None:
    terminal_output.print_addresses(platform, supervisord.read_states(setup.paths))
    ready = readiness.list_ready_models(setup.api_url)
    # the default model first: the documents describe it
    model = min(ready, key=lambda name: (name != setup.settings.default_model, name), default="")
    if model and (command := terminal_output.build_example_command(setup.api_url, model)):
        print(f"\ntry:\n  {command}\n  make demo")
    print("\nCtrl-C, or `make down` elsewhere, stops all of it", flush=True)


def _watch(setup: PlatformSetup, running: RunningPlatform) -> int:
    """Print each component that ends, until supervisord ends; give the exit code."""
    while True:
        try:
            states = supervisord.read_states(setup.paths)
        except PlatformError:
            print("supervisord has been ended from outside; stopping the components", file=sys.stderr)
            return 1
        for component in running.platform.components:
            name = component.name
            if problem := describe_change(running.last_states.get(name), states[name]):
                terminal_output.print_crash(component, problem, setup.paths)
        running.last_states = states
        threading.Event().wait(POLL_SECONDS)


def describe_change(before: ProcessState | None, now: ProcessState) -> str:
    """Describe how a component has ended between two checks; empty if it has not."""
    if before is None or before.pid == now.pid or not before.pid:
        return ""
    if now.pid:
        return f"(process {before.pid}) has ended and was restarted as process {now.pid}"
    if now in supervisord.find_failed({now.name: now}):
        return f"has ended and is not restarted any more ({now.reason})"
    return f"has ended and is being restarted ({now.reason})"


def _stop(paths: StatePaths, running: RunningPlatform) -> None:
    for each in STOP_SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    _print_if_open("\nstopping")
    stop(paths, running.platform)
    if running.process is not None:
        running.process.wait()
    _print_if_open("stopped; models, predictions and metrics are kept")


def stop(paths: StatePaths, platform: EmbeddedPlatform) -> int:
    """Stop a platform; give the number of processes found, where supervisord counts as one."""
    with suppress(PlatformError):
        supervisord.stop(paths, platform)
        return 1
    return supervisord.end_orphans(paths, platform.session)


def _print_if_open(text: str) -> None:
    """Print a line unless the terminal was closed, which must not keep the platform running."""
    with suppress(OSError):
        print(text, flush=True)
