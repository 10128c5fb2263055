"""Model repository of the protocol: list, load and unload registered versions."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from servicio_ml.errors import NoSuchModelError, NotReadyError, RequestError
from servicio_ml.serving.models.models import LoadedModels

READY, UNAVAILABLE = "READY", "UNAVAILABLE"
NOT_LOADED_REASON = "it is loaded at its first request"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryEntry:
    """Registered version.

    Attributes:
        name: Name of the model.
        version: Number of the version; empty for a model without versions.
        state: `READY` or `UNAVAILABLE`.
        reason: Why the version is unavailable; else empty.
    """

    name: str
    version: str
    state: str
    reason: str


def list_versions(models: LoadedModels, *, ready: bool) -> list[RepositoryEntry]:
    """List the versions of all models; with `ready`, only the loaded ones."""
    entries = [entry for name in sorted(models.statuses) for entry in _iterate_entries(models, name)]
    return [entry for entry in entries if not ready or entry.state == READY]


def _iterate_entries(models: LoadedModels, name: str) -> Iterator[RepositoryEntry]:
    status = models.statuses[name]
    # listed all the same, so that clients see why the model is missing
    if not status.versions:
        yield RepositoryEntry(name=name, version="", state=UNAVAILABLE, reason=status.error)
    for info in status.versions:
        loaded = models.get_loaded(name, str(info.version)) is not None
        state, reason = (READY, "") if loaded else (UNAVAILABLE, NOT_LOADED_REASON)
        yield RepositoryEntry(name=name, version=str(info.version), state=state, reason=reason)


def is_ready(models: LoadedModels, name: str, version: str) -> bool:
    """Whether the champion, or a version or alias, is loaded; False for an unknown model."""
    try:
        if not version:
            return models.get_status(name).champion is not None
        return models.get_loaded(name, version) is not None
    except NoSuchModelError:
        return False


async def load_registered_model(models: LoadedModels, name: str, announce: Callable[[], None]) -> None:
    """Read the registry now, in this and the other processes.

    Raises:
        NoSuchModelError: The registry has no such model.
        NotReadyError: The champion could not be loaded.
    """
    # in a thread: the registry may be remote, and loading a model takes seconds
    await asyncio.to_thread(models.refresh)
    # before the check: other processes may load what this one cannot
    announce()
    status = models.get_status(name)
    if status.champion is None:
        raise NotReadyError(name, status.error)


def unload_registered_model(models: LoadedModels, name: str) -> None:
    """Evict the versions of a model that were loaded on request.

    Raises:
        NoSuchModelError: The model is not served.
        RequestError: Only its champion or challenger is loaded, and those stay until another takes over.
    """
    status = models.get_status(name)
    # the router of predictions holds these two, so evicting them would not free them
    kept = {each.version for each in (status.champion, status.challenger) if each is not None}
    numbers = [info.version for info in status.versions if info.version not in kept]
    others = [number for number in numbers if models.get_loaded(name, str(number)) is not None]
    if not others:
        remedy = "its champion and challenger stay; move their aliases in the registry instead"
        raise RequestError(f"model {name!r} has nothing that could be unloaded", remedy)
    for version in others:
        models.evict(name, version)
