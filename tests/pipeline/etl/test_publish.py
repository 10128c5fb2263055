"""A reader sees one whole state: the previous one until the manifest is replaced."""

import json
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from fakes.object_store import MemoryObjectStore
from orchard_use_case import FIELDS
from servicio_ml.domain.dataset import Manifest, RowCounts
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.errors import NotPublishedError, StoreError
from servicio_ml.lifecycle.published import MANIFEST, build_manifest_key, read_manifest
from servicio_ml.pipeline.etl.publish import (
    build_data_keys,
    build_raw_key,
    delete_unreferenced,
    publish_manifest,
    read_previous_manifest,
    read_split,
)
from servicio_ml.pipeline.reading.input_file import compute_file_digest
from stores import FullStore


def _write_files(folder: Path, rows: int) -> Mapping[str, Path]:
    folder.mkdir(exist_ok=True)
    for name in ("train", "test", "quarantine"):
        pl.DataFrame({"line": range(rows), "part": [name] * rows}).write_parquet(folder / f"{name}.parquet")
    (folder / "raw.csv").write_text(f"{rows} rows")
    return {name: folder / f"{name}.{'csv' if name == 'raw' else 'parquet'}" for name in
            ("raw", "train", "test", "quarantine")}  # fmt: skip


def _build_manifest(files: Mapping[str, Path], rows: int, period: str) -> Manifest:
    data_files = {name: path for name, path in files.items() if name != "raw"}
    return Manifest(
        use_case="orchard",
        period=period,
        source="a.csv",
        raw=build_raw_key("orchard", compute_file_digest(files["raw"]), ".csv"),
        digest=f"{rows}",
        files=build_data_keys("orchard", period, data_files),
        counts=RowCounts(
            read=3 * rows, train=rows, test=rows, quarantined=rows, duplicates=0, unlabelled=0, later=0
        ),
        schema=FeatureSchema(fields=FIELDS),
    )  # fmt: skip


def _publish(store: MemoryObjectStore, folder: Path, rows: int, period: str = "2020-06") -> Manifest:
    files = _write_files(folder, rows)
    manifest = _build_manifest(files, rows, period)
    previous = read_previous_manifest(store, "orchard", period)
    pointer = folder / MANIFEST
    pointer.write_text(json.dumps(manifest.to_json()))
    publish_manifest(store, manifest, files, pointer)
    delete_unreferenced(store, manifest, previous)
    return manifest


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore()


def test_what_was_published_is_read_back(store: MemoryObjectStore, tmp_path: Path) -> None:
    manifest_in_force = _publish(store, tmp_path, rows=5)
    manifest = read_manifest(store, "orchard")
    assert manifest == manifest_in_force
    assert read_split(store, manifest, "train")["part"].to_list() == ["train"] * 5
    assert read_split(store, manifest, "test")["part"].to_list() == ["test"] * 5
    assert store.fetch(manifest.raw).read_text() == "5 rows"


def test_the_latest_period_is_read_when_none_is_named(store: MemoryObjectStore, tmp_path: Path) -> None:
    for period in ("2019-12", "2020-10", "2020-09"):
        _publish(store, tmp_path, rows=2, period=period)
    assert read_manifest(store, "orchard").period == "2020-10"
    assert read_manifest(store, "orchard", "2019-12").period == "2019-12"


def test_other_use_cases_and_stray_files_are_not_read(store: MemoryObjectStore, tmp_path: Path) -> None:
    _publish(store, tmp_path, rows=2)
    for key in (
        "orchards/2021-01/manifest.json",
        "orchard/raw/manifest.json",
        "orchard/2021-1/manifest.json",
    ):
        store.put(key, tmp_path / "raw.csv")
    assert read_manifest(store, "orchard").period == "2020-06"


@pytest.mark.parametrize("period", [None, "2020-07"], ids=["any", "one"])
def test_nothing_published_says_which_command_helps(
    store: MemoryObjectStore, tmp_path: Path, period: str | None
) -> None:
    if period:
        _publish(store, tmp_path, rows=2)
    with pytest.raises(NotPublishedError, match="run `servicio-ml etl orchard") as caught:
        read_manifest(store, "orchard", period)
    assert ("--period 2020-07" in str(caught.value)) == bool(period)


def test_a_damaged_manifest_is_reported_and_repaired_by_publishing(
    store: MemoryObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "broken").write_text('{"use_case": "orchard"}')
    store.put(build_manifest_key("orchard", "2020-06"), tmp_path / "broken")
    with pytest.raises(StoreError, match="no manifest"):
        read_manifest(store, "orchard")
    _publish(store, tmp_path, rows=3)
    assert len(read_split(store, read_manifest(store, "orchard"), "train")) == 3


def test_a_damaged_or_missing_file_is_reported(store: MemoryObjectStore, tmp_path: Path) -> None:
    manifest = _publish(store, tmp_path, rows=3)
    (tmp_path / "broken").write_text("no Parquet")
    store.put(manifest.files["train"], tmp_path / "broken")
    with pytest.raises(StoreError, match=r"damaged; run `servicio-ml etl orchard --period 2020-06` again"):
        read_split(store, manifest, "train")
    store.delete(manifest.files["test"])
    with pytest.raises(NotPublishedError, match="published again meanwhile"):
        read_split(store, manifest, "test")


def test_a_rerun_with_the_same_rows_changes_nothing(store: MemoryObjectStore, tmp_path: Path) -> None:
    _publish(store, tmp_path, rows=4)
    before = {key: store.fetch(key).read_bytes() for key in store.list_keys("")}
    _publish(store, tmp_path, rows=4)
    assert {key: store.fetch(key).read_bytes() for key in store.list_keys("")} == before


def test_files_of_the_previous_state_stay_and_older_ones_go(store: MemoryObjectStore, tmp_path: Path) -> None:
    other = _publish(store, tmp_path, rows=9, period="2020-05")
    first, second, third = (_publish(store, tmp_path, rows=rows) for rows in (1, 2, 3))
    present = set(store.list_keys("orchard/2020-06/"))
    assert not present & set(first.files.values())
    assert set(second.files.values()) | set(third.files.values()) < present
    assert len(read_split(store, second, "train")) == 2  # who began to read before the third may go on
    assert len(read_split(store, other, "train")) == 9


@pytest.mark.parametrize("allowed", range(5))
def test_whenever_the_store_refuses_the_previous_state_holds(tmp_path: Path, allowed: int) -> None:
    store = FullStore()
    before = _publish(store, tmp_path, rows=2)
    store.left = allowed
    with pytest.raises(StoreError, match="disk is full"):
        _publish(store, tmp_path, rows=7)
    assert read_manifest(store, "orchard") == before
    assert len(read_split(store, before, "train")) == 2
    store.left = 10**6
    after = _publish(store, tmp_path, rows=7)
    assert len(read_split(store, after, "train")) == 7
