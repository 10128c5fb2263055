"""A raw file is read in its dialect, or refused with the line and the remedy."""

import codecs
import hashlib
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchard_use_case import GOOD, HEADER, LAST_DAY, build_row, build_rows, build_use_case, write_csv
from servicio_ml.domain.schema import Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import ColumnsError, DataError, SourceError
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.reading.input_file import copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import RawRows, read_rows
from servicio_ml.pipeline.reading.text import LACKING, LINE, SURPLUS

USE_CASE = build_use_case(
    dialects=(
        Dialect(name="original"),
        Dialect(name="bare", header=HEADER),
        Dialect(name="german", columns={"colour": "Farbe", "ripe": "Reif"}, parse={"colour": Parse()}),
    )
)


def _read(source: Path, folder: Path) -> RawRows:
    folder.mkdir(exist_ok=True)
    return read_rows(copy_input_file(source, "my file", folder), USE_CASE)


def _write_file(folder: Path, content: bytes, suffix: str = ".csv") -> Path:
    path = folder / f"source{suffix}"
    path.write_bytes(content)
    return path


HEAD = ",".join(HEADER).encode()
DATA = ",".join(GOOD).encode()


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        pytest.param(HEAD + b"\n" + DATA + b"\n" + DATA + b"\n", [2, 3], id="plain"),
        pytest.param(codecs.BOM_UTF8 + HEAD + b"\n" + DATA, [2], id="byte order mark, no last line break"),
        pytest.param(HEAD + b"\r\n" + DATA + b"\r\n", [2], id="carriage returns"),
        pytest.param(HEAD + b"\n\n" + DATA + b"\n,,,,,\n\n", [3], id="blank lines"),
        pytest.param(b'"' + b'","'.join(HEAD.split(b",")) + b'"\n' + DATA, [2], id="quoted names"),
        pytest.param(DATA + b"\n" + DATA + b"\n", [1, 2], id="no header"),
        pytest.param(HEAD + b",x,x,,\n" + DATA + b",1,2\n", [2], id="other names twice, names missing"),
        pytest.param(HEAD + b',"x\ny"\n' + DATA + b",1\n", [2], id="line break in a name"),
    ],
)
def test_lines_are_those_of_the_file(tmp_path: Path, content: bytes, lines: list[int]) -> None:
    frame = _read(_write_file(tmp_path, content), tmp_path / "work").frame.collect()
    assert frame[LINE].to_list() == lines
    assert frame.drop(LINE, SURPLUS).unique().rows() == [GOOD]


@pytest.mark.parametrize(
    ("header", "dialect"),
    [
        (HEADER, "original"),
        (("Day", "Weight", "Seeds", "Farbe", "Sugar", "Reif"), "german"),
        (("x", *HEADER[::-1]), "original"),
    ],
    ids=["original", "german", "other order and one more"],
)
def test_the_first_dialect_that_fits_is_taken(tmp_path: Path, header: tuple[str, ...], dialect: str) -> None:
    content = (",".join(header) + "\n").encode()
    raw = _read(_write_file(tmp_path, content), tmp_path / "work")
    assert raw.dialect.name == dialect
    assert set(raw.ignored_columns) == set(header) & {"x"}


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 'Day' is there twice; keep one of them"):
        _read(write_csv(tmp_path / "a.csv", [(*GOOD, "2020-01-01")], [*HEADER, "Day"]), tmp_path / "work")


def test_an_optional_column_may_be_absent(tmp_path: Path) -> None:
    header = [name for name in HEADER if name != "Sugar"]
    raw = _read(write_csv(tmp_path / "a.csv", [], header), tmp_path / "work")
    assert raw.absent_fields == ("sugar",)
    assert "Sugar" not in raw.columns


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            ("Day", "Weight", "Seeds", "Color", "Sugar", "Ripe"),
            ["missing column 'Colour'", "'Color'", "dialect"],
        ),
        (("Day", "Weight", "Sugar", "Ripe"), ["'Colour', 'Seeds'", "found Day, Weight, Sugar, Ripe"]),
        (("Day Weight Seeds Colour Sugar Ripe",), ["missing column"]),
        (("Day", "Weight", "Samen", "Farbe", "Sugar", "Reif"), ["missing column 'Seeds'; found"]),
        (("Day", "Weight", "2020", "Colour", "Sugar", "Ripe"), ["missing column 'Seeds'; found"]),
    ],
    ids=["renamed", "missing", "blanks", "of the closest dialect", "a number among names"],
)
def test_columns_that_do_not_fit_are_named(
    tmp_path: Path, header: tuple[str, ...], expected: list[str]
) -> None:
    with pytest.raises(ColumnsError) as caught:
        _read(write_csv(tmp_path / "a.csv", [GOOD], header), tmp_path / "work")
    for words in ("my file", *expected):
        assert words in str(caught.value)


def test_a_file_of_rows_alone_needs_column_names(tmp_path: Path) -> None:
    expected = (
        r"its first line is a row of 6 values \(2020-06-30, 180, 7 …\) and no column names; write the names"
    )
    with pytest.raises(SourceError, match=expected):
        read_rows(inspect_file(write_csv(tmp_path / "a.csv", [GOOD], GOOD), "my file"), build_use_case())


