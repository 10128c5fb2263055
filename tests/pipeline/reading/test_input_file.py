"""The ETL and offline scoring read the same files through the same reader."""

import gzip
import hashlib
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import HEADER, build_rows, build_use_case, write_csv
from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import InputFile, copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import LINE

ROWS = build_rows(40)


def _write_gzip(folder: Path) -> Path:
    path = folder / "a.csv.gz"
    path.write_bytes(gzip.compress(write_csv(folder / "a.csv", ROWS, HEADER).read_bytes()))
    return path


def _write_parquet(path: Path) -> Path:
    pl.DataFrame(ROWS, schema=list(HEADER), orient="row").write_parquet(path)
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "csv": lambda folder: write_csv(folder / "a.csv", ROWS, HEADER),
    "gzipped csv": _write_gzip,
    "gzipped csv without its suffix": lambda folder: _write_gzip(folder).rename(folder / "a.txt"),
    "parquet": lambda folder: _write_parquet(folder / "a.parquet"),
    "parquet with another suffix": lambda folder: _write_parquet(folder / "a.bin"),
}


@pytest.fixture(params=FORMS)
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """One table in each form that a raw file may have."""
    return FORMS[request.param](tmp_path)


def _copy(source: Path, tmp_path: Path) -> InputFile:
    (tmp_path / "work").mkdir()
    return copy_input_file(source, "my file", tmp_path / "work")


def test_the_etl_and_scoring_read_the_same_rows(source: Path, tmp_path: Path) -> None:
    use_case = build_use_case()
    raw = read_rows(_copy(source, tmp_path), use_case)
    spec = InputSpec(schema=use_case.schema, use_case=use_case)
    batches = open_batches(inspect_file(source, "my file"), spec)
    names = [each.column for each in use_case.schema.fields]
    batch_rows = pl.concat(list(batches.raw_frames)).cast({LINE: pl.UInt32}).select(LINE, *names)
    assert batches.file_format.dialect == raw.dialect.name
    assert raw.frame.cast({LINE: pl.UInt32}).select(LINE, *names).collect().equals(batch_rows)


def test_the_etl_and_scoring_give_a_file_the_same_digest(source: Path, tmp_path: Path) -> None:
    inspected, copied = inspect_file(source, "my file"), _copy(source, tmp_path)
    expected = hashlib.sha256(source.read_bytes()).hexdigest()
    assert inspected.digest == copied.digest == expected
    assert (inspected.estimated_rows, inspected.is_parquet) == (copied.estimated_rows, copied.is_parquet)


@pytest.mark.parametrize("option", ["--source", "--input"])
def test_a_missing_file_is_reported_with_the_option_that_named_it(tmp_path: Path, option: str) -> None:
    with pytest.raises(SourceError, match=f"my file: there is no such file; check {option}"):
        inspect_file(tmp_path / "none.csv", "my file", option=option)


def test_a_gzipped_text_that_is_not_utf_8_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,caf\xe9\n"))
    with pytest.raises(SourceError, match="line 2, byte 6: 0xe9 is no UTF-8"):
        inspect_file(path, "my file")
