"""Port of the model registry: registered models, their versions and aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered version; `created` in seconds since 1970."""

    model: str
    version: int
    run_id: str
    created: float
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


class RegistryReader(Protocol):
    """Methods of a registry for serving, which registers nothing.

    Every method raises `RegistryError` when the registry cannot be reached and `NoSuchModelError` for an
    unknown version.
    """

    def list_models(self) -> Sequence[str]:
        """List the names of the registered models, sorted."""
        ...

    def list_versions(self, model: str) -> Sequence[ModelVersion]:
        """List the versions of a model, the newest first; empty for an unknown model."""
        ...

    def download(self, model: str, version: int) -> Path:
        """Download the artifact into a new folder; the caller deletes the parent folder."""
        ...

    def get_model_tags(self, model: str) -> Mapping[str, str]:
        """Return the tags of the model; empty for an unknown model."""
        ...

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        """Set a tag of the model."""
        ...


class Registry(RegistryReader, Protocol):
    """Registry with registration, aliases and deletion.

    ::

    version = registry.register("rain_australia", folder, run_id=run.id, tags={"candidate": "lightgbm"})
    registry.set_alias("rain_australia", "champion", version.version)
    """

    def register(self, model: str, artifact: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Log an artifact folder under the run and register it as the model's next version."""
        ...

    def set_alias(self, model: str, alias: str, version: int) -> None:
        """Move an alias in one call."""
        ...

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version with an alias; None for an unknown model or alias."""
        ...

    def get_version(self, model: str, version: int) -> ModelVersion: ...

    def read(self, model: str, version: int, name: str) -> bytes:
        """Read one small file of a version's artifact folder."""
        ...

    def delete(self, model: str, version: int) -> None:
        """Delete a version with its artifact and aliases; an unknown version is no error."""
        ...
