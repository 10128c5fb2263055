"""A raw file is read by its content, whatever its name; what cannot be read is named for what it is."""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import GOOD, HEADER, LAST_DAY, build_rows, build_use_case, write_csv
from servicio_ml.errors import DataError, SourceError
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.formats.text_format import TextFormat, count_cells, detect_text_format
from servicio_ml.pipeline.reading.input_file import copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import REASON
from workbooks import build_workbook

ROWS = build_rows(40)
TEXT = "".join(",".join(cells) + "\n" for cells in (HEADER, *ROWS))
NAMES = list(HEADER)


def _build_zip(*members: tuple[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return packed.getvalue()


def _join(delimiter: str, *, quoted: bool = False) -> bytes:
    out = io.StringIO()
    csv.writer(
        out, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    ).writerows([HEADER, *ROWS])
    return out.getvalue().encode()


def _write_parquet() -> bytes:
    out = io.BytesIO()
    pl.DataFrame(ROWS, schema=NAMES, orient="row").write_parquet(out)
    return out.getvalue()


def _build_wide_text() -> bytes:
    """Build the rows with a header of more than 200 kB: 2,000 columns that nobody reads."""
    names = ",".join(f"{'column' * 20}_{i:04}" for i in range(2_000))
    cells = "," * 1_999
    head, *rows = TEXT.splitlines()
    return "\n".join([f"{head},{names}", *(f"{each},{cells}" for each in rows)]).encode()


def _build_broad_name() -> bytes:
    head, *rows = TEXT.splitlines()
    return "\n".join([f"{head},{'x' * 200_000}", *(f"{each}," for each in rows)]).encode()


def _build_long_cells() -> bytes:
    head, *rows = TEXT.splitlines()
    return "\n".join([f"{head},note", *(f'{each},"{"x" * 200_000}"' for each in rows)]).encode()


RECORDS = [dict(zip(HEADER, row, strict=True)) for row in ROWS]
JSON_LINES = "\n".join(map(json.dumps, RECORDS))
READ: dict[str, bytes] = {
    "plain": TEXT.encode(),
    "UTF-8 with a mark": codecs.BOM_UTF8 + TEXT.encode(),
    "UTF-16 with a mark": TEXT.encode("utf-16"),
    "UTF-16 big-endian with a mark": codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
    "UTF-16 without a mark": TEXT.encode("utf-16-le"),
    "UTF-32": TEXT.encode("utf-32"),
    "gzip": gzip.compress(TEXT.encode()),
    "gzipped UTF-16 with semicolons": gzip.compress(_join(";").decode().encode("utf-16")),
    "zip": _build_zip(("folder/a.txt", TEXT.encode())),
    "zip of macOS": _build_zip(("a.csv", TEXT.encode()), ("__MACOSX/._a.csv", b"x")),
    "semicolons": _join(";"),
    "quoted semicolons": _join(";", quoted=True),
    "tabs": _join("\t"),
    "bars": _join("|"),
    "CR LF": TEXT.replace("\n", "\r\n").encode(),
    "CR only": TEXT.replace("\n", "\r").encode(),
    "CR only without the last": TEXT.replace("\n", "\r").rstrip("\r").encode(),
    "a header of 200 kB": _build_wide_text(),
    "one name of 200 kB": _build_broad_name(),
    "quoted cells of 200 kB": _build_long_cells(),
    "Parquet": _write_parquet(),
    "JSON lines": JSON_LINES.encode(),
    "JSON lines with a mark": codecs.BOM_UTF8 + JSON_LINES.encode(),
    "JSON lines, CR LF": JSON_LINES.replace("\n", "\r\n").encode(),
    "JSON lines, CR only": JSON_LINES.replace("\n", "\r").encode(),
    "gzipped JSON lines": gzip.compress(JSON_LINES.encode()),
    "zip of JSON lines": _build_zip(("a.ndjson", JSON_LINES.encode())),
    "JSON lines in UTF-16": JSON_LINES.encode("utf-16"),
    "workbook": build_workbook({"Sheet1": [HEADER, *ROWS]}),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".csv", "", ".parquet", ".jsonl"])
@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_a_file_is_read_by_its_content_in_the_etl_and_in_scoring(
    tmp_path: Path, content: bytes, suffix: str
) -> None:
    use_case, source = build_use_case(), tmp_path / f"source{suffix}"
    source.write_bytes(content)
    (tmp_path / "work").mkdir()
    raw = read_rows(copy_input_file(source, "my file", tmp_path / "work"), use_case)
    assert raw.frame.select(NAMES).collect().rows() == ROWS
    spec = InputSpec(schema=use_case.schema, use_case=use_case)
    batches = open_batches(inspect_file(source, "my file"), spec)
    prepared = pl.concat([batches.prepare(frame) for frame in batches.raw_frames])
    assert prepared[REASON].null_count() == len(ROWS)
    assert prepared[LINE].to_list() == raw.frame.select(LINE).collect()[LINE].to_list()


NAMED: dict[str, tuple[bytes, str]] = {
    "zip of several": (
        _build_zip(("a.csv", b"a"), ("b.csv", b"b")),
        "its zip archive holds 2 files (a.csv, b.csv",
    ),
    "empty zip": (_build_zip(), "it is an empty zip archive"),
    "bzip2": (bz2.compress(TEXT.encode()), "it is packed by bzip2; unpack it"),
    "xz": (lzma.compress(TEXT.encode()), "it is packed by xz; unpack it"),
    "PDF": (b"%PDF-1.7\n", "it is a PDF; export the table as CSV"),
    "gzipped Parquet": (gzip.compress(_write_parquet()), "its gzip archive holds another packed or Parquet"),
    "JSON array": (json.dumps(RECORDS).encode(), "it is a JSON array; write one object a line"),
    "indented JSON array": (json.dumps(RECORDS, indent=1).encode(), "it is a JSON array; write one object"),
    "indented JSON": (json.dumps(RECORDS[0], indent=1).encode(), "it is a JSON object of several lines; wri"),
    "HTML": (b"<!DOCTYPE html>\n<html></html>", "it is a page of HTML or XML and no CSV file"),
    "line sep=;": (
        b"sep=;\n" + _join(";"),
        "its first line 'sep=;' is a mark of Excel and no column names; delete",
    ),
    "line of CR LF": (b"SEP=,\r\n" + TEXT.encode(), "its first line 'SEP=,' is a mark of Excel"),
    "quoted line of UTF-16": (
        '"sep=\t"\r\n'.encode("utf-16") + b"",
        "its first line '\"sep=\\t\"' is a mark of Excel",
    ),
    "line after a mark": (
        codecs.BOM_UTF8 + b"sep=;\r\n" + _join(";"),
        "its first line 'sep=;' is a mark of Excel",
    ),
    "gzipped line sep=;": (
        gzip.compress(b"sep=;\n" + _join(";")),
        "its first line 'sep=;' is a mark of Excel",
    ),
    "two marks": (codecs.BOM_UTF8 * 2 + TEXT.encode(), "it begins with two byte-order marks; delete one"),
    "Ctrl-Z": (TEXT.encode() + b"\x1a", "it ends with Ctrl-Z (0x1A), an end-of-file mark of DOS; delete"),
    "Ctrl-Z on the last line": (TEXT.rstrip().encode() + b"\x1a\r\n\r\n", "it ends with Ctrl-Z (0x1A)"),
    "gzipped Ctrl-Z": (gzip.compress(TEXT.encode() + b"\x1a"), "it ends with Ctrl-Z (0x1A)"),
    "Ctrl-Z of UTF-16": ((TEXT + "\x1a").encode("utf-16"), "it ends with Ctrl-Z (0x1A)"),
    "Ctrl-Z of JSON lines": (JSON_LINES.encode() + b"\x1a", "it ends with Ctrl-Z (0x1A)"),
    "cut gzip": (gzip.compress(TEXT.encode())[:-20], "ended before"),
}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(("content", "name"), NAMED.values(), ids=NAMED)
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes, name: str, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        inspect_file(path, "my file")
    assert name in str(caught.value)
    assert "iconv" not in str(caught.value)


@pytest.mark.parametrize(
    ("suffix", "name"),
    [(".csv", "it is no text: byte 2 is zero"), (".parquet", "it is no complete Parquet file")],
)
def test_unknown_bytes_are_what_their_name_says(tmp_path: Path, suffix: str, name: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(bytes([1, 0, 2, 3, 0, 9]) * 50)
    with pytest.raises(SourceError, match=name):
        inspect_file(path, "my file")


def _read_reasons_of_etl(path: Path, folder: Path) -> list[tuple[int, str]]:
    folder.mkdir()
    file, use_case = copy_input_file(path, "my file", folder), build_use_case()
    staged = stage(file, read_rows(file, use_case), use_case, LAST_DAY)
    return list(staged.rejected.select(LINE, REASON).sort(LINE).collect().rows())


def _read_reasons_of_score(path: Path, _: Path) -> list[tuple[int, str]]:
    use_case = build_use_case()
    spec = InputSpec(schema=use_case.schema, use_case=use_case)
    batches = open_batches(inspect_file(path, "my file"), spec)
    prepared = pl.concat([batches.prepare(frame) for frame in batches.raw_frames])
    return list(prepared.filter(pl.col(REASON).is_not_null()).select(LINE, REASON).rows())


@pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
@pytest.mark.parametrize("read", [_read_reasons_of_etl, _read_reasons_of_score], ids=["etl", "score"])
def test_short_lines_are_flagged_as_long_ones_are(
    tmp_path: Path, read: Callable[[Path, Path], list[tuple[int, str]]], *, quoted: bool
) -> None:
    """The target is optional at scoring, and sugar is: without the flag, both lines would be used."""
    good = (f'"{GOOD[0]}"', *GOOD[1:]) if quoted else GOOD
    header = ("Ripe", *HEADER[:5], "Sweet")
    every = [("yes", good[0], f"{100 + i}", *good[2:5], "x") for i in range(5)]
    rows = [every[0], every[1][:6], (*every[2], "more"), every[3][:5], ("",) * 3, (*every[4][:6], "")]
    found = read(write_csv(tmp_path / "a.csv", rows, header), tmp_path / "work")
    assert found == [
        (3, "the line has fewer fields than there are columns"),
        (4, "the line has more fields than there are columns"),
        (5, "the line has fewer fields than there are columns"),
    ]


@pytest.mark.parametrize(
    ("block", "cells"),
    [
        (b"a;b\n\n1\n;;\n", [2, 0, 1, 3]),
        (b'"a;b";"x\ny"\n\n1\n', [2, 0, 1]),
        (b"a;b\r\n\r\n1;2", [2, 0, 2]),
    ],
)
def test_cells_are_counted_by_row(block: bytes, cells: list[int]) -> None:
    assert count_cells(block, ";") == cells


@pytest.mark.parametrize(
    ("head", "delimiter"),
    [("a,b;c,d", ","), ('"a;b;c;d",e', ","), ("a;b", ";"), ("one", ","), ("a\tb,c\td", "\t")],
)
def test_the_delimiter_is_that_of_most_cells(tmp_path: Path, head: str, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{head}\n1,2,3,4,5,6,7\n")
    assert detect_text_format(path) == TextFormat(delimiter=delimiter)


def test_windows_text_keeps_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a;b\n1;caf\xe9\n")
    with pytest.raises(DataError, match=r"line 2, byte 6: 0xe9 is no UTF-8; save the file as UTF-8, .*iconv"):
        inspect_file(path, "my file")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.455", None), ("1,455", None), ("14,55", 14.55), ("14.55", 14.55), ("1.455,5", 1455.5)],
)
def test_an_ambiguous_number_of_a_semicolon_file_is_refused(
    tmp_path: Path, text: str, value: float | None
) -> None:
    use_case, path = build_use_case(), tmp_path / "a.csv"
    rows = [(*GOOD[:4], cell, "yes") for cell in (text, "2")]
    path.write_text("\n".join(map(";".join, (HEADER, *rows))))
    (tmp_path / "work").mkdir()
    file = copy_input_file(path, "my file", tmp_path / "work")
    staged = stage(file, read_rows(file, use_case), use_case, LAST_DAY)
    assert staged.kept.sort(LINE).collect()["sugar"].to_list() == ([2] if value is None else [value, 2])
    spec = InputSpec(schema=use_case.schema, use_case=use_case)
    batches = open_batches(inspect_file(path, "my file"), spec)
    prepared = pl.concat([batches.prepare(frame) for frame in batches.raw_frames])
    assert prepared["sugar"].to_list() == [value, 2]
