"""A file of any size as batches of typed rows, in bounded memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, BinaryIO, cast

import narwhals as nw
import polars as pl
import pyarrow.parquet as pq

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import map_codes
from servicio_ml.pipeline.reading.dialects import TYPED
from servicio_ml.pipeline.reading.expressions import describe_allowed_values
from servicio_ml.pipeline.reading.file_format import FileFormat, InputSpec, detect_format
from servicio_ml.pipeline.reading.foreign_codes import select_texts
from servicio_ml.pipeline.reading.formats.text_format import MAX_RECORD_BYTES, count_cells
from servicio_ml.pipeline.reading.input_file import (
    FIRST_LINE,
    InputFile,
    build_quote_error,
    translate_read_errors,
)
from servicio_ml.pipeline.reading.number_text import POINT
from servicio_ml.pipeline.reading.parquet.column_types import (
    iterate_batches,
    refuse_uncopied_types,
    refuse_unreadable_types,
)
from servicio_ml.pipeline.reading.parquet.typed_columns import (
    convert_for_polars,
    convert_to_text,
    is_day_type,
    is_value_of,
)
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
from servicio_ml.pipeline.reading.transform import REASON, transform_inputs

BLOCK_BYTES = 4 << 20
"""Size of the text that is parsed at once: some ten thousand rows."""
BATCH_ROWS = 1 << 15
"""Number of rows of a Parquet file that are read at once."""
NUMERIC_KINDS = (Kind.NUMBER, Kind.INTEGER)

PrepareRows = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBatches:
    """The rows of a file.

    Attributes:
        file_format: Format of the file.
        raw_frames: Rows as they are in the file, in order; they may be skipped and sliced.
        prepare: Converts some of them to `LINE`, `REASON` (null where a row can be used), the fields that the
            file holds and `FileFormat.kept_columns`.
    """

    file_format: FileFormat
    raw_frames: Iterator[pl.DataFrame]
    prepare: PrepareRows


def open_batches(file: InputFile, spec: InputSpec) -> RowBatches:
    """Detect the format of a file and open it.

    Raises:
        DataError: The file cannot be read like this; iterating over its rows raises it, too.
    """
    header = read_header(file)
    found = detect_format(
        spec,
        header,
        source_name=file.source_name,
        named=file.has_names,
        decimal=file.text_format.decimal_marks,
    )
    return _open_parquet(file, found) if file.is_parquet else _open_text(file, found)


def _open_parquet(file: InputFile, file_format: FileFormat) -> RowBatches:
    columns = list(
        dict.fromkeys((*file_format.plan.raw_columns.values(), *file_format.kept_columns.values()))
    )
    schema = pq.read_schema(file.path)
    _check_types(schema, file_format, file.source_name)
    plan = file_format.plan
    zoned = {plan.raw_columns[each.raw_column] for each in plan.columns if each.field.zone}
    # converting an empty table gives Polars' types without reading a row
    empty = convert_for_polars(schema.empty_table().select(columns), columns, file.source_name, zoned)
    types = cast(pl.DataFrame, pl.from_arrow(empty)).schema
    fields = [column.field for column in plan.columns]
    typed = file_format.dialect == TYPED and all(_is_compatible(types[each.name], each) for each in fields)
    prepare = _create_value_check(file_format, types) if typed else _create_parser(file_format, text=False)

    def read_rows() -> Iterator[pl.DataFrame]:
        first = FIRST_LINE
        for batch in iterate_batches(file, columns, BATCH_ROWS):
            local = convert_for_polars(batch, columns, file.source_name, zoned)
            frame = cast(pl.DataFrame, pl.from_arrow(local))
            kept = (pl.col(raw).alias(name) for name, raw in file_format.kept_columns.items())
            yield frame.with_columns(kept).with_row_index(LINE, offset=first)
            first += len(frame)

    return RowBatches(file_format=file_format, raw_frames=read_rows(), prepare=prepare)


def _check_types(schema: Any, file_format: FileFormat, source_name: str) -> None:
    plan = file_format.plan
    read = [(plan.raw_columns[raw], column.field) for column in plan.columns for raw in column.raw_columns]
    refuse_unreadable_types(schema, read, source_name)
    refuse_uncopied_types(schema, file_format.kept_columns.values(), source_name)


def _open_text(file: InputFile, file_format: FileFormat) -> RowBatches:
    kept = [pl.col(raw).alias(name) for name, raw in file_format.kept_columns.items()]
    columns = [LINE, SURPLUS, *file_format.plan.raw_columns.values()]

    def read_rows() -> Iterator[pl.DataFrame]:
        delimiter, needed = file.text_format.delimiter, count_needed_cells(file_format.column_names)
        rows_before = 0
        with file.open_text(file_format.plan.decimal or POINT) as text, translate_read_errors(file):
            # a header with line breaks in quotes moves the line numbers of all rows
            headless = file_format.headless or file.has_names
            header_lines = 0 if headless else read_first_record(text).count(b"\n")
            for start, block in read_blocks(text, FIRST_LINE + header_lines, file.source_name):
                cells = count_cells(block, delimiter)
                # an object is one line of its file, also where a text of it holds line breaks
                line = FIRST_LINE + rows_before if file.text_format.is_json else start
                rows_before += len(cells)
                rows = scan_csv(
                    BytesIO(block),
                    file_format.column_names,
                    skipped_lines=0,
                    first_line=line,
                    delimiter=delimiter,
                )
                frame = drop_blank_lines(rows).select(*columns, *kept).collect()
                short = find_short_rows(cells, line, needed)
                yield mark_short_rows(frame.lazy(), short).collect() if short else frame

    return RowBatches(
        file_format=file_format, raw_frames=read_rows(), prepare=_create_parser(file_format, text=True)
    )


def _create_parser(file_format: FileFormat, *, text: bool) -> PrepareRows:
    """Create the parser that the ETL uses for rows of text; typed rows are cast to text first."""
    kept, decimal = list(file_format.kept_columns), file_format.plan.decimal

    def parse(frame: pl.DataFrame) -> pl.DataFrame:
        rows = frame.lazy() if text else cast_to_text(frame.lazy(), decimal, kept)
        lazy: pl.LazyFrame = transform_inputs(nw.from_native(rows), file_format.plan, kept).to_native()
        typed = lazy.collect()
        if file_format.code_check and typed[REASON].null_count() < len(typed):
            lines = typed.filter(pl.col(REASON).is_not_null())[LINE].implode()
            file_format.code_check(select_texts(rows.filter(pl.col(LINE).is_in(lines)), file_format.plan))
        return typed

    return parse


def _create_value_check(file_format: FileFormat, types: pl.Schema) -> PrepareRows:
    """Create the check for typed rows: timestamps become days, and a wrong level or day is the reason."""
    fields = [column.field for column in file_format.plan.columns]
    problems = [_build_problem(each, types[each.name]) for each in fields]
    reason = pl.concat_str(problems, separator="; ", ignore_nulls=True)
    values = (_build_value(each, types[each.name]) for each in fields)
    checked = pl.when(reason != "").then(reason).alias(REASON)
    columns: list[str | pl.Expr] = [LINE, checked, *values, *file_format.kept_columns]

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(*columns)

    return check


def _build_value(field: Field, dtype: pl.DataType) -> pl.Expr:
    if not is_day_type(dtype):
        return pl.col(field.name)
    value = pl.col(field.name).cast(pl.Datetime("us")).dt.truncate("1s")
    return value.cast(pl.Date) if field.kind is Kind.DATE else value


def _build_problem(field: Field, dtype: pl.DataType) -> pl.Expr:
    """Build the problem of a level or a day; ranges are checked by the model's own checker."""
    value = pl.col(field.name)
    if field.has_levels and not field.learned_levels:
        right, text = value.cast(pl.String).is_in(list(field.levels)), value.cast(pl.String)
    elif is_day_type(dtype):
        right, text = is_value_of(field.kind, value, dtype), convert_to_text(field.name, dtype)
    else:
        return pl.lit(None, dtype=pl.String)
    problem = pl.format(f"{field.name}: '{{}}' is not {describe_allowed_values(field)}", text)
    return pl.when(~right).then(problem)


