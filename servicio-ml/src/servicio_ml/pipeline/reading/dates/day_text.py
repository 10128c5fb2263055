"""Days in the text of raw files: as YYYY-MM-DD, in another format, or as Unix time."""

from datetime import timedelta

import narwhals as nw

from servicio_ml.domain.fields.date_format import UNITS_PER_DAY, list_date_steps
from servicio_ml.domain.values import DATE_CHARACTERS, DATE_PATTERN, EPOCH_DAY, FIRST_DAY, LAST_DAY

UNIX_TIME_PATTERN = r"^[+-]?[0-9]{1,14}(?:[.][0-9]*)?$"
"""Seconds or milliseconds, with fractions; the exponent of a spreadsheet would have lost the last digits."""

WHOLE_PART = (r"^([0-9]+)[.,]0{1,2}$", "$1")
"""Replacement in a column of a year, month or day: pandas writes `6.0` in a column with blanks."""


def parse_day(text: nw.Expr, date_format: str) -> nw.Expr:
    """Parse the text of a day, see `Parse.date_format`; null where it is none."""
    if date_format in UNITS_PER_DAY:
        days = _count_days(text, UNITS_PER_DAY[date_format])
        # Spark's sum of a day and days is a midnight in the zone of its session
        counted = (nw.lit(EPOCH_DAY) + days * nw.lit(timedelta(days=1))).cast(nw.Date)
        return nw.when(days.is_null()).then(_parse_iso_day(text)).otherwise(counted)
    return _parse_iso_day(rewrite_day(text, date_format) if date_format else text)


def _count_days(text: nw.Expr, units_per_day: int) -> nw.Expr:
    return count_units(text, units_per_day, units_per_day)


def count_units(text: nw.Expr, units_per_day: int, divisor: int) -> nw.Expr:
    """Count what has passed since 1970-01-01 UTC, rounded down; null beyond the days that a date may be.

    Args:
        text: Unix time.
        units_per_day: Number of its units in a day.
        divisor: Number of them that count as one.
    """
    number = nw.when(text.str.contains(UNIX_TIME_PATTERN)).then(text).cast(nw.Float64)
    days = (number / units_per_day).floor()
    first, last = (float((day - EPOCH_DAY).days) for day in (FIRST_DAY, LAST_DAY))
    return nw.when(days >= first, days <= last).then((number / divisor).floor()).cast(nw.Int64)


def rewrite_day(text: nw.Expr, date_format: str) -> nw.Expr:
    """Rewrite a day of a format as YYYY-MM-DD."""
    rewritten, steps = text, [*list_date_steps(date_format)]
    for pattern, replacement in steps:
        rewritten = rewritten.str.replace_all(pattern, replacement)
    # a text of another form stays as it is
    return nw.when(text.str.contains(steps[0][0])).then(rewritten).otherwise(text)


def _parse_iso_day(text: nw.Expr) -> nw.Expr:
    day = nw.when(text.str.contains(DATE_PATTERN)).then(text).str.slice(0, DATE_CHARACTERS)
    return day.str.to_date("%Y-%m-%d")
