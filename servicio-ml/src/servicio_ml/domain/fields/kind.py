"""Kinds of a field."""

from enum import StrEnum


class Kind(StrEnum):
    """Type of a field; each becomes one float32 column."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    DATE = "date"
    BOOLEAN = "boolean"
