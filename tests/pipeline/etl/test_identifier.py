"""The identifier of rows: published beside the fields, checked, made up, and copied to scores."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fakes.object_store import MemoryObjectStore
from fakes.stats import MemoryStats
from fakes.tracker import MemoryTracker
from orchard_use_case import HEADER, build_row, build_rows, build_use_case, write_csv
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.dataset import Manifest
from servicio_ml.errors import ColumnsError, SourceError
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.check_raw_file import check_raw_file
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.etl.run import run_etl
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file

ROWS = 400
TEXTS = {"007": "007", " a b ": "a b", "7.0": "7.0", "NA": None, "": None}
"""Text of the raw file to what is published; it may be that of several rows."""
RAW = [*TEXTS]
HEADER_WITH_ID = ("Number", *HEADER)


def build_identified(**changes: Any) -> Any:
    return build_use_case(identifier="Number", deduplicate=False, **changes)


def _list_rows() -> list[tuple[str, ...]]:
    return [(RAW[i % len(RAW)], *cells) for i, cells in enumerate(build_rows(ROWS))]


def _run_etl(source: Path, store: MemoryObjectStore) -> Manifest:
    tracker = MemoryTracker(source.parent / "runs", clock=lambda: 0.0)
    return run_etl(
        build_identified(), source, source_name="my file", period="2020-12", store=store,
        connect_tracker=lambda: tracker, progress=SilentProgress(), stats=MemoryStats(),
    )  # fmt: skip


def test_it_is_published_beside_the_rows(tmp_path: Path) -> None:
    store, rows = MemoryObjectStore(), [*_list_rows(), ("bad", *build_row(Seeds="x"))]
    manifest = _run_etl(write_csv(tmp_path / "a.csv", rows, HEADER_WITH_ID), store)
    assert "identifier" not in manifest.schema.names
    parts = [read_split(store, manifest, part) for part in ("train", "test")]
    assert parts[0].columns == ["line", "identifier", *manifest.schema.field_names, "ripe"]
    published = {line: text for part in parts for line, text in part.select("line", "identifier").rows()}
    assert published == {i + 2: TEXTS[RAW[i % len(RAW)]] for i in range(ROWS)}
    quarantine = pl.read_parquet(store.fetch(manifest.files["quarantine"]))
    assert quarantine["identifier"].to_list() == ["bad"]


def test_copies_but_for_it_are_not_dropped_in_silence(tmp_path: Path) -> None:
    copies = [("1", *build_row()), ("2", *build_row())]
    source = write_csv(tmp_path / "a.csv", [*_list_rows(), *copies], HEADER_WITH_ID)
    check = check_raw_file(build_use_case(identifier="Number"), source, source_name="a.csv")
    assert check.ignored == ()
    assert "differ in others: 'Number' (1 rows)" in check.problems[0]


def test_a_long_one_and_a_file_without_it_are_refused(tmp_path: Path) -> None:
    rows = _list_rows()
    rows[5] = ("x" * 201, *rows[5][1:])
    source = write_csv(tmp_path / "a.csv", rows, HEADER_WITH_ID)
    check = check_raw_file(build_identified(), source, source_name="a.csv")
    said = "the identifier 'Number' has 201 characters in line 7, and at most 200 are allowed"
    assert [said in each for each in check.problems] == [True]
    with pytest.raises(ColumnsError, match="Number"):
        check_raw_file(build_identified(), write_csv(tmp_path / "b.csv", build_rows(ROWS)), source_name="b")


def test_it_is_read_from_parquet_unless_it_has_no_text(tmp_path: Path) -> None:
    store, path = MemoryObjectStore(), tmp_path / "a.parquet"
    frame = pl.DataFrame(_list_rows(), schema=list(HEADER_WITH_ID), orient="row")
    frame.with_columns(Number=pl.int_range(1, ROWS + 1)).write_parquet(path)
    manifest = _run_etl(path, store)
    assert read_split(store, manifest, "train")["identifier"].cast(pl.Int64).is_between(1, ROWS).all()
    frame.with_columns(Number=pl.concat_list("Day")).write_parquet(path)
    with pytest.raises(SourceError, match=r"column 'Number' is of the type .*list.* write it as text"):
        _run_etl(path, store)


@pytest.mark.parametrize(
    ("header", "keep", "kept"),
    [
        (HEADER_WITH_ID, (), ["Number"]),
        (HEADER_WITH_ID, ("Day", "Number"), ["Day", "Number"]),
        (HEADER, (), []),
    ],
    ids=["file with it", "asked for, too", "file without it"],
)
def test_it_is_copied_to_scores(
    tmp_path: Path, header: tuple[str, ...], keep: tuple[str, ...], kept: list[str]
) -> None:
    rows = [row[len(HEADER_WITH_ID) - len(header) :] for row in _list_rows()]
    source, use_case = write_csv(tmp_path / "a.csv", rows, header), build_identified()
    spec = InputSpec(schema=use_case.schema, use_case=use_case, keep_columns=keep)
    batches = open_batches(inspect_file(source, "a.csv"), spec)
    assert [*batches.file_format.kept_columns.values()] == kept
    frame = batches.prepare(next(batches.raw_frames))
    for name, column in batches.file_format.kept_columns.items():
        assert frame[name].fill_null("").to_list() == [row[header.index(column)] for row in rows]


def test_a_synthetic_sample_has_another_one_in_every_row() -> None:
    table = draw_rows(build_identified(), 50, np.random.default_rng(0))
    assert len(set(table.columns["Number"])) == 50
