"""Date-times: a day with a time of day to the second, as written or in one time zone."""

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from servicio_ml.domain.values import DATE_CHARACTERS, DATETIME_PATTERN, EPOCH_DAY, FIRST_DAY, LAST_DAY

SECONDS_PER_DAY = 86_400
ISO_FORMAT = "%Y-%m-%dT%H:%M:%S"
EPOCH = datetime.combine(EPOCH_DAY, time())
_DATETIME = re.compile(DATETIME_PATTERN)
_TIME = re.compile(r"[T ](?P<time>[0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.[0-9]+)? ?(?P<offset>.*)")


def find_zone_problem(zone: str) -> str:
    """Describe why a text is no time zone that this machine knows; empty if it is one."""
    try:
        _get_zone(zone)
    # a folder, a path outside of the database, or a name that is not there
    except (OSError, ValueError, KeyError):
        return f"the time zone {zone!r} is unknown here; name one of the IANA database, such as Europe/Madrid"
    return ""


def parse_datetime(text: str, zone: str) -> datetime:
    """Parse a text; a fraction of a second is cut off.

    Args:
        text: Text.
        zone: Time zone to which one with an offset is converted; empty to take the time as written.

    Returns:
        The date-time without a zone.

    Raises:
        ValueError: The text does not match `DATETIME_PATTERN`, or is converted to a day beyond its days.
    """
    if _DATETIME.fullmatch(text) is None:
        raise ValueError(text)
    found, day = _TIME.fullmatch(text[DATE_CHARACTERS:]), text[:DATE_CHARACTERS]
    if found is None:
        return datetime.fromisoformat(day)
    offset = found["offset"].replace("UTC", "Z") if zone else ""
    return convert_moment(datetime.fromisoformat(f"{day}T{found['time']}{offset}"), zone)


def convert_moment(value: date, zone: str) -> datetime:
    """Convert a date or a date-time of Python, see `parse_datetime`.

    Raises:
        ValueError: Its day is outside `FIRST_DAY` to `LAST_DAY`.
    """
    moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)  # noqa: DTZ001
    if moment.tzinfo and zone:
        try:
            moment = moment.astimezone(_get_zone(zone))
        except OverflowError as error:
            raise ValueError(value) from error
    if not FIRST_DAY <= moment.date() <= LAST_DAY:
        raise ValueError(value)
    return moment.replace(tzinfo=None, microsecond=0)


def count_fractional_days(moment: datetime) -> float:
    """Count the days from 1970-01-01, with the time of day as a fraction."""
    return (moment - EPOCH) / timedelta(days=1)


def write_date(day: int) -> str:
    """Write a day since 1970-01-01 as ISO 8601 text."""
    return (EPOCH + timedelta(days=day)).date().isoformat()


@lru_cache
def _get_zone(name: str) -> tzinfo:
    return UTC if name == "UTC" else ZoneInfo(name)
