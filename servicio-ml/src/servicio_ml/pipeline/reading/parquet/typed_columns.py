"""Typed columns of Parquet files: timestamps become days, and other values the text that a CSV would hold."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from servicio_ml.domain.schema import Kind
from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.input_file import InputFile
from servicio_ml.pipeline.reading.number_text import POINT
from servicio_ml.pipeline.reading.parquet.column_types import find_broken_columns, iterate_batches

TIME_FORMAT = "%Y-%m-%d %H:%M:%S%.f"
ZONED_FORMAT = "%Y-%m-%d %H:%M:%S%z"
EXPONENTS_FROM = 1e15
"""Absolute number from which Polars may write floats with an exponent."""
MAX_INTEGER = 2.0**63
COPIED_ROWS = 1 << 16
"""Number of rows that are copied at once."""


def convert_for_polars(
    table: Any, columns: Sequence[str], source_name: str, zoned: Collection[str] = ()
) -> Any:
    """Replace the columns that Polars does not read: time zones by the local time, wide decimals by floats.

    Polars knows no zone such as `+05:30`, and Parquet stores every timestamp in UTC. It has no decimals of
    256 bits, which are rounded as every number is.

    Args:
        table: Table or record batch of Arrow.
        columns: Columns that are read; in the others a zone may be unknown.
        zoned: Columns of date-times that have a zone of their own: their texts have the offset, too.
        source_name: Name by which the user knows the file, for messages.

    Raises:
        SourceError: A column that is read has an unknown zone.
    """
    for position, field in enumerate(table.schema):
        if pa.types.is_decimal256(field.type):
            table = table.set_column(position, field.name, table.column(position).cast(pa.float64()))
        if _has_zone(field):
            try:
                values = table.column(position)
                local = (
                    pc.strftime(values, ZONED_FORMAT) if field.name in zoned else pc.local_timestamp(values)
                )
            except pa.ArrowInvalid as error:
                if field.name in columns:
                    problem = f"column {field.name!r} has the unknown time zone {field.type.tz!r}"
                    raise SourceError(source_name, f"{problem}; name one of the IANA database") from error
                local = table.column(position).cast(pa.timestamp(field.type.unit))
            table = table.set_column(position, field.name, local)
    return table


def copy_readable_columns(file: InputFile, columns: Sequence[str], zoned: Collection[str]) -> Path:
    """Return the path of a Parquet file that Polars reads: the file itself, or a copy beside it.

    The copy has no time zones, and no unread column whose values have no text (lists, durations, texts that
    are no UTF-8) or whose name stands twice.

    Args:
        file: The file.
        columns: Columns that are read; each stands once.
        zoned: See `convert_for_polars`.

    Raises:
        SourceError: A column that is read has an unknown time zone or a text that is no UTF-8.
    """
    schema = pq.read_schema(file.path)
    kept = _list_copied_columns(file, schema, columns)
    if kept == schema.names and not any(map(_is_converted, schema)):
        return file.path
    path = file.path.with_name(f"{file.path.name}.local")
    empty = _select_columns(schema.empty_table(), kept)
    local = convert_for_polars(empty, columns, file.source_name, zoned).schema
    with pq.ParquetWriter(path, local) as writer:
        for batch in iterate_batches(file, kept, COPIED_ROWS):
            chosen = _select_columns(batch, kept)
            writer.write_batch(convert_for_polars(chosen, columns, file.source_name, zoned))
    return path


def _list_copied_columns(file: InputFile, schema: Any, columns: Sequence[str]) -> list[str]:
    kept = [each.name for i, each in enumerate(schema) if each.name in columns or _is_copied(schema, i)]
    broken = find_broken_columns(file, kept)
    if problem := next((broken[name] for name in columns if name in broken), ""):
        raise SourceError(file.source_name, problem)
    return [name for name in kept if name not in broken]


def _select_columns(table: Any, names: Sequence[str]) -> Any:
    """Select columns by their names: the first one where an unread one stands twice."""
    return table.select([table.schema.names.index(name) for name in names])


def _has_zone(field: Any) -> bool:
    return pa.types.is_timestamp(field.type) and field.type.tz is not None


def _is_converted(field: Any) -> bool:
    return _has_zone(field) or pa.types.is_decimal256(field.type)


def _is_copied(schema: Any, position: int) -> bool:
    """Whether an unread column has values with a text, under a name of its own."""
    kind, types = schema.field(position).type, pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    has_text = types.is_primitive(kind) or types.is_null(kind) or types.is_string(kind)
    has_text |= types.is_large_string(kind) or types.is_decimal128(kind)
    is_opaque = types.is_duration(kind) or types.is_interval(kind)
    return bool(has_text and not is_opaque and schema.names.index(schema.names[position]) == position)


def is_day_type(dtype: pl.DataType) -> bool:
    """Whether a type is a date or a timestamp."""
    return isinstance(dtype, (pl.Date, pl.Datetime))


def is_value_of(kind: Kind, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Whether a date or timestamp is a value of a kind: a date takes midnights only, and no null."""
    day = column.cast(pl.Date)
    within = day.is_between(FIRST_DAY, LAST_DAY)
    if kind is Kind.DATE and isinstance(dtype, pl.Datetime):
        return within & (day.cast(dtype) == column)
    return within


def convert_to_text(name: str, dtype: pl.DataType, decimal: str = POINT) -> pl.Expr:
    """Convert a typed column to the text that a CSV would hold; NaN is how pandas writes a missing float.

    Args:
        name: Name of the column.
        dtype: Its type.
        decimal: Decimal mark of the text.
    """
    column = pl.col(name)
    if is_day_type(dtype):
        return _write_day(column, dtype)
    if dtype.is_decimal():
        return _replace_mark(column.cast(pl.String), decimal)
    if not dtype.is_float():
        return column.cast(pl.String)
    number = column.fill_nan(None)
    whole = (number.abs() >= EXPONENTS_FROM) & (number.abs() < MAX_INTEGER)
    digits = number.cast(pl.Int64, strict=False).cast(pl.String)
    return pl.when(whole).then(digits).otherwise(_replace_mark(number.cast(pl.String), decimal))


def _replace_mark(number: pl.Expr, decimal: str) -> pl.Expr:
    return number if decimal == POINT else number.str.replace(POINT, decimal, literal=True)


def _write_day(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    has_time = isinstance(dtype, pl.Datetime)
    local = column.dt.replace_time_zone(None) if has_time else column
    # Polars panics when it writes a day that its calendar lacks
    written = pl.when(local.cast(pl.Date).is_between(FIRST_DAY, LAST_DAY)).then(local)
    unwritable = pl.format("{} days since 1970-01-01", local.cast(pl.Date).to_physical())
    # a midnight with its time: the hour of a moment may be read, too
    text = written.dt.strftime(TIME_FORMAT) if has_time else written.cast(pl.String)
    return pl.coalesce(text, unwritable)
