"""Kinds of a field."""

from enum import StrEnum


class Kind(StrEnum):
    """Type of a field; each becomes one float32 column.

    A date-time has two, its day and its seconds, and a text one more for each of its words.
    """

    NUMBER = "number"
    INTEGER = "integer"
    CATEGORY = "category"
    DATE = "date"
    DATETIME = "datetime"
    BOOLEAN = "boolean"
    TEXT = "text"
