"""Cells of a raw file as text, or of a sample of its rows: what a draft is made from."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import SourceError, format_names
from servicio_ml.pipeline.drafting.cells.decimals import find_decimal_mark
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons
from servicio_ml.pipeline.reading.dialects import VALUE_PATTERN
from servicio_ml.pipeline.reading.input_file import InputFile, translate_read_errors
from servicio_ml.pipeline.reading.raw_file import scan_rows
from servicio_ml.pipeline.reading.text import LINE, SURPLUS, drop_blank_lines, read_header

MAX_ROWS = 200_000
"""Maximum number of rows that are looked at; the draft is then checked on all of them."""
MIN_ROWS = 100
"""Minimum number of rows: fewer give no test rows to compare two models on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextTable:
    """Rows of a raw file as text.

    Attributes:
        cells: Stripped texts by raw column, null where a cell is empty.
        rows: Number of rows of the file, which may be more than `cells` has.
        decimal: Decimal mark that the dialect declares; empty where the default does.
        unreadable: Reason by raw column that no use case can read, in words.
    """

    cells: pl.DataFrame
    rows: int
    decimal: str
    unreadable: Mapping[str, str]


def read_table(file: InputFile) -> TextTable:
    """Read a raw file, or every n-th row of a large one.

    Raises:
        SourceError: The file cannot be parsed, has no header line, or too few rows.
    """
    header = tuple(read_header(file))
    if not file.has_names:
        _require_header(header, file.source_name)
    with translate_read_errors(file):
        rows = drop_blank_lines(scan_rows(file, Dialect(name="original"), header))
        count = int(rows.select(pl.len()).collect(engine="streaming").item())
        if count < MIN_ROWS:
            raise SourceError(
                file.source_name,
                f"it has {count} rows, at least {MIN_ROWS} are needed to train and test: add rows",
            )
        taken = rows.gather_every(-(-count // MAX_ROWS)).filter(pl.col(SURPLUS).is_null())
        cells = taken.drop(LINE, SURPLUS).collect(engine="streaming")
    stripped = cells.select(pl.all().str.strip_chars().replace("", None))
    return TextTable(
        cells=stripped,
        rows=count,
        decimal=find_decimal_mark(stripped, file.text_format),
        unreadable=_find_unreadable_columns(header, cells.columns),
    )


def _require_header(header: tuple[str, ...], source_name: str) -> None:
    values = [cell for cell in header if VALUE_PATTERN.fullmatch(cell)]
    if len(values) > len(header) / 2:
        problem = (
            f"its first line holds values ({format_names(values)}) and no column names; add a header line"
        )
        raise SourceError(source_name, problem)


def _find_unreadable_columns(header: tuple[str, ...], read: list[str]) -> dict[str, str]:
    reasons = dict.fromkeys(
        (name for name in header if name not in read),
        format_reason("its values are lists, structures or bytes"),
    )
    counts = Counter(header)
    for name in read:
        # a repeated name has a suffix in the table
        times = counts[name if name in header else name.rpartition("#")[0]]
        if times > 1:
            reasons[name] = join_reasons(
                format_reason("{number} columns have this name", number=times), format_reason("rename them")
            )
        elif problem := _find_name_problem(name):
            reasons[name] = problem
    return reasons


def _find_name_problem(name: str) -> str:
    if not name.strip():
        return format_reason("it has no name, as the row numbers that pandas writes")
    is_broken = name[0].isspace() or "\n" in name or "\r" in name
    if not is_broken:
        return ""
    return join_reasons(
        format_reason("its name begins with a blank or has several lines"), format_reason("rename it")
    )
