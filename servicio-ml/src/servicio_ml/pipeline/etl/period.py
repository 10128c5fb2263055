"""Periods: calendar months as `YYYY-MM`."""

import calendar
from datetime import UTC, date, datetime

from servicio_ml.errors import SettingsError
from servicio_ml.lifecycle.published import PERIOD


def get_current_period(now: float) -> str:
    """Return the month, in UTC, of a time in seconds since 1970."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m")


def choose_period(wanted: str, now: float) -> str:
    """Return the wanted period, or the current month where none is given.

    Args:
        wanted: `YYYY-MM`, or empty.
        now: Seconds since 1970.

    Raises:
        SettingsError: The wanted period is no month.
    """
    # UTC, so that two machines in different zones publish the same period
    period = wanted or get_current_period(now)
    get_last_day(period)
    return period


def get_last_day(period: str, option: str = "--period") -> date:
    """Return the last day of a period.

    Args:
        period: `YYYY-MM`.
        option: Command-line option that gave it, for the message.

    Raises:
        SettingsError: The period is no month.
    """
    if not PERIOD.fullmatch(period):
        raise SettingsError(option, f"{period!r} is no month; give it as YYYY-MM, such as 2016-06")
    year, month = (int(text) for text in period.split("-"))
    return date(year, month, calendar.monthrange(year, month)[1])
