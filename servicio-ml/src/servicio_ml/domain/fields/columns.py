"""Raw columns that a value is read from: one, or several whose texts are joined."""

from collections.abc import Iterable

from servicio_ml.domain.checks.attributes import Line

Columns = Line | tuple[Line, ...]


def list_columns(columns: Columns) -> tuple[str, ...]:
    """List the raw columns of a value, of which there is one in most cases."""
    return (columns,) if isinstance(columns, str) else columns


def merge_columns(values: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """Merge the raw columns of several values, each once."""
    return tuple(dict.fromkeys(column for columns in values for column in columns))
