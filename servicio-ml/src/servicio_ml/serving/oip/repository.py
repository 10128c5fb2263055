"""The model repository of the protocol: what is registered, what is loaded, and what may be dropped."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from servicio_ml.errors import NoSuchModelError, NotReadyError, RequestError
from servicio_ml.serving.models import Models

READY, UNAVAILABLE = "READY", "UNAVAILABLE"
UPON_REQUEST = "it is loaded when it is asked for"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A registered version.

    Attributes:
        name: Of the model.
        version: Its number; empty for a model without versions.
        state: `READY` or `UNAVAILABLE`.
        reason: Why it is unavailable; else empty.
    """

    name: str
    version: str
    state: str
    reason: str


def index(models: Models, *, ready: bool) -> list[Entry]:
    """Every version of every model; with `ready` only those that are loaded."""
    entries = [entry for name in sorted(models.known) for entry in _entries(models, name)]
    return [entry for entry in entries if not ready or entry.state == READY]


def _entries(models: Models, name: str) -> Iterator[Entry]:
    known = models.known[name]
    if not known.versions:
        yield Entry(name=name, version="", state=UNAVAILABLE, reason=known.problem)
    for info in known.versions:
        loaded = models.loaded(name, str(info.version)) is not None
        state, reason = (READY, "") if loaded else (UNAVAILABLE, UPON_REQUEST)
        yield Entry(name=name, version=str(info.version), state=state, reason=reason)


def is_ready(models: Models, name: str, version: str) -> bool:
    """Whether the champion, or a version or alias, is loaded; never raises."""
    try:
        if not version:
            return models.state(name).champion is not None
        return models.loaded(name, version) is not None
    except NoSuchModelError:
        return False


async def load(models: Models, name: str, announce: Callable[[], None]) -> None:
    """Look at the registry now, and tell the other processes to.

    Raises:
        NoSuchModelError: It has no such model.
        NotReadyError: Its champion could not be loaded.
    """
    await asyncio.to_thread(models.refresh)
    announce()
    known = models.state(name)
    if known.champion is None:
        raise NotReadyError(name, known.problem)


def unload(models: Models, name: str) -> None:
    """Drop the versions of a model that were loaded because somebody asked for them.

    Raises:
        NoSuchModelError: The model is not served.
        RequestError: Only its champion or challenger is loaded, and those answer until another takes over.
    """
    known = models.state(name)
    kept = {each.version for each in (known.champion, known.challenger) if each is not None}
    loaded = [info.version for info in known.versions if models.loaded(name, str(info.version)) is not None]
    others = [version for version in loaded if version not in kept]
    if not others:
        raise RequestError(
            f"model {name!r} has nothing that could be unloaded",
            "its champion and challenger stay; move their aliases in the registry instead",
        )
    for version in others:
        models.forget(name, version)
