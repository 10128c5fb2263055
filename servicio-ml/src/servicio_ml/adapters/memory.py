"""In-memory runs and models, for tests and for trying things out."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports import Clock, ModelVersion, Run, RunRecord
from servicio_ml.errors import NoSuchModelError, RegistryError

PLACE = "memory"


@dataclass(slots=True, kw_only=True)
class MemoryRun:
    """A run as it is remembered."""

    id: str
    experiment: str
    name: str
    started: float
    folder: Path
    status: str = "RUNNING"
    ended: float | None = None
    logged_tags: dict[str, str] = field(default_factory=dict)
    logged_params: dict[str, str] = field(default_factory=dict)
    logged_metrics: dict[str, float] = field(default_factory=dict)
    datasets: list[dict[str, Any]] = field(default_factory=list)
    parent: str = ""

    def params(self, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            if self.logged_params.setdefault(key, str(value)) != str(value):
                raise RegistryError(PLACE, f"parameter {key!r} of run {self.id} cannot change")

    def metrics(self, values: Mapping[str, float]) -> None:
        self.logged_metrics.update({key: float(value) for key, value in values.items()})

    def tags(self, values: Mapping[str, str]) -> None:
        self.logged_tags.update(values)

    def artifact(self, source: Path, folder: str = "") -> None:
        target = self.folder / folder
        target.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        self.datasets.append(
            {"name": name, "digest": digest, "source": source, "context": context, "rows": rows}
        )


class MemoryTracker:
    """Runs that live as long as the object; artifacts go to a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._numbers = count()
        self.every: list[MemoryRun] = []

    @contextmanager
    def run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = {},
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> Iterator[Run]:
        run = self._found(resume) if resume else self._new(experiment, name, tags, parent)
        run.status, run.ended = "RUNNING", None
        status = "KILLED"
        try:
            yield run
            status = "RUNNING" if stays else "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            run.status, run.ended = status, None if status == "RUNNING" else self._clock()

    def _new(self, experiment: str, name: str, tags: Mapping[str, str], parent: str) -> MemoryRun:
        run_id = f"run{next(self._numbers)}"
        run = MemoryRun(
            id=run_id, experiment=experiment, name=name, started=self._clock(),
            folder=self._folder / run_id, logged_tags=dict(tags), parent=parent,
        )  # fmt: skip
        run.folder.mkdir(parents=True)
        self.every.append(run)
        return run

    def _found(self, run_id: str) -> MemoryRun:
        for run in self.every:
            if run.id == run_id:
                return run
        raise RegistryError(PLACE, f"no run {run_id!r}")

    def runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[RunRecord]:
        return [
            _record(run)
            for run in reversed(self.every)
            if run.experiment == experiment and tags.items() <= run.logged_tags.items()
        ]

    def find(self, run_id: str) -> RunRecord:
        return _record(self._found(run_id))

    def delete(self, run_id: str) -> None:
        self.every = [run for run in self.every if run.id != run_id]
        shutil.rmtree(self._folder / run_id, ignore_errors=True)

    def artifact(self, run_id: str, path: str) -> Path:
        found = self._found(run_id).folder / path
        if not found.exists():
            raise RegistryError(PLACE, f"run {run_id!r} has no artifact {path!r}")
        return found

    def artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        root = self._found(run_id).folder
        files = [path for path in (root / folder).rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.stat().st_size for path in files}

    def read(self, run_id: str, path: str) -> bytes:
        return self.artifact(run_id, path).read_bytes()


def _record(run: MemoryRun) -> RunRecord:
    return RunRecord(
        id=run.id, name=run.name, status=run.status, started=run.started, ended=run.ended,
        tags=dict(run.logged_tags), params=dict(run.logged_params), metrics=dict(run.logged_metrics),
    )  # fmt: skip


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
        shutil.copytree(artifact, self._place(model, number))
        made = ModelVersion(
            model=model, version=number, run_id=run_id, created=self._clock(), tags=dict(tags)
        )
        versions.append(made)
        return made

    def _place(self, model: str, version: int) -> Path:
        return self._folder / model / str(version)

    def point(self, model: str, alias: str, version: int) -> None:
        self.version(model, version)
        self._aliases.setdefault(model, {})[alias] = version

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        number = self._aliases.get(model, {}).get(alias)
        return None if number is None else self.version(model, number)

    def version(self, model: str, version: int) -> ModelVersion:
        for each in self.versions(model):
            if each.version == version:
                return each
        raise NoSuchModelError(model, f"version {version}", f"see `servicio-ml history {model}`")

    def versions(self, model: str) -> Sequence[ModelVersion]:
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
        shutil.rmtree(self._place(model, version), ignore_errors=True)

    def models(self) -> Sequence[str]:
        return sorted(self._versions)

    def notes(self, model: str) -> Mapping[str, str]:
        return dict(self._notes.get(model, {}))

    def note(self, model: str, key: str, value: str) -> None:
        self._notes.setdefault(model, {})[key] = value

    def read(self, model: str, version: int, name: str) -> bytes:
        self.version(model, version)
        try:
            return (self._place(model, version) / name).read_bytes()
        except OSError as error:
            raise RegistryError(PLACE, f"version {version} of {model} has no {name!r}") from error

    def download(self, model: str, version: int) -> Path:
        self.version(model, version)
        copy = Path(tempfile.mkdtemp(prefix="servicio-ml-")) / str(version)
        shutil.copytree(self._place(model, version), copy)
        return copy
