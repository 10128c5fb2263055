"""JSON lines from Arrow tables, joined by Arrow itself: it holds no other thread up, and is fast."""

import json
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from servicio_ml.features.decoder import Column, format_moments
from servicio_ml.features.logged_rows.table import Table


class JsonLinesWriter:
    """Writes tables as one JSON object a row; a missing value is null, a time ISO 8601 text.

    Args:
        sink: File that is written.
        columns: Arrow schema of the tables.
    """

    def __init__(self, sink: Any, columns: Any) -> None:
        self._sink, self._names = sink, columns.names

    def write_table(self, table: Table) -> None:
        lines = _join_object(self._names, [each.combine_chunks() for each in table.columns], "}\n")
        self._sink.write("".join(lines.to_pylist()).encode())

    def close(self) -> None:
        """Do nothing: each line is complete."""


def _join_object(names: list[str], columns: list[Column], end: str) -> Column:
    parts: list[Column] = []
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        parts += [pa.scalar(f"{',' if i else '{'}{json.dumps(name)}:"), _write_values(column)]
    return pc.binary_join_element_wise(*parts, pa.scalar(end), "")


def _write_values(column: Column) -> Column:
    """Write a column as the JSON of its values."""
    kind = column.type
    if pa.types.is_struct(kind):
        written = _join_object([each.name for each in kind], column.flatten(), "}")
        written = pc.if_else(column.is_valid(), written, None)
    elif pa.types.is_string(kind) or pa.types.is_temporal(kind):
        # Python escapes each different text once
        texts = format_moments(column).dictionary_encode()
        escaped = [json.dumps(each) for each in texts.dictionary.to_pylist()]
        written = pa.array(escaped, pa.string()).take(texts.indices)
    elif pa.types.is_floating(kind):
        # JSON has no infinite number
        written = pc.if_else(pc.is_finite(column), column, None).cast(pa.string())
    else:
        written = column.cast(pa.string())
    return written.fill_null("null")
