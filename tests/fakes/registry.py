"""A model registry in memory, with its artifacts in a folder."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.errors import NoSuchModelError, RegistryError

ADDRESS = "memory"


class MemoryRegistry:
    """Versions and aliases that live as long as the object."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._versions: dict[str, list[ModelVersion]] = {}
        self._aliases: dict[str, dict[str, int]] = {}
        self._notes: dict[str, dict[str, str]] = {}
        self._numbers: dict[str, int] = {}

    def register(self, model: str, artifact: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        versions = self._versions.setdefault(model, [])
        self._numbers[model] = number = self._numbers.get(model, 0) + 1
        shutil.copytree(artifact, self._get_folder(model, number))
        made = ModelVersion(
            model=model, version=number, run_id=run_id, created=self._clock(), tags=dict(tags)
        )
        versions.append(made)
        return made

    def _get_folder(self, model: str, version: int) -> Path:
        return self._folder / model / str(version)

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.get_version(model, version)
        self._aliases.setdefault(model, {})[alias] = version

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        number = self._aliases.get(model, {}).get(alias)
        return None if number is None else self.get_version(model, number)

    def get_version(self, model: str, version: int) -> ModelVersion:
        for each in self.list_versions(model):
            if each.version == version:
                return each
        raise NoSuchModelError(model, f"version {version}", f"see `servicio-ml history {model}`")

    def list_versions(self, model: str) -> Sequence[ModelVersion]:
        aliases = self._aliases.get(model, {})
        return [
            ModelVersion(
                model=each.model, version=each.version, run_id=each.run_id, created=each.created,
                tags=each.tags,
                aliases=tuple(sorted(alias for alias, number in aliases.items() if number == each.version)),
            )
            for each in reversed(self._versions.get(model, []))
        ]  # fmt: skip

    def delete(self, model: str, version: int) -> None:
        self._versions[model] = [each for each in self._versions.get(model, []) if each.version != version]
        aliases = self._aliases.get(model, {})
        self._aliases[model] = {alias: number for alias, number in aliases.items() if number != version}
        shutil.rmtree(self._get_folder(model, version), ignore_errors=True)

    def list_models(self) -> Sequence[str]:
        return sorted(self._versions)

    def get_model_tags(self, model: str) -> Mapping[str, str]:
        return dict(self._notes.get(model, {}))

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._notes.setdefault(model, {})[key] = value

    def read(self, model: str, version: int, name: str) -> bytes:
        self.get_version(model, version)
        try:
            return (self._get_folder(model, version) / name).read_bytes()
        except OSError as error:
            raise RegistryError(ADDRESS, f"version {version} of {model} has no {name!r}") from error

    def download(self, model: str, version: int) -> Path:
        self.get_version(model, version)
        copy = Path(tempfile.mkdtemp(prefix="servicio-ml-")) / str(version)
        shutil.copytree(self._get_folder(model, version), copy)
        return copy
