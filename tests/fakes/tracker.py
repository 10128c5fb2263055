"""A tracker in memory, with its artifacts in a folder."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.tracker import FinishedRun, Run
from servicio_ml.errors import RegistryError

ADDRESS = "memory"


@dataclass(slots=True, kw_only=True)
class MemoryRun:
    """A run with everything that was logged to it."""

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

    def log_params(self, values: Mapping[str, object]) -> None:
        for key, value in values.items():
            if self.logged_params.setdefault(key, str(value)) != str(value):
                raise RegistryError(ADDRESS, f"parameter {key!r} of run {self.id} cannot change")

    def log_metrics(self, values: Mapping[str, float]) -> None:
        self.logged_metrics.update({key: float(value) for key, value in values.items()})

    def set_tags(self, values: Mapping[str, str]) -> None:
        self.logged_tags.update(values)

    def log_artifact(self, source: Path, folder: str = "") -> None:
        target = self.folder / folder
        target.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)

    def log_dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        self.datasets.append(
            {"name": name, "digest": digest, "source": source, "context": context, "rows": rows}
        )


class MemoryTracker:
    """Runs that live as long as the object; artifacts go to a folder."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder, self._clock = folder, clock
        self._numbers = count()
        self.all_runs: list[MemoryRun] = []

    @contextmanager
    def open_run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = {},
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> Iterator[Run]:
        run = self._get_run(resume) if resume else self._create_run(experiment, name, tags, parent)
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

    def _create_run(self, experiment: str, name: str, tags: Mapping[str, str], parent: str) -> MemoryRun:
        run_id = f"run{next(self._numbers)}"
        run = MemoryRun(
            id=run_id, experiment=experiment, name=name, started=self._clock(),
            folder=self._folder / run_id, logged_tags=dict(tags), parent=parent,
        )  # fmt: skip
        run.folder.mkdir(parents=True)
        self.all_runs.append(run)
        return run

    def _get_run(self, run_id: str) -> MemoryRun:
        for run in self.all_runs:
            if run.id == run_id:
                return run
        raise RegistryError(ADDRESS, f"no run {run_id!r}")

    def find_runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[FinishedRun]:
        return [
            _build_record(run)
            for run in reversed(self.all_runs)
            if run.experiment == experiment and tags.items() <= run.logged_tags.items()
        ]

    def get_run(self, run_id: str) -> FinishedRun:
        return _build_record(self._get_run(run_id))

    def delete_run(self, run_id: str) -> None:
        self.all_runs = [run for run in self.all_runs if run.id != run_id]
        shutil.rmtree(self._folder / run_id, ignore_errors=True)

    def list_artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        root = self._get_run(run_id).folder
        files = [path for path in (root / folder).rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): path.stat().st_size for path in files}

    def read_artifact(self, run_id: str, path: str) -> bytes:
        found = self._get_run(run_id).folder / path
        if not found.is_file():
            raise RegistryError(ADDRESS, f"run {run_id!r} has no artifact {path!r}")
        return found.read_bytes()


def _build_record(run: MemoryRun) -> FinishedRun:
    return FinishedRun(
        id=run.id, name=run.name, status=run.status, started=run.started, ended=run.ended,
        tags=dict(run.logged_tags), params=dict(run.logged_params), metrics=dict(run.logged_metrics),
    )  # fmt: skip
