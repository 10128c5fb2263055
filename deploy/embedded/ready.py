"""Waiting until the parts answer."""

import socket
import threading
import time
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

import httpx

from deploy.embedded import keeper, show
from deploy.embedded.part import Part
from deploy.embedded.settings import Places

LIMIT_SECONDS = 120.0
BETWEEN_LOOKS_SECONDS = 0.1
ANSWER_SECONDS = 5.0
MODELS_SECONDS = 30.0
"""The server loads one model after the other."""

Clock = Callable[[], float]


def answers(part: Part) -> bool:
    """Whether a part is ready."""
    address = urlsplit(part.ready)
    try:
        if address.scheme == "tcp":
            socket.create_connection((str(address.hostname), int(address.port or 0)), ANSWER_SECONDS).close()
            return True
        return httpx.get(part.ready, timeout=ANSWER_SECONDS).is_success
    except (OSError, httpx.HTTPError):
        return False


def wait(parts: Sequence[Part], places: Places, clock: Clock = time.monotonic) -> Sequence[Part]:
    """Wait for parts and tell of each; gives those that did not come up, which it names."""
    begun, waiting, failed = clock(), list(parts), []
    while waiting and clock() - begun < LIMIT_SECONDS:
        states = keeper.states(places)
        # somebody else who has taken the port may answer, too
        for part in [each for each in waiting if states[each.name].pid and answers(each)]:
            print(f"  {part.title} is ready ({clock() - begun:.1f} s)", flush=True)
            waiting.remove(part)
        given_up = {state.name for state in keeper.broken(states)}
        for part in [each for each in waiting if each.name in given_up]:
            show.crashed(part, "does not start", places)
            waiting.remove(part)
            failed.append(part)
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    for part in waiting:
        show.crashed(part, f"was not ready within {LIMIT_SECONDS:.0f} s", places)
    return [*failed, *waiting]


def models(
    api: str, names: Sequence[str], seconds: float = MODELS_SECONDS, clock: Clock = time.monotonic
) -> set[str]:
    """Wait until the server answers for models; gives those that it does answer for when the time is up."""
    begun = clock()
    while True:
        found = served(api)
        if found.issuperset(names) or clock() - begun > seconds:
            return found
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


def served(api: str) -> set[str]:
    """The models that a server answers for."""
    try:
        told = httpx.get(f"{api}/health/ready", timeout=ANSWER_SECONDS).json()["models"]
    except (OSError, httpx.HTTPError, ValueError, KeyError):
        return set()
    return {name for name, how in told.items() if how == "ready"}
