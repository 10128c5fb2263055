"""Rows of a raw file as text: the cells of a CSV, or the values of a Parquet file cast to text."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeVar

import polars as pl
import pyarrow.parquet as pq

from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.formats.text_format import MAX_RECORD_BYTES, parse_rows
from servicio_ml.pipeline.reading.input_file import InputFile, translate_read_errors
from servicio_ml.pipeline.reading.parquet.typed_columns import convert_to_text

Frame = TypeVar("Frame", pl.LazyFrame, pl.DataFrame)

LINE = "_line"
SURPLUS = "_surplus"
"""Cell beyond the header's columns, in a row that has too many; `LACKING` in one that has too few."""
LACKING = "\0"
"""Mark of a row with too few cells; no text of a file is a lone zero."""
MAX_PLANNED_COLUMNS = 64
"""Number of columns up to which a condition on all of them is planned lazily."""


def read_header(file: InputFile) -> list[str]:
    """Read the cells of the first row, or the column names of Parquet and JSON lines.

    Raises:
        SourceError: The first line is blank, or cannot be parsed.
    """
    with translate_read_errors(file):
        if file.is_parquet:
            return list(pq.read_schema(file.path).names)
        if file.text_format.is_json:
            return list(file.text_format.keys)
        with file.open_text() as text:
            record = read_first_record(text).decode("utf-8-sig")
        rows = list(parse_rows(record.rstrip("\r\n"), file.text_format.delimiter))
    if not rows:
        raise SourceError(file.source_name, "its first line is blank; it must hold the column names")
    return rows[0]


def read_first_record(text: BinaryIO) -> bytes:
    """Read the first row, including line breaks within quotes."""
    record = text.readline()
    # an odd number of quotes: the line break is within a cell (an escaped quote counts twice)
    while record.count(b'"') % 2 and len(record) < MAX_RECORD_BYTES and (more := text.readline()):
        record += more
    return record


def scan_csv(
    source: Path | BytesIO, names: Sequence[str], *, skipped_lines: int, first_line: int, delimiter: str = ","
) -> pl.LazyFrame:
    """Scan the rows of a CSV as text: `LINE`, the columns, `SURPLUS`.

    Args:
        source: A file, or a part of one that begins and ends with complete rows.
        names: Names of the columns in order; a repeated name gets a suffix.
        skipped_lines: Number of lines before the first row.
        first_line: Line number of the first row.
        delimiter: Character between two cells.
    """
    # Polars refuses repeated names, even of columns that nobody reads
    first = {name: i for i, name in reversed([*enumerate(names)])}
    unique = [name if first[name] == i else f"{name}#{i}" for i, name in enumerate(names)]
    return pl.scan_csv(
        source,
        schema=dict.fromkeys((*unique, SURPLUS), pl.String),
        separator=delimiter,
        has_header=False,  # names are assigned by position, since a header may hold one twice
        skip_rows=skipped_lines,
        missing_columns="insert",  # SURPLUS is in no header
        extra_columns="ignore",  # cells beyond SURPLUS, in the first row
        truncate_ragged_lines=True,  # and in the others
        row_index_name=LINE,
        row_index_offset=first_line,
        glob=False,
    )


def count_needed_cells(names: Sequence[str]) -> int:
    """Count the cells that a complete row has at least: up to the last column with a name."""
    return max((i for i, name in enumerate(names, 1) if name), default=0)


def mark_short_rows(rows: pl.LazyFrame, lines: Sequence[int]) -> pl.LazyFrame:
    """Set `SURPLUS` to `LACKING` in the rows of some lines."""
    if not lines:
        return rows
    short = pl.col(LINE).is_in(pl.Series(lines, dtype=pl.UInt32).implode())
    return rows.with_columns(pl.when(short).then(pl.lit(LACKING)).otherwise(SURPLUS).alias(SURPLUS))


def drop_blank_lines(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Drop the rows without any text, also those of delimiters only."""
    if len(rows.collect_schema()) <= MAX_PLANNED_COLUMNS:
        return _filter_text(rows)
    # the planner needs time in the square of the columns, 20 s for a thousand, so it does not see the filter
    return rows.map_batches(_filter_text, streamable=True, schema=None)


def _filter_text(rows: Frame) -> Frame:
    return rows.filter(~pl.all_horizontal(pl.exclude(LINE).is_null()))


def cast_to_text(rows: pl.LazyFrame, decimal: str, kept_columns: Sequence[str] = ()) -> pl.LazyFrame:
    """Cast typed rows with `LINE` to text with a decimal mark, adding `SURPLUS`; `kept_columns` stay."""
    cast = {name: dtype for name, dtype in rows.collect_schema().items() if name not in {LINE, *kept_columns}}
    texts = [convert_to_text(name, dtype, decimal) for name, dtype in cast.items()]
    return rows.with_columns(*texts, pl.lit(None, dtype=pl.String).alias(SURPLUS))
