"""Port of experiment tracking: experiments and their runs."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Run(Protocol):
    """A tracked run, open until its context ends."""

    @property
    def id(self) -> str: ...

    def log_params(self, values: Mapping[str, object]) -> None: ...

    def log_metrics(self, values: Mapping[str, float]) -> None: ...

    def set_tags(self, values: Mapping[str, str]) -> None: ...

    def log_artifact(self, source: Path, folder: str = "") -> None:
        """Log a file, or a folder with its content, under `folder`."""
        ...

    def log_dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        """Log a dataset input; `context` is `raw`, `training` or `evaluation`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """A stored run; times in seconds since 1970, `ended` is None while it is open."""

    id: str
    name: str
    status: str
    started: float
    ended: float | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    metrics: Mapping[str, float]


class Tracker(Protocol):
    """Experiments and their runs.

    A run whose context ends by an error is marked failed, by an interrupt killed. Every method raises
    `RegistryError` when the tracking server cannot be reached::

        with tracker.open_run("rain_australia", "etl", tags={"step": "etl"}) as run:
            run.log_params({"period": "2016-06"})
    """

    def open_run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = ...,
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> AbstractContextManager[Run]:
        """Open a run, nested in `parent`, or open the run `resume` again.

        With `stays` the run remains open when its context ends without an error, for another process.
        """
        ...

    def find_runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[FinishedRun]:
        """List the runs with all given tags, the newest first."""
        ...

    def get_run(self, run_id: str) -> FinishedRun:
        """Return a run by its id; `RegistryError` for an unknown id."""
        ...

    def delete_run(self, run_id: str) -> None:
        """Delete a run with its artifacts; an unknown run is no error."""
        ...

    def list_artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        """List the artifact files below a folder: size in bytes by path from the root."""
        ...

    def read_artifact(self, run_id: str, path: str) -> bytes:
        """Read a small artifact file."""
        ...
