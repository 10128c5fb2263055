"""All rows of a use case's raw file as text, with the dialect they are in; read lazily by the ETL."""

import shutil
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from servicio_ml.domain.fields.columns import merge_columns
from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.pipeline.reading.batches import find_short_rows, read_blocks
from servicio_ml.pipeline.reading.columns import build_identifier_field, build_target_field
from servicio_ml.pipeline.reading.dialects import DialectMatch, DialectSpec, is_data_row, match_dialect
from servicio_ml.pipeline.reading.formats.text_format import count_cells
from servicio_ml.pipeline.reading.input_file import FIRST_LINE, InputFile, translate_read_errors
from servicio_ml.pipeline.reading.number_text import POINT
from servicio_ml.pipeline.reading.parquet.column_types import refuse_unreadable_types
from servicio_ml.pipeline.reading.parquet.typed_columns import copy_readable_columns
from servicio_ml.pipeline.reading.text import (
    LINE,
    SURPLUS,
    cast_to_text,
    count_needed_cells,
    drop_blank_lines,
    mark_short_rows,
    read_first_record,
    read_header,
    scan_csv,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Rows of text, lazily: `LINE`, `SURPLUS` and the raw columns that are read.

    `LINE` is the row's line in the file, as long as no text above it holds a line break.

    Attributes:
        frame: The rows; an empty text is null and a blank line is no row.
        dialect: Dialect of the file.
        columns: Raw columns that are read, the identifier with them.
        absent_fields: Optional fields that the file lacks.
        ignored_columns: Columns of the file that the use case does not read, as far as they have a name.
        every_column: Rows of `frame` with the unread columns as well.
        unread_columns: Names of the columns in `every_column` that no field is read from; those of Parquet
            that are no text, number, date or boolean are left out.
    """

    frame: pl.LazyFrame
    dialect: Dialect
    columns: tuple[str, ...]
    absent_fields: tuple[str, ...]
    ignored_columns: tuple[str, ...]
    every_column: pl.LazyFrame
    unread_columns: tuple[str, ...]


def read_rows(file: InputFile, use_case: UseCase) -> RawRows:
    """Read the rows of a use case's raw file, with every required field, the target and the identifier.

    Raises:
        SourceError: The file cannot be parsed.
        ColumnsError: No dialect of the use case fits.
    """
    header, spec = read_header(file), _create_dialect_spec(use_case)
    identifier = tuple(filter(None, [use_case.identifier]))
    match = match_dialect(
        spec,
        header,
        source_name=file.source_name,
        headless=not file.has_names and is_data_row(header, use_case),
        extra=identifier,
    )
    names = match.column_names
    # two fields may read one column
    read = merge_columns(match.columns.values())
    columns = merge_columns([read, identifier])
    frame = _scan(file, spec, match, identifier)
    # the format completes the rows where it names the columns
    short = () if file.has_names else _find_short_rows(file, names, 0 if match.dialect.header else 1)
    # a row of Parquet is one whatever it holds, as `score` counts it
    every = mark_short_rows(frame if file.is_parquet else drop_blank_lines(frame), short)
    # an identifier is no value: rows that only it keeps apart may be copies
    unread = (name for name in every.collect_schema().names() if name not in {LINE, SURPLUS, *read})
    return RawRows(
        frame=every.select(LINE, SURPLUS, *columns),
        dialect=match.dialect,
        columns=columns,
        absent_fields=match.absent_fields,
        ignored_columns=tuple(name for name in names if name and name not in columns),
        every_column=every,
        unread_columns=tuple(unread),
    )


def _create_dialect_spec(use_case: UseCase) -> DialectSpec:
    fields = (*use_case.schema.fields, build_target_field(use_case.target))
    # a model's missing optional field is null at scoring; training drops it, whether nullable or not
    optional = {each.name for each in use_case.schema.fields if each.optional}
    return DialectSpec(
        fields=fields,
        required=frozenset(each.name for each in fields if each.name not in optional),
        dialects=use_case.dialects,
        target=use_case.target,
    )


def _scan(file: InputFile, spec: DialectSpec, match: DialectMatch, identifier: Sequence[str]) -> pl.LazyFrame:
    if not file.is_parquet:
        return scan_rows(file, match.dialect, match.column_names)
    read = [(column, each) for each in spec.fields for column in match.columns.get(each.name, ())]
    read += [(column, build_identifier_field(column)) for column in identifier]
    refuse_unreadable_types(pq.read_schema(file.path), read, file.source_name)
    zoned = {column for column, each in read if each.zone}
    return _scan_parquet(file, match.dialect, [column for column, _ in read], zoned)


def scan_rows(file: InputFile, dialect: Dialect, names: tuple[str, ...]) -> pl.LazyFrame:
    """Scan every row and column of a file as text, blank lines included: `LINE`, the columns, `SURPLUS`.

    Args:
        file: The file; columns of Parquet whose values have no text are left out.
        dialect: Dialect of the file.
        names: Names of its columns in order.
    """
    if file.is_parquet:
        return _scan_parquet(file, dialect, (), ())
    return _scan_text(file, dialect, names)


def _scan_text(file: InputFile, dialect: Dialect, names: tuple[str, ...]) -> pl.LazyFrame:
    # only a headerless dialect brings names of its own
    header_lines = 0 if dialect.header or file.has_names else 1
    first, delimiter = FIRST_LINE + header_lines, file.text_format.delimiter
    text = _unpack(file, dialect.decimal or POINT)
    return scan_csv(text, names, skipped_lines=header_lines, first_line=first, delimiter=delimiter)


def _find_short_rows(file: InputFile, names: tuple[str, ...], header_lines: int) -> list[int]:
    """Find the lines of the rows with too few cells, which a scan shows as empty cells."""
    needed, line, found = count_needed_cells(names), FIRST_LINE + header_lines, list[int]()
    with file.open_text() as text, translate_read_errors(file):
        if header_lines:
            read_first_record(text)
        for _, block in read_blocks(text, line, file.source_name):
            cells = count_cells(block, file.text_format.delimiter)
            found += find_short_rows(cells, line, needed)
            # rows and not lines are counted, as the scan does
            line += len(cells)
    return found


def _unpack(file: InputFile, decimal: str) -> Path:
    """Write a packed or encoded text beside the file, so that it is scanned in bounded memory."""
    if file.text_format.is_plain:
        return file.path
    unpacked = file.path.with_name(f"{file.path.name}.unpacked")
    with file.open_text(decimal) as packed, unpacked.open("wb") as text:
        shutil.copyfileobj(packed, text)
    return unpacked


def _scan_parquet(
    file: InputFile, dialect: Dialect, columns: Sequence[str], zoned: Collection[str]
) -> pl.LazyFrame:
    """Scan the rows as text, so that they pass the same checks as a CSV.

    Args:
        file: The file.
        dialect: Dialect of the file.
        columns: Columns that are read; others are left out where their values have no text.
        zoned: Columns of date-times that have a time zone of their own.
    """
    path = copy_readable_columns(file, columns, zoned)
    rows = pl.scan_parquet(path, glob=False, row_index_name=LINE, row_index_offset=FIRST_LINE)
    # what cannot be text is only a problem where a field is read from it
    types = rows.collect_schema()
    kept = [name for name, dtype in types.items() if name in columns or not _is_opaque(dtype)]
    return cast_to_text(rows.select(kept), dialect.decimal or POINT)


def _is_opaque(dtype: pl.DataType) -> bool:
    """Whether values of a type have no text: lists, structures, bytes and Python objects."""
    return dtype.is_nested() or dtype in (pl.Binary, pl.Object)
