"""Kinds of a field."""

from enum import StrEnum


class Kind(StrEnum):
    """Type of a field; each becomes one float32 column, a date-time two: its day and its seconds."""

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
