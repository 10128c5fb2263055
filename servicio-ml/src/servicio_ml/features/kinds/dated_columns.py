"""Dates and date-times as days since 1970-01-01, the time of day as a fraction."""

from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.date_time import (
    SECONDS_PER_DAY,
    convert_moment,
    count_fractional_days,
    parse_datetime,
)
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import EPOCH_DAY, FIRST_DAY, LAST_DAY, parse_date, truncate_midnight
from servicio_ml.errors import EncodingError

EPOCH_ORDINAL = EPOCH_DAY.toordinal()
KNOWN_DAYS = 1 << 14
"""Number of texts of days that are kept with their number: the days of 45 years."""
FIRST, LAST = np.datetime64(FIRST_DAY), np.datetime64(LAST_DAY)


def count_days(value: str | date) -> int:
    """Count the days from 1970-01-01 to a day, or to its text (see `domain.values.DATE_PATTERN`).

    Raises:
        ValueError: The value is no day.
    """
    if isinstance(value, str):
        return count_text_days(value)
    return truncate_midnight(value).toordinal() - EPOCH_ORDINAL


# requests hold the same few days: a lookup costs a fifth of parsing
@lru_cache(KNOWN_DAYS)
def count_text_days(text: str) -> int:
    """Count the days from 1970-01-01 to the day of a text.

    Raises:
        ValueError: The text is no day.
    """
    return parse_date(text).toordinal() - EPOCH_ORDINAL


def build_dated_reader(each: Field) -> Callable[[Any], float]:
    """Build the function that reads one value of a dated field; it raises `EncodingError`."""
    allowed = each.allowed
    count = count_days if each.kind is Kind.DATE else build_moment_counter(each.zone)

    def read(value: Any) -> float:
        if value is None:
            return np.nan
        try:
            return count(value)
        except (ValueError, TypeError, AttributeError):
            raise EncodingError(each.name, value, allowed) from None

    return read


def build_moment_counter(zone: str) -> Callable[[str | date], float]:
    """Build the function that counts the days to a date-time, which raises `ValueError` if it is none."""

    def count(value: str | date) -> float:
        moment = parse_datetime(value, zone) if isinstance(value, str) else convert_moment(value, zone)
        return count_fractional_days(moment)

    return count


def read_moments(
    series: nw.Series[Any], each: Field, on_fault: Callable[[EncodingError], None]
) -> npt.NDArray[np.float64] | None:
    """Read a column of dates or timestamps for a dated field.

    Args:
        series: Column with at least one value.
        each: Field of the values.
        on_fault: Called for each value that the field does not take.

    Returns:
        Days, `[n]`; None for a column of another type.
    """
    if series.dtype == nw.Datetime:
        series = _drop_time_zone(series, each)
    filled = ~np.asarray(series.is_null().to_numpy(), dtype=bool)
    # nulls are filtered out before: NaT would become the smallest integer
    moments = series.filter(~series.is_null()).to_numpy() if series.dtype != nw.Object else np.empty(0)
    if moments.dtype.kind != "M":
        return None
    days, seconds = moments.astype("datetime64[D]"), moments.astype("datetime64[s]")
    good = (days >= FIRST) & (days <= LAST)
    if each.kind is Kind.DATE:
        good &= days.astype(moments.dtype) == moments
    rows, allowed = np.flatnonzero(filled), each.allowed
    for bad in np.flatnonzero(~good):
        on_fault(EncodingError(each.name, str(moments[bad]), allowed, int(rows[bad])))
    column = np.full(len(series), np.nan)
    column[rows[good]] = seconds[good].astype(np.int64) / SECONDS_PER_DAY
    return column


def _drop_time_zone(series: nw.Series[Any], each: Field) -> nw.Series[Any]:
    """Return the date and time in the field's time zone, else in the column's own."""
    try:
        if each.zone and getattr(series.dtype, "time_zone", None):
            series = series.dt.convert_time_zone(each.zone)
        return series.dt.replace_time_zone(None)
    # Arrow's error of a zone that it does not know; other engines refuse such a column when it is built
    except ValueError as error:
        raise EncodingError(each.name, f"a column of {series.dtype}", each.allowed) from error
