"""A column of Parquet whose type has no values of its field is named by `etl` and `score` in one sentence."""

from collections.abc import Callable
from datetime import time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchard_use_case import HEADER, build_price_use_case, build_row, build_use_case
from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import LINE

OFFSETS = pa.array([0, 1, 2, 3], pa.int32()).buffers()[1]
BROKEN = pa.Array.from_buffers(pa.string(), 3, [None, OFFSETS, pa.py_buffer(b"1\xff2")])
"""Texts of which the second is no UTF-8."""
NUMBERS = "write it as integers, floats, decimals or text"
TEXTS = "write it as text, numbers or booleans"
DAYS = "a date as YYYY-MM-DD of the years 1000–2999"
LONG_TYPE = "struct<part_0: int64, part_1: int64, part_2: int64, part_3: …"
NO_UTF_8 = "which is no UTF-8; write its texts as UTF-8"
ANY_TYPES = {
    "list": pa.array([[1], [2], [3]]),
    "list view": pa.array([[1], [2], [3]], pa.list_view(pa.int64())),
    "struct": pa.array([{"a": 1}] * 3),
    "map": pa.array([[("a", 1)]] * 3, pa.map_(pa.string(), pa.int64())),
    "binary": pa.array([b"\xff"] * 3),
    "duration": pa.array([timedelta(1)] * 3),
    "time": pa.array([time(1)] * 3),
    "broken text": BROKEN,
    "broken dictionary": pa.DictionaryArray.from_arrays(pa.array([0, 1, 2]), BROKEN),
    "wide decimal": pa.array([Decimal(5)] * 3, pa.decimal256(50, 1)),
    "unknown zone": pa.array([0] * 3, pa.timestamp("s", "Nowhere/City")),
    "zones in a list": pa.array([[0]] * 3, pa.list_(pa.timestamp("s", "+05:30"))),
}


def _write(path: Path, **columns: Any) -> Path:
    cells = {name: [text] * 3 for name, text in zip(HEADER, build_row(), strict=True)}
    pq.write_table(pa.table({**cells, **columns}), path)
    return path


def _read_for_etl(path: Path, use_case: UseCase) -> pl.DataFrame:
    work = path.parent / "work"
    work.mkdir()
    return read_rows(copy_input_file(path, "my file", work), use_case).frame.collect()


def _read_for_score(path: Path, use_case: UseCase, *keep: str) -> pl.DataFrame:
    spec = InputSpec(schema=use_case.schema, use_case=use_case, keep_columns=keep)
    batches = open_batches(inspect_file(path, "my file"), spec)
    return pl.concat(batches.prepare(frame) for frame in batches.raw_frames)


READERS: dict[str, Callable[[Path, UseCase], pl.DataFrame]] = {"etl": _read_for_etl, "score": _read_for_score}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        (
            "Sugar",
            pa.array([[1.5]] * 3),
            f"is of the type list<element: double>, and 'sugar' takes a number: {NUMBERS}",
        ),
        (
            "Weight",
            pa.array([{"kg": 1}] * 3),
            f"is of the type struct<kg: int64>, and 'weight' takes a number from 1 to 5000 g: {NUMBERS}",
        ),
        (
            "Seeds",
            pa.array([timedelta(1)] * 3),
            f"is of the type duration[us], and 'seeds' takes a whole number from 0 to 20000: {NUMBERS}",
        ),
        (
            "Colour",
            pa.array([b"red"] * 3),
            f"is of the type binary, and 'colour' takes one of green, yellow, red: {TEXTS}",
        ),
        (
            "Day",
            pa.array([time(0)] * 3),
            f"is of the type time64[us], and 'day' takes {DAYS}: write it as dates, timestamps or text",
        ),
        ("Sugar", BROKEN, f"holds b'\\xff' in row 2, {NO_UTF_8}"),
        (
            "Colour",
            pa.DictionaryArray.from_arrays(pa.array([0, 2, 1]), BROKEN),
            "holds a text in row 1 or later that is no UTF-8; write its texts as UTF-8",
        ),
        (
            "Sugar",
            pa.array([{f"part_{i}": 1 for i in range(99)}] * 3),
            f"is of the type {LONG_TYPE}, and 'sugar' takes a number: {NUMBERS}",
        ),
    ],
    ids=["list", "struct", "duration", "binary", "time", "broken text", "broken dictionary", "long type"],
)
def test_a_column_without_values_of_its_field_is_refused_in_one_sentence(
    reader: str, column: str, values: Any, problem: str, tmp_path: Path
) -> None:
    path = _write(tmp_path / "a.parquet", **{column: values})
    with pytest.raises(SourceError) as caught:
        READERS[reader](path, build_use_case())
    assert str(caught.value) == f"cannot read my file: column {column!r} {problem}"


@pytest.mark.parametrize(
    ("use_case", "problem"),
    [
        (build_use_case(), f"'ripe' takes one of no, yes: {TEXTS}"),
        (build_price_use_case(), f"'price' takes a number from 0 to 100 EUR: {NUMBERS}"),
    ],
    ids=["labels", "number"],
)
def test_the_target_is_read_by_etl_alone(use_case: UseCase, problem: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", Ripe=pa.array([b"yes"] * 3))
    with pytest.raises(SourceError) as caught:
        _read_for_etl(path, use_case)
    assert str(caught.value) == f"cannot read my file: column 'Ripe' is of the type binary, and {problem}"
    assert _read_for_score(path, use_case)["seeds"].to_list() == [7, 7, 7]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ANY_TYPES)
def test_a_column_that_nobody_reads_may_be_of_any_type(reader: str, kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", Other=ANY_TYPES[kind])
    assert len(READERS[reader](path, build_use_case())) == 3


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("list view", "is of the type list_view<element: int64>, which cannot be kept; leave it out"),
        (
            "zones in a list",
            "is of the type list<element: timestamp[ms, tz=+05:30]>, which cannot be kept; leave it out",
        ),
        ("broken text", f"holds b'\\xff' in row 2, {NO_UTF_8}"),
        ("broken dictionary", "holds a text in row 1 or later that is no UTF-8; write its texts as UTF-8"),
        ("unknown zone", "has the unknown time zone 'Nowhere/City'; name one of the IANA database"),
    ],
)
def test_a_column_that_cannot_be_kept_is_refused(kind: str, problem: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", Other=ANY_TYPES[kind])
    with pytest.raises(SourceError) as caught:
        _read_for_score(path, build_use_case(), "Other")
    assert str(caught.value) == f"cannot read my file: column 'Other' {problem}"


@pytest.mark.parametrize("kind", ["list", "struct", "map", "binary", "duration", "time", "wide decimal"])
def test_a_column_of_another_type_is_kept(kind: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", Other=ANY_TYPES[kind])
    frame = _read_for_score(path, build_use_case(), "Other")
    frame.write_parquet(tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["_keep_0"].null_count() == 0


@pytest.mark.parametrize("reader", READERS)
def test_a_text_is_a_number_in_files_of_any_format(reader: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.parquet", Seeds=pa.array(["7", "12,345", "7.5"]))
    frame = READERS[reader](path, build_use_case())
    found = frame["Seeds"].to_list() if reader == "etl" else frame["seeds"].to_list()
    assert found == (["7", "12,345", "7.5"] if reader == "etl" else [7, 12345, None])


@pytest.mark.parametrize("reader", READERS)
def test_a_row_of_nulls_is_a_row(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    cells = {name: [text, None] for name, text in zip(HEADER, build_row(), strict=True)}
    pq.write_table(pa.table(cells), path)
    assert READERS[reader](path, build_use_case())[LINE].to_list() == [1, 2]