def test_a_header_of_strange_names_is_not_taken_for_data(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError):
        _read(write_csv(tmp_path / "a.csv", [GOOD], ["a", "b", "c", "d", "e", "f"]), tmp_path / "work")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\n" + DATA, "first line is blank", id="blank first line"),
        pytest.param(
            HEAD + b"\n" + DATA + b"\n2020-06-30,1,2,caf\xe9,,no\n", "line 3, byte 19: 0xe9", id="latin-1"
        ),
        pytest.param(
            (HEAD + b"\n" + DATA).decode().encode("utf-16")[:-1],
            "begins as UTF-16 text, but is damaged",
            id="utf-16",
        ),
        pytest.param(HEAD + b"\n" + DATA[:-3] + b"\xc3", "is no UTF-8", id="cut within a character"),
        pytest.param(
            HEAD + b"\n" + DATA + b'\n2020-06-30,"180,7,red,,no\n' + DATA, "line 3: a quote", id="open quote"
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "work").mkdir()

    def read() -> None:
        snapshot = copy_input_file(_write_file(tmp_path, content), "my file", tmp_path / "work")
        stage(snapshot, read_rows(snapshot, USE_CASE), USE_CASE, LAST_DAY)

    with pytest.raises(SourceError, match="my file") as caught:
        read()
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"my file: there is no such file; check --source"):
        _read(tmp_path / "none.csv", tmp_path / "work")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="directory"):
        _read(tmp_path, tmp_path / "work")


@pytest.mark.parametrize("widths", [*permutations((3, 6, 7, 9)), (9,), (7, 6), (3, 6)])
def test_short_and_long_rows_keep_their_places(tmp_path: Path, widths: tuple[int, ...]) -> None:
    """Surplus cells are kept, lacking ones are missing and marked, wherever the row is in the file."""
    wide = (*GOOD, "more", "and", "more")
    source = write_csv(tmp_path / "a.csv", [wide[:width] for width in widths])
    frame = _read(source, tmp_path / "work").frame.collect()
    marks = {3: LACKING, 6: None, 7: "more", 9: "more"}
    assert frame[SURPLUS].to_list() == [marks[width] for width in widths]
    assert frame["Ripe"].to_list() == ["yes" if width >= 6 else None for width in widths]


def _write_parquet(path: Path) -> Path:
    cells = [list(column) for column in zip(*build_rows(20), strict=True)]
    frame = pl.DataFrame(dict(zip(HEADER, cells, strict=True)))
    frame.with_columns(
        pl.col("Day").str.to_date(), pl.col("Seeds").cast(pl.Int32), pl.col("Sugar").cast(pl.Float64) / 0
    ).write_parquet(path)
    return path


def test_parquet_is_read_as_text(tmp_path: Path) -> None:
    frame = _read(_write_parquet(tmp_path / "a.parquet"), tmp_path / "work").frame.collect()
    assert frame[LINE].to_list() == list(range(1, 21))
    assert frame["Day"][0] == "2020-01-01"
    assert frame["Seeds"][3] == "3"
    assert frame["Sugar"][:2].to_list() == [None, "inf"]  # 0/0 is missing, 1/0 is a value that is refused


UNREAD = {
    "list": pa.array([[1]]),
    "list view": pa.array([[1]], pa.list_view(pa.int64())),
    "struct": pa.array([{"a": [1]}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "binary": pa.array([b"\xff"]),
    "duration": pa.array([1], pa.duration("s")),
    "time": pa.array([1], pa.time32("s")),
    "decimal of 256 bits": pa.array([1], pa.decimal256(50, 3)),
    "UUID": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16], pa.binary(16))),
    "JSON": pa.ExtensionArray.from_storage(pa.json_(), pa.array(["1"])),
    "unknown zone": pa.array([0], pa.timestamp("s", "Nowhere/City")),
    "nulls": pa.nulls(1),
}
"""Columns of Parquet files that Polars reads as no text, or not at all."""


@pytest.mark.parametrize("kind", UNREAD)
def test_an_unread_column_of_parquet_may_have_any_type(kind: str, tmp_path: Path) -> None:
    path = _write_parquet(tmp_path / "a.parquet")
    table = pq.read_table(path)[:1].append_column("Other", UNREAD[kind])
    pq.write_table(table, path)
    assert _read(path, tmp_path / "work").frame.collect()["Day"].to_list() == ["2020-01-01"]


def test_an_unread_column_of_parquet_may_stand_twice(tmp_path: Path) -> None:
    path = _write_parquet(tmp_path / "a.parquet")
    table = pq.read_table(path)
    for values in (["a"] * 20, ["b"] * 20):
        table = table.append_column("Other", pa.array(values))
    pq.write_table(table, path)
    assert _read(path, tmp_path / "work").frame.collect().height == 20


def test_a_column_name_of_parquet_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    path = _write_parquet(tmp_path / "a.parquet")
    pq.write_table(pq.read_table(path).append_column("Other", pa.array(["a"] * 20)), path, store_schema=False)
    path.write_bytes(path.read_bytes().replace(b"Other", b"Oth\xffr"))
    with pytest.raises(DataError, match=r"its column name b'Oth\\xffr' is no UTF-8; rename it"):
        _read(path, tmp_path / "work")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(lambda content: b"x" * len(content), id="no Parquet at all"),
    ],
)
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    source = _write_parquet(tmp_path / "a.parquet")
    source.write_bytes(damage(source.read_bytes()))
    with pytest.raises(DataError, match="no complete Parquet file"):
        _read(source, tmp_path / "work").frame.collect()


def test_the_snapshot_is_digested_and_independent(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [build_row()])
    (tmp_path / "work").mkdir()
    content = source.read_bytes()
    snapshot = copy_input_file(source, "a", tmp_path / "work")
    source.write_text("changed")
    assert snapshot.path.read_bytes() == content
    assert snapshot.digest == hashlib.sha256(content).hexdigest()
