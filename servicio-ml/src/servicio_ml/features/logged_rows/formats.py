"""File formats of a table of logged predictions, written as pieces of bytes."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import SEEK_CUR, RawIOBase, UnsupportedOperation
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from servicio_ml.features.decoder import format_moments
from servicio_ml.features.logged_rows.columns import name_class_column
from servicio_ml.features.logged_rows.json_lines import JsonLinesWriter
from servicio_ml.features.logged_rows.table import Table

Sink = Any
"""File of Arrow that is written; pyarrow has no types."""
ROW_GROUP_ROWS = 1 << 16
"""Minimum number of rows of a row group, which a Parquet writer keeps in memory."""


class TableWriter(Protocol):
    """Writer of tables to a file, which it begins when it is created and completes when it is closed."""

    def write_table(self, table: Table) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFormat:
    """A file format.

    Attributes:
        media_type: Name in HTTP.
        suffixes: Endings of file names.
        open: Opens a writer of tables with an Arrow schema.
    """

    media_type: str
    suffixes: tuple[str, ...]
    open: Callable[[Sink, Any], TableWriter]


class _CsvWriter:
    """Writes a struct as a column for each of its fields, and a time as ISO 8601 text."""

    def __init__(self, sink: Sink, columns: Any) -> None:
        self._writer = pa.csv.CSVWriter(sink, _flatten(columns.empty_table()).schema)

    def write_table(self, table: Table) -> None:
        self._writer.write_table(_flatten(table))

    def close(self) -> None:
        self._writer.close()


class _ParquetWriter:
    """Collects the tables of a row group: one for each block would be small, and the file large."""

    def __init__(self, sink: Sink, columns: Any) -> None:
        self._writer = pa.parquet.ParquetWriter(sink, columns)
        self._tables: list[Table] = []

    def write_table(self, table: Table) -> None:
        self._tables.append(table)
        if sum(map(len, self._tables)) >= ROW_GROUP_ROWS:
            self._write_group()

    def close(self) -> None:
        if self._tables:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        self._writer.write_table(pa.concat_tables(self._tables))
        self._tables.clear()


CSV = TableFormat(media_type="text/csv", suffixes=(".csv",), open=_CsvWriter)
JSON_LINES = TableFormat(
    media_type="application/x-ndjson", suffixes=(".jsonl", ".ndjson"), open=JsonLinesWriter
)
PARQUET = TableFormat(
    media_type="application/vnd.apache.parquet", suffixes=(".parquet",), open=_ParquetWriter
)
ARROW_STREAM = TableFormat(
    media_type="application/vnd.apache.arrow.stream", suffixes=(".arrows",), open=pa.ipc.new_stream
)
ARROW_FILE = TableFormat(
    media_type="application/vnd.apache.arrow.file", suffixes=(".arrow", ".feather"), open=pa.ipc.new_file
)
FORMATS = (JSON_LINES, CSV, PARQUET, ARROW_STREAM, ARROW_FILE)


class _Pieces(RawIOBase):
    """A file in memory that forgets what was taken from it."""

    def __init__(self) -> None:
        self._size, self._pieces = 0, list[bytes]()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:
        # a copy: Arrow may use its buffer again
        self._pieces.append(bytes(piece))
        self._size += len(self._pieces[-1])
        return len(self._pieces[-1])

    def seek(self, offset: int, whence: int = SEEK_CUR) -> int:
        """Return the number of bytes that were written, as writers ask by (0, SEEK_CUR)."""
        if (offset, whence) != (0, SEEK_CUR):
            raise UnsupportedOperation("what was written is gone")
        return self._size

    def take(self) -> bytes:
        """Take what was written since the last call."""
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


def write_tables(tables: Iterable[Table], columns: Any, table_format: TableFormat) -> Iterator[bytes]:
    """Write tables with one Arrow schema as a file, in pieces: those of a table before the next is read."""
    sink = _Pieces()
    writer = table_format.open(pa.PythonFile(sink, mode="w"), columns)
    for table in tables:
        writer.write_table(table)
        yield sink.take()
    # not after an error: a file that is cut off is to be recognised as such
    writer.close()
    yield sink.take()


def _flatten(table: Table) -> Table:
    """Flatten structs, and format times, which CSV cannot hold."""
    columns: dict[str, Any] = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_struct(column.type):
            names = (name_class_column(each.name) for each in column.type)
            columns |= dict(zip(names, column.combine_chunks().flatten(), strict=True))
        else:
            columns[name] = format_moments(column)
    return pa.table(columns)
