"""Dates: days as YYYY-MM-DD, with or without a time of day."""

import polars as pl

from servicio_ml.domain.schema import Kind, Parse
from servicio_ml.domain.values import DATE_CHARACTERS, DATE_PATTERN
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    describe_rest,
    shorten,
)
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds

MOMENT_PATTERN = r"^(\d{4}-\d{2}-\d{2})[T ]\d"
"""A day with a time of day: the day is read, the time is not."""
OTHER_PATTERNS = (
    r"^\d{1,2}[/.-]\d{1,2}[/.-](\d{4}|\d{2})\b",
    r"^\d{4}[/.]\d{1,2}[/.]\d{1,2}\b",
    r"(?i)^\d{1,2}[ -](jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[ -]\d{2,4}\b",
    r"(?i)^(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]* \d{1,2},? \d{4}\b",
)
"""Dates that cannot be read."""


def find_date(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds days, or dates in a form that cannot be read."""
    present = column.present
    if _compute_share(present, DATE_PATTERN) >= MIN_READABLE:
        return _build_finding(column, column.texts, Parse(), "days as YYYY-MM-DD")
    if _compute_share(present, MOMENT_PATTERN) >= MIN_READABLE:
        days = column.texts.str.extract(MOMENT_PATTERN)
        return _build_finding(
            column, days, Parse(pattern=MOMENT_PATTERN), "moments, of which the day is read"
        )
    if any(_compute_share(present, pattern) >= MIN_READABLE for pattern in OTHER_PATTERNS):
        reason = f"dates such as {shorten(present[0])!r}; write them as YYYY-MM-DD to use them"
        return ColumnFinding(column=column.name, reason=reason)
    return None


def _compute_share(texts: pl.Series, pattern: str) -> float:
    return compute_share(texts.str.contains(pattern))


def _build_finding(column: RawColumn, texts: pl.Series, parse: Parse, what: str) -> ColumnFinding:
    readable = texts.set(~texts.str.contains(DATE_PATTERN).fill_null(value=False), None)
    values = readable.str.slice(0, DATE_CHARACTERS).str.to_date("%Y-%m-%d", strict=False)
    first, last = find_bounds(values)
    field = column.build_field(Kind.DATE, example=last.isoformat(), parse=parse)
    reason = f"{what}, from {first} to {last}{describe_rest(column.texts, values)}"
    return ColumnFinding(column=column.name, reason=reason, field=field, values=values)
