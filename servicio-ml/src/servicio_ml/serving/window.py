"""Time windows: their length up to now, such as `24h` or `30d`, or a moment at which they begin or end."""

import re
from datetime import UTC, datetime

from servicio_ml.errors import RequestError

WINDOW = re.compile(r"([1-9][0-9]{0,3})([hd])")
UNIT_SECONDS = {"h": 3600, "d": 86400}
MAX_WINDOW_SECONDS = 90 * UNIT_SECONDS["d"]
# the text comes from a request and is echoed in the message
SHOWN_CHARACTERS = 64


def parse_window_seconds(window: str) -> int:
    """Parse the length of a window such as `24h` or `7d` into seconds.

    Raises:
        RequestError: The text is no window, or the window is longer than 90 days.
    """
    match = WINDOW.fullmatch(window)
    seconds = int(match[1]) * UNIT_SECONDS[match[2]] if match else 0
    if not 0 < seconds <= MAX_WINDOW_SECONDS:
        raise RequestError(f"window {window[:SHOWN_CHARACTERS]!r}", "it takes 1h to 90d, such as 24h or 7d")
    return seconds


def parse_moment(name: str, text: str, now: float) -> float:
    """Parse one end of a window: its distance from now, or a date or date-time in ISO 8601.

    Args:
        name: Name of the option or parameter.
        text: Text; without an offset from UTC, it is in UTC.
        now: Current time, in seconds since 1970.

    Returns:
        Seconds since 1970.

    Raises:
        RequestError: The text is neither.
    """
    if WINDOW.fullmatch(text):
        return now - parse_window_seconds(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError) as error:
        allowed = "it takes 1h to 90d before now, or a time (UTC) such as 2026-01-31 or 2026-01-31T12:00:00Z"
        raise RequestError(f"{name} {text[:SHOWN_CHARACTERS]!r}", allowed) from error


def parse_period(since: str, until: str, now: float) -> tuple[float, float]:
    """Parse the two ends of a window, see `parse_moment`; now where `until` is empty.

    Raises:
        RequestError: An end is wrong, or the window does not begin before it ends.
    """
    start, end = parse_moment("since", since, now), parse_moment("until", until, now) if until else now
    if start >= end:
        raise RequestError(f"since {since!r} is not before until {until or 'now'!r}", "exchange them")
    return start, end
