"""A raw column, and what was found of it."""

from dataclasses import dataclass, replace
from typing import Any

import narwhals as nw
import polars as pl

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.pipeline.drafting.reasons import format_reason
from servicio_ml.pipeline.reading.number_text import parse_number

MAX_LEVELS = 50
"""Maximum number of levels of a category: each is a bin, a metric's label and an entry of a form."""
MIN_READABLE = 0.98
"""Minimum share of the texts of a column that a kind must read; the others go to quarantine."""
SHOWN_CHARACTERS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class RawColumn:
    """Texts of a raw column.

    Attributes:
        name: Name in the file.
        field_name: Name of its field.
        texts: Texts in the order of the rows, null where they are missing.
        decimal: Decimal mark of numbers.
    """

    name: str
    field_name: str
    texts: pl.Series
    decimal: str

    @property
    def present(self) -> pl.Series:
        return self.texts.drop_nulls()

    @property
    def nullable(self) -> bool:
        return self.texts.null_count() > 0

    def build_field(self, kind: Kind, **attributes: Any) -> Field:
        nullable = attributes.pop("nullable", self.nullable)
        return Field(name=self.field_name, kind=kind, column=self.name, nullable=nullable, **attributes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFinding:
    """What a raw column is.

    Attributes:
        column: Name in the file.
        reason: What was seen, or why the column is left out.
        field: Its field; None where it is left out.
        is_identifier: Whether it names things, beyond numbering the rows.
        values: Its values in the order of the rows, as the field reads them; None where it is left out.
    """

    column: str
    reason: str
    field: Field | None = None
    values: pl.Series | None = None
    is_identifier: bool = False

    def leave_out(self, reason: str) -> "ColumnFinding":
        return replace(self, reason=reason, field=None, values=None)


def parse_numbers(texts: pl.Series, decimal: str) -> pl.Series:
    """Parse texts as the ETL does; null where one is no number."""
    frame = nw.from_native(texts.rename("text").to_frame())
    parsed: pl.DataFrame = frame.select(parse_number(nw.col("text"), decimal).alias("value")).to_native()
    return parsed["value"]


def describe_rest(texts: pl.Series, values: pl.Series) -> str:
    """Describe the texts that have no value, which go to quarantine; empty without any."""
    rest = texts.filter(texts.is_not_null() & values.is_null())
    if rest.is_empty():
        return ""
    return format_reason(
        "{number} of {rows} rows go to quarantine, such as {example}",
        number=len(rest), rows=len(texts), example=quote(rest[0]),
    )  # fmt: skip


def shorten(text: str) -> str:
    """Shorten a text to be shown, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}…"


def quote(text: str) -> str:
    """Shorten a text and put it into quotes."""
    return repr(shorten(text))
