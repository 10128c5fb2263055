"""A raw file is read as it is spelt, or refused with the line and the remedy."""

import codecs
import hashlib
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import polars as pl
import pytest

from orchard import GOOD, HEADER, LAST_DAY, apples, orchard, row, write_csv
from servicio_ml.domain.schema import Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import ColumnsError, DataError, SourceError
from servicio_ml.pipeline.ingest import LINE, SURPLUS, RawRows, read_rows, take_snapshot
from servicio_ml.pipeline.staging import stage

USE_CASE = orchard(
    dialects=(
        Dialect(name="original"),
        Dialect(name="bare", header=HEADER),
        Dialect(name="german", columns={"colour": "Farbe", "ripe": "Reif"}, parse={"colour": Parse()}),
    )
)


def _read(source: Path, folder: Path) -> RawRows:
    folder.mkdir(exist_ok=True)
    return read_rows(take_snapshot(source, "my file", folder), USE_CASE)


def _file(folder: Path, content: bytes, suffix: str = ".csv") -> Path:
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
    frame = _read(_file(tmp_path, content), tmp_path / "work").frame.collect()
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
    raw = _read(_file(tmp_path, content), tmp_path / "work")
    assert raw.dialect.name == dialect
    assert set(raw.ignored) == set(header) & {"x"}


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="column 'Day' is there twice; keep one of them"):
        _read(write_csv(tmp_path / "a.csv", [(*GOOD, "2020-01-01")], [*HEADER, "Day"]), tmp_path / "work")


def test_an_optional_column_may_be_absent(tmp_path: Path) -> None:
    header = [name for name in HEADER if name != "Sugar"]
    raw = _read(write_csv(tmp_path / "a.csv", [], header), tmp_path / "work")
    assert raw.absent == ("sugar",)
    assert "Sugar" not in raw.columns


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            ("Day", "Weight", "Seeds", "Color", "Sugar", "Ripe"),
            ["missing column 'Colour'", "'Color'", "dialect"],
        ),
        (("Day", "Weight", "Sugar", "Ripe"), ["'Colour', 'Seeds'", "found Day, Weight, Sugar, Ripe"]),
        (("Day;Weight;Seeds;Colour;Sugar;Ripe",), ["missing column"]),
        (("Day", "Weight", "Samen", "Farbe", "Sugar", "Reif"), ["missing column 'Seeds'; found"]),
        (("Day", "Weight", "2020", "Colour", "Sugar", "Ripe"), ["missing column 'Seeds'; found"]),
    ],
    ids=["renamed", "missing", "semicolons", "of the closest dialect", "a number among names"],
)
def test_columns_that_do_not_fit_are_named(tmp_path: Path, header: tuple[str, ...], told: list[str]) -> None:
    with pytest.raises(ColumnsError) as caught:
        _read(write_csv(tmp_path / "a.csv", [GOOD], header), tmp_path / "work")
    for words in ("my file", *told):
        assert words in str(caught.value)


def test_a_header_of_strange_names_is_not_taken_for_data(tmp_path: Path) -> None:
    with pytest.raises(ColumnsError):
        _read(write_csv(tmp_path / "a.csv", [GOOD], ["a", "b", "c", "d", "e", "f"]), tmp_path / "work")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"", "it is empty", id="empty"),
        pytest.param(b"\n" + DATA, "first line is blank", id="blank first line"),
        pytest.param(
            HEAD + b"\n" + DATA + b"\n2020-06-30,1,2,caf\xe9,,no\n", "line 3, byte 19: 0xe9", id="latin-1"
        ),
        pytest.param((HEAD + b"\n").decode().encode("utf-16"), "line 1, byte 1: 0xff", id="utf-16"),
        pytest.param(HEAD + b"\n" + DATA[:-3] + b"\xc3", "is no UTF-8", id="cut within a character"),
        pytest.param(
            HEAD + b"\n" + DATA + b'\n2020-06-30,"180,7,red,,no\n' + DATA, "line 3: a quote", id="open quote"
        ),
    ],
)
def test_a_broken_file_is_refused_with_its_line(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "work").mkdir()

    def read() -> None:
        snapshot = take_snapshot(_file(tmp_path, content), "my file", tmp_path / "work")
        stage(snapshot, read_rows(snapshot, USE_CASE), USE_CASE, LAST_DAY)

    with pytest.raises(SourceError, match="my file") as caught:
        read()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"my file: there is no such file; check --source"):
        _read(tmp_path / "none.csv", tmp_path / "work")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="directory"):
        _read(tmp_path, tmp_path / "work")


@pytest.mark.parametrize("widths", [*permutations((3, 6, 7, 9)), (9,), (7, 6), (3, 6)])
def test_short_and_long_rows_keep_their_places(tmp_path: Path, widths: tuple[int, ...]) -> None:
    """What is surplus is kept, what is lacking is missing, wherever the row stands."""
    wide = (*GOOD, "more", "and", "more")
    source = write_csv(tmp_path / "a.csv", [wide[:width] for width in widths])
    frame = _read(source, tmp_path / "work").frame.collect()
    assert frame[SURPLUS].to_list() == ["more" if width > 6 else None for width in widths]
    assert frame["Ripe"].to_list() == ["yes" if width >= 6 else None for width in widths]


def _as_parquet(path: Path) -> Path:
    cells = [list(column) for column in zip(*apples(20), strict=True)]
    frame = pl.DataFrame(dict(zip(HEADER, cells, strict=True)))
    frame.with_columns(
        pl.col("Day").str.to_date(), pl.col("Seeds").cast(pl.Int32), pl.col("Sugar").cast(pl.Float64) / 0
    ).write_parquet(path)
    return path


def test_parquet_is_read_as_text(tmp_path: Path) -> None:
    frame = _read(_as_parquet(tmp_path / "a.parquet"), tmp_path / "work").frame.collect()
    assert frame[LINE].to_list() == list(range(1, 21))
    assert frame["Day"][0] == "2020-01-01"
    assert frame["Seeds"][3] == "3"
    assert frame["Sugar"][:2].to_list() == [None, "inf"]  # 0/0 is missing, 1/0 is a value that is refused


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[: len(content) // 2], id="truncated"),
        pytest.param(lambda content: b"x" * len(content), id="no Parquet at all"),
    ],
)
def test_a_damaged_parquet_file_is_refused(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    source = _as_parquet(tmp_path / "a.parquet")
    source.write_bytes(damage(source.read_bytes()))
    with pytest.raises(DataError, match="no whole Parquet file"):
        _read(source, tmp_path / "work").frame.collect()


def test_the_snapshot_is_digested_and_independent(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [row()])
    (tmp_path / "work").mkdir()
    content = source.read_bytes()
    snapshot = take_snapshot(source, "a", tmp_path / "work")
    source.write_text("changed")
    assert snapshot.path.read_bytes() == content
    assert snapshot.digest == hashlib.sha256(content).hexdigest()
