"""The command `etl` and the DAG's separate steps run the same step functions."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.object_store import MemoryObjectStore
from fakes.tracker import MemoryTracker
from orchard_use_case import HEADER, build_rows, build_use_case, write_csv
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.pipeline.etl import staged_steps, steps
from servicio_ml.pipeline.etl.job import EtlJob
from servicio_ml.pipeline.etl.run import run_etl

PERIOD = "2020-12"


class _StepReachedError(Exception):
    """Raised in place of a step."""


def _run_in_one_process(folder: Path) -> None:
    run_etl(
        build_use_case(),
        write_csv(folder / "a.csv", build_rows(120), HEADER),
        source_name="my file",
        period=PERIOD,
        store=MemoryObjectStore(),
        connect_tracker=lambda: MemoryTracker(folder / "runs", clock=lambda: 0.0),
        progress=SilentProgress(),
        stats=NoStats(),
    )


def _run_in_steps(folder: Path) -> None:
    def read_clock() -> float:
        return 0.0

    job = EtlJob(
        use_case=build_use_case(),
        period=PERIOD,
        store=MemoryObjectStore(),
        progress=SilentProgress(),
        folder=folder,
    )
    raw = staged_steps.extract(
        job, write_csv(folder / "a.csv", build_rows(120), HEADER), "my file", read_clock
    )
    staged, _ = staged_steps.transform(job, raw, "my file")
    prepared, _ = staged_steps.split(job, staged)
    staged_steps.publish(job, prepared, MemoryTracker(folder / "runs", clock=read_clock), read_clock)


@pytest.mark.parametrize("run", [_run_in_one_process, _run_in_steps], ids=["command", "DAG"])
@pytest.mark.parametrize("step", ["extract", "read", "transform", "split", "publish"])
def test_both_go_through_every_step(
    run: Callable[[Path], None], step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_instead(*_: object) -> None:
        raise _StepReachedError(step)

    monkeypatch.setattr(steps, step, raise_instead)
    with pytest.raises(_StepReachedError, match=step):
        run(tmp_path)
