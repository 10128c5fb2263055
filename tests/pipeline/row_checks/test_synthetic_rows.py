"""A drawn sample does not take the place of real rows in a period."""

from pathlib import Path

import pytest

from fakes.object_store import MemoryObjectStore
from fakes.stats import MemoryStats
from fakes.tracker import MemoryTracker
from orchard_use_case import build_rows, build_use_case, write_csv
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.raw_data.raw_files import RawFiles
from servicio_ml.errors import ContractError
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.pipeline.row_checks.synthetic_rows import check_real_rows_stay


def _publish(source: Path, store: MemoryObjectStore, folder: Path) -> None:
    tracker = MemoryTracker(folder / source.stem, clock=lambda: 0.0)
    run_etl(
        build_use_case(), source, source_name=source.name, period="2020-12", store=store,
        connect_tracker=lambda: tracker, progress=SilentProgress(), stats=MemoryStats(),
    )  # fmt: skip


def test_a_sample_replaces_a_sample_and_no_real_rows(tmp_path: Path) -> None:
    store, use_case, files = (
        MemoryObjectStore(),
        build_use_case(),
        RawFiles(tmp_path / "state", tmp_path / "raw"),
    )
    sample = write_csv(tmp_path / "sample.csv", build_rows(400))
    other = write_csv(tmp_path / "other.csv", build_rows(401))
    real = write_csv(tmp_path / "real.csv", build_rows(402))
    for each in (sample, other):
        files.record_sample(use_case, each)
    samples = files.list_sample_digests(use_case)
    check_real_rows_stay(store, "orchard", "2020-12", sample, samples)
    _publish(sample, store, tmp_path)
    check_real_rows_stay(store, "orchard", "2020-12", other, samples)
    check_real_rows_stay(store, "orchard", "2020-12", real, samples)
    _publish(real, store, tmp_path)
    renamed = sample.rename(tmp_path / "observations.csv")
    check_real_rows_stay(store, "orchard", "2020-11", renamed, samples)
    with pytest.raises(ContractError) as caught:
        check_real_rows_stay(store, "orchard", "2020-12", renamed, samples)
    assert "its rows are synthetic, and the period 2020-12 holds those of real.csv" in str(caught.value)
    assert "--force" in str(caught.value)
