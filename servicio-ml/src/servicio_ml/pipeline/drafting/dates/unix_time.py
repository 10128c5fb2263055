"""Days as Unix time: whole numbers of seconds or milliseconds since 1970-01-01 UTC."""

import re

from servicio_ml.domain.fields.date_format import UNITS_PER_DAY
from servicio_ml.domain.schema import Kind, Parse
from servicio_ml.pipeline.drafting.columns.date import build_date_finding, build_datetime_finding
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    parse_numbers,
)
from servicio_ml.pipeline.drafting.columns.statistics import compute_share
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

PATTERNS = {
    "epoch_s": r"^(?:1[0-9]|20)[0-9]{8}(?:[.]0*)?$",
    "epoch_ms": r"^(?:1[0-9]|20)[0-9]{11}(?:[.]0*)?$",
}
"""Whole numbers of 10 or 13 digits: those of the years 2001 to 2036."""
NAME = re.compile(
    r"(.*_)?(date|day|time|timestamp|datetime|epoch|unix|unixtime|ts|at|on)(_(s|ms|utc|unix|epoch))*"
)
"""Name of a field that speaks for a time."""


def find_unix_time(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds Unix time, by its name or because every number is a midnight."""
    for date_format in PATTERNS:
        if _has_format(column, date_format) and (evidence := _find_evidence(column, date_format)):
            return _build_moments(column, date_format, evidence) or _build_days(column, date_format, evidence)
    return None


def read_unix_time(column: RawColumn, kind: Kind) -> ColumnFinding | None:
    """Read a column as Unix time because the user says that it holds dates or date-times."""
    build = _build_days if kind is Kind.DATE else _build_moments
    fitting = (each for each in PATTERNS if _has_format(column, each))
    return next(
        (build(column, each, format_reason("recognized by the size of its numbers")) for each in fitting),
        None,
    )


def _has_format(column: RawColumn, date_format: str) -> bool:
    return compute_share(column.present.str.contains(PATTERNS[date_format])) >= MIN_READABLE


def _find_evidence(column: RawColumn, date_format: str) -> str:
    if NAME.fullmatch(column.field_name):
        return format_reason("recognized by its name")
    numbers = parse_numbers(column.present, column.decimal).drop_nulls()
    is_midnight = numbers % UNITS_PER_DAY[date_format] == 0
    is_found = compute_share(is_midnight) >= MIN_READABLE
    return format_reason("each of its moments is a midnight") if is_found else ""


def _build_moments(column: RawColumn, date_format: str, evidence: str) -> ColumnFinding | None:
    what = (
        format_reason("date-times of UTC as seconds since 1970")
        if date_format == "epoch_s"
        else format_reason("date-times of UTC as milliseconds since 1970")
    )
    return build_datetime_finding(column, Parse(date_format=date_format), join_reasons(what, evidence))


def _build_days(column: RawColumn, date_format: str, evidence: str) -> ColumnFinding:
    what = (
        format_reason("seconds since 1970, of which the day in UTC is read")
        if date_format == "epoch_s"
        else format_reason("milliseconds since 1970, of which the day in UTC is read")
    )
    parse = Parse(date_format=date_format)
    return build_date_finding(column, column.texts, parse, join_reasons(what, evidence))