def _is_compatible(dtype: pl.DataType, field: Field) -> bool:
    """Whether a typed column holds what the field holds; other columns are read as text."""
    if dtype == pl.Null:
        return True
    if field.kind in NUMERIC_KINDS:
        return dtype.is_numeric()
    if field.is_dated:
        return is_day_type(dtype)
    # a boolean may be any of its words
    if field.kind is Kind.BOOLEAN:
        return False
    # codes are compared by value
    return isinstance(dtype, (pl.String, pl.Categorical, pl.Enum)) and not map_codes(field.levels)


def read_blocks(text: BinaryIO, line: int, source_name: str) -> Iterator[tuple[int, bytes]]:
    """Read blocks of complete rows, each with the line number of its first row."""
    rest = b""
    while chunk := text.read(BLOCK_BYTES):
        rest += chunk
        end = _find_last_row_end(rest)
        if end:
            yield line, rest[:end]
            line += rest.count(b"\n", 0, end)
            rest = rest[end:]
        # without this limit an open quote would read the rest of the file into memory
        elif len(rest) > MAX_RECORD_BYTES:
            break
    if rest.count(b'"') % 2 or len(rest) > MAX_RECORD_BYTES:
        raise build_quote_error(source_name, _find_open_quote(rest, line))
    if rest:
        yield line, rest


def find_short_rows(cells: Sequence[int], line: int, needed: int) -> list[int]:
    """Find the lines of the rows with fewer cells than needed; `line` is that of the first row."""
    return [number for number, count in enumerate(cells, line) if 0 < count < needed]


def _find_last_row_end(block: bytes) -> int:
    """Find the end of the last complete row: after a line break outside quotes; 0 if there is none."""
    # scanning from the end touches few lines, where parsing from the start would touch all of them
    end = block.rfind(b"\n") + 1
    quoted = block.count(b'"', 0, end) % 2
    while quoted:
        before = block.rfind(b"\n", 0, end - 1) + 1
        quoted ^= block.count(b'"', before, end) % 2
        end = before
    return end


def _find_open_quote(rest: bytes, line: int) -> int:
    return next((number for number, text in enumerate(rest.split(b"\n"), line) if text.count(b'"') % 2), line)
