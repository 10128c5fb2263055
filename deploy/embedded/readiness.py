"""Wait until the components and the models answer."""

import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import urlsplit

import httpx

from deploy.embedded import terminal_output
from deploy.embedded.components.component import Component
from deploy.embedded.processes import supervisord
from deploy.embedded.settings import StatePaths

LIMIT_SECONDS = 120.0
POLL_SECONDS = 0.1
TIMEOUT_SECONDS = 5.0
MODELS_SECONDS = 30.0
"""Time limit for the models, which the server loads one after the other."""

Clock = Callable[[], float]


def is_ready(component: Component) -> bool:
    """Whether a component answers its readiness check; one without a check is ready when it runs."""
    if not component.ready:
        return True
    address = urlsplit(component.ready)
    try:
        if address.scheme == "tcp":
            host, port = str(address.hostname), int(address.port or 0)
            socket.create_connection((host, port), TIMEOUT_SECONDS).close()
            return True
        return httpx.get(component.ready, timeout=TIMEOUT_SECONDS).is_success
    except (OSError, httpx.HTTPError):
        return False


def wait_for_components(
    components: Sequence[Component], paths: StatePaths, clock: Clock = time.monotonic
) -> Sequence[Component]:
    """Wait up to 120 s until components are ready and print each; give those that are not."""
    started, waiting, failed = clock(), list(components), list[Component]()
    while waiting and clock() - started < LIMIT_SECONDS:
        states = supervisord.read_states(paths)
        done = _announce_ready(waiting, states, clock() - started)
        ended = _report(waiting, "does not start", paths, {s.name for s in supervisord.find_failed(states)})
        failed += ended
        done += ended
        waiting = [each for each in waiting if each not in done]
        threading.Event().wait(POLL_SECONDS)
    return [*failed, *_report(waiting, f"was not ready within {LIMIT_SECONDS:.0f} s", paths)]


def _announce_ready(
    components: Sequence[Component], states: Mapping[str, supervisord.ProcessState], seconds: float
) -> list[Component]:
    """Print those components that are ready, with the time since the start in seconds; give them."""
    # a process id is required: another program that has taken the port may answer, too
    ready = [each for each in components if states[each.name].pid and is_ready(each)]
    for component in ready:
        print(f"  {component.title} is ready ({seconds:.1f} s)", flush=True)
    return ready


def _report(
    components: Sequence[Component], problem: str, paths: StatePaths, names: Collection[str] | None = None
) -> list[Component]:
    """Print a problem of those components that have one of the names, or of all; give them."""
    affected = [each for each in components if names is None or each.name in names]
    for component in affected:
        terminal_output.print_crash(component, problem, paths)
    return affected


def wait_for_models(
    api: str, names: Sequence[str], seconds: float = MODELS_SECONDS, clock: Clock = time.monotonic
) -> set[str]:
    """Wait until the server's models are ready; give those that are when the time is up."""
    started = clock()
    while True:
        found = list_ready_models(api)
        if found.issuperset(names) or clock() - started > seconds:
            return found
        threading.Event().wait(POLL_SECONDS)


def list_ready_models(api: str) -> set[str]:
    """List the models that a server can answer for; none if it does not answer."""
    try:
        models = httpx.get(f"{api}/health/ready", timeout=TIMEOUT_SECONDS).json()["models"]
    except (OSError, httpx.HTTPError, ValueError, KeyError):
        return set()
    return {name for name, state in models.items() if state == "ready"}
