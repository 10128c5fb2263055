"""Lengths of time windows that end now, such as `24h` or `30d`."""

import re

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
