"""Refused values, shortened to what a message can hold."""

import json

MAX_VALUE_CHARACTERS = 80
"""Maximum length of a refused value in a message."""
MAX_INTEGER_BITS = 256
"""Size above which an integer is described: Python does not print integers of thousands of digits."""


def truncate_value(value: object) -> object:
    """Shorten a refused value to what a message can hold."""
    if isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS:
        return f"an integer of {value.bit_length()} bits"
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else _format(value)
    return text if len(text) <= MAX_VALUE_CHARACTERS else f"{text[:MAX_VALUE_CHARACTERS]}…"


def _format(value: object) -> str:
    # lists and objects of a client, in the words of its JSON
    return json.dumps(value, default=str) if isinstance(value, (list, dict)) else repr(value)
