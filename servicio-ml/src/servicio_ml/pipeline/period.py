"""Periods: calendar months as `YYYY-MM`."""

import calendar
from datetime import UTC, date, datetime

from servicio_ml.domain.published import PERIOD
from servicio_ml.errors import SettingsError


def current_period(now: float) -> str:
    """The month, in UTC, of a time in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def last_day(period: str, option: str = "--period") -> date:
    """The last day of a period.

    Args:
        period: `YYYY-MM`.
        option: By which it was given, for the message.

    Raises:
        SettingsError: It is no month.
    """
    if not PERIOD.fullmatch(period):
        raise SettingsError(option, f"{period!r} is no month; give it as YYYY-MM, such as 2016-06")
    year, month = (int(part) for part in period.split("-"))
    return date(year, month, calendar.monthrange(year, month)[1])
