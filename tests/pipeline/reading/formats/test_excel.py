"""Workbooks: their cells become the text of a CSV."""

import csv
from datetime import date, datetime
from pathlib import Path

import pytest

from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.formats import excel
from servicio_ml.pipeline.reading.formats.excel import convert_sheet
from servicio_ml.pipeline.reading.input_file import inspect_file
from workbooks import Cell, build_workbook

CELLS: dict[str, tuple[Cell, str]] = {
    "text": ("a, b", "a, b"),
    "text of two lines": ("a\nb", "a\nb"),
    "text like a number": ("007", "007"),
    "white space": ("  x ", "  x "),
    "whole number": (2016.0, "2016"),
    "negative whole number": (-3.0, "-3"),
    "fraction": (0.1, "0.1"),
    "small number": (1e-7, "1e-07"),
    "large number": (1e300, "1e+300"),
    "identifier of fifteen digits": (123456789012345.0, "123456789012345"),
    "true": (True, "true"),
    "false": (False, "false"),
    "day": (date(2024, 5, 31), "2024-05-31"),
    "day with time": (datetime.fromisoformat("2024-05-31T14:30:00"), "2024-05-31 14:30:00"),
    "leap day": (date(2024, 2, 29), "2024-02-29"),
    "error": ("#N/A", ""),
    "empty": (None, ""),
}


def read_cells(path: Path, decimal: str = ".") -> list[list[str]]:
    text = b"".join(convert_sheet(path, decimal)).decode()
    return list(csv.reader(text.splitlines(keepends=True)))


@pytest.mark.parametrize(("cell", "text"), CELLS.values(), ids=CELLS)
def test_a_cell_is_read_as_the_text_of_a_csv(tmp_path: Path, cell: Cell, text: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(build_workbook({"Sheet1": [["name", "value"], ["x", cell]]}))
    assert read_cells(path) == [["name", "value"], ["x", text]]


def test_numbers_have_the_decimal_mark_of_the_dialect_and_texts_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(build_workbook({"Sheet1": [[1.5, "1.5"]]}))
    assert read_cells(path, ",") == [["1,5", "1.5"]]


def test_empty_sheets_beside_the_one_with_rows_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(build_workbook({"Notes": [], "Rows": [["size"], [1.0]], "More": []}))
    assert read_cells(path) == [["size"], ["1"]]


REFUSED = {
    "two sheets": (
        build_workbook({"2023": [["a"], [1.0]], "2024": [["a"], [2.0]]}),
        "2 sheets of its workbook have rows ('2023', '2024'); keep one, or save it as CSV (UTF-8)",
    ),
    "no rows": (build_workbook({"Sheet1": []}), "0 sheets of its workbook have rows (none); keep one"),
    "damaged": (build_workbook({"Sheet1": [["a"]]})[:300], "File is not a zip file"),
    "an old one that is damaged": (excel.OLD_MAGIC + bytes(600), "its workbook cannot be read ("),
}


@pytest.mark.parametrize(("content", "problem"), REFUSED.values(), ids=REFUSED)
def test_a_workbook_that_is_no_table_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        inspect_file(path, "my file")
    assert problem in str(caught.value)


def test_a_workbook_that_does_not_fit_into_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(build_workbook({"Sheet1": [["a"], ["x" * 1000]]}))
    monkeypatch.setattr(excel, "MAX_BYTES", 1000)
    with pytest.raises(SourceError, match=r"its workbook unpacks to .* save the sheet as CSV"):
        inspect_file(path, "my file")
