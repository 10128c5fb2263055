"""Excel and OpenDocument workbooks: their one sheet with rows, as the text that a CSV would hold.

| cell | text |
|---|---|
| text | itself |
| number | its shortest decimal digits, with the decimal mark of the dialect |
| date; date with time | `2024-05-31`; `2024-05-31 14:30:00` |
| duration | `14:30:00` |
| true, false | `true`, `false` |
| empty, an error such as `#N/A` | none |
"""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from servicio_ml.pipeline.reading.formats.converted_text import write_rows
from servicio_ml.pipeline.reading.formats.foreign_formats import UnknownFormatError
from servicio_ml.pipeline.reading.number_text import POINT

OLD_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
"""Start of a workbook of Excel 97–2003, and of an encrypted one."""
WORKBOOK_MEMBERS = frozenset({"[Content_Types].xml", "content.xml"})
"""Files in the zip archive of a workbook: Excel's, and OpenDocument's."""
MAX_BYTES = 1 << 30
"""Greatest unpacked size: the workbook's texts are held in memory."""
Cell = int | float | str | bool | time | date | datetime | timedelta


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether a zip archive is a workbook."""
    return not WORKBOOK_MEMBERS.isdisjoint(archive.namelist())


def check_size(archive: zipfile.ZipFile) -> None:
    """Check that a workbook fits into memory.

    Raises:
        UnknownFormatError: The workbook unpacks to more than `MAX_BYTES`.
    """
    size = sum(each.file_size for each in archive.infolist())
    if size > MAX_BYTES:
        raise UnknownFormatError(
            f"its workbook unpacks to {size / (1 << 30):.1f} GiB (limit 1 GiB); save the sheet as CSV (UTF-8)"
        )


def convert_sheet(path: Path, decimal: str = POINT) -> Iterator[bytes]:
    """Convert the one sheet with rows to a CSV in UTF-8, in chunks.

    Raises:
        UnknownFormatError: No sheet or several of them have rows, or the workbook is broken or encrypted.
    """
    try:
        with CalamineWorkbook.from_path(path) as workbook:
            rows = _find_sheet(workbook).iter_rows()
            yield from write_rows([_format_cell(cell, decimal) for cell in row] for row in rows)
    except CalamineError as error:
        problem = f"its workbook cannot be read ({error}); save the sheet as CSV (UTF-8)"
        raise UnknownFormatError(problem) from error


def _find_sheet(workbook: CalamineWorkbook) -> CalamineSheet:
    sheets = [workbook.get_sheet_by_name(name) for name in workbook.sheet_names]
    filled = [sheet for sheet in sheets if sheet.height]
    if len(filled) != 1:
        names = ", ".join(repr(sheet.name) for sheet in filled) or "none"
        problem = (
            f"{len(filled)} sheets of its workbook have rows ({names}); keep one, or save it as CSV (UTF-8)"
        )
        raise UnknownFormatError(problem)
    return filled[0]


def _format_cell(cell: Cell, decimal: str) -> str:
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        # Excel has floats only; a code or a year is a whole number to its reader
        digits = str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)  # noqa: PLR2004
        return digits.replace(POINT, decimal)
    # a day is a datetime at midnight in some formats of cells
    if isinstance(cell, datetime) and cell.time() == time():
        return cell.date().isoformat()
    return str(cell)
