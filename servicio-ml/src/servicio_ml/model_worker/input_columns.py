"""Columns that a model reads from the matrix."""

from collections.abc import Mapping, Sequence
from typing import Any


def build_columns_from_json(documents: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Build the columns from their documents."""
    return tuple(documents)
