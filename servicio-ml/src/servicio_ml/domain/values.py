"""Meaning of values, the same on every interface: days, whole numbers, and codes of categories.

The regular expressions use the syntax that Python, Rust (Polars, Pydantic) and Java (Spark) have in common.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import nextafter
from numbers import Number

MAX_NUMBER = nextafter((2 - 2.0**-24) * 2.0**127, 0)
"""Maximum of a number: the maximum that is rounded to the maximum float32, such as its text 3.4028235e38."""
MAX_WHOLE_NUMBER = 2**24
"""Maximum of an integer: beyond it, neighbours are equal in float32."""

FIRST_DAY, LAST_DAY = date(1000, 1, 1), date(2999, 12, 31)
EPOCH_DAY = date(1970, 1, 1)
"""First and last day that a date may be."""
_LEAP_DAY = r"(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)-02-29"
_OTHER_DAY = (
    r"[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
# the day as written counts, so the offset of a midnight is of no importance
_OFFSET = r" ?(?:Z|UTC|[+-](?:0[0-9]|1[0-4])(?::?[0-5][0-9])?)"
_MIDNIGHT = rf"[T ]00:00(?::00(?:\.0{{1,9}})?)?(?:{_OFFSET})?"
DATE_PATTERN = f"^(?:{_OTHER_DAY}|{_LEAP_DAY})(?:{_MIDNIGHT})?$"
"""A day that exists, from `FIRST_DAY` to `LAST_DAY`, alone or with its midnight."""
DATE_CHARACTERS = 10
"""Number of characters of the day; a midnight follows them."""
_TIME = r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
DATETIME_PATTERN = f"^(?:{_OTHER_DAY}|{_LEAP_DAY})(?:{_TIME}(?:{_OFFSET})?)?$"
"""A day that exists, with a time of day and its offset; a day alone is its midnight."""

CODE_PATTERN = r"^[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)$"
"""A number that can be a code: without exponent and without groups of thousands."""
CODE_STEPS = (
    (r"^[+]", ""),
    (r"^(-?)0+([0-9.])", "$1$2"),
    (r"([.][0-9]*[1-9])0+$", "$1"),
    (r"[.]0*$", ""),
    (r"^-?0?$", "0"),
)
"""Replacements that give all texts of one number the same form: `+03.0` becomes `3`."""

OTHER = "other"
"""Level of the rare and unseen texts of a category whose levels are learned."""

_DATE, _CODE = re.compile(DATE_PATTERN), re.compile(CODE_PATTERN)
_CODE_STEPS = [(re.compile(pattern), text.replace("$", "\\")) for pattern, text in CODE_STEPS]


WHITE_SPACE = r"[\s\u00A0]+"
"""White space between words, with the blank that breaks no line."""

BOOLEAN_LEVELS = ("false", "true")
"""Texts of a boolean, in the order of their codes: 0 and 1."""
BOOLEAN_WORDS: Mapping[str, tuple[str, ...]] = {
    "false": ("false", "f", "no", "n", "off", "0"),
    "true": ("true", "t", "yes", "y", "on", "1"),
}
"""Texts of a raw file that stand for a boolean, in lower case; numbers compare by value."""


def get_number_limits(minimum: float | None, maximum: float | None) -> tuple[float, float]:
    """Return the limits of a number, inclusive: its bounds, within what float32 can hold."""
    return -MAX_NUMBER if minimum is None else minimum, MAX_NUMBER if maximum is None else maximum


def describe_bounds(minimum: float | None, maximum: float | None, unit: str) -> str:
    """Describe the bounds of a number after its name, empty without any: ` from 1 to 20 kg`."""
    # ten digits: enough for every bound, without the noise of a float's full text
    low, high = ("" if bound is None else f"{bound:.10g}" for bound in (minimum, maximum))
    unit = f" {unit}" if unit else ""
    if low and high:
        return f" from {low} to {high}{unit}"
    if low:
        return f" of at least {low}{unit}"
    return f" of at most {high}{unit}" if high else ""


def parse_date(text: str) -> date:
    """Parse the text of a day.

    Raises:
        ValueError: The text does not match `DATE_PATTERN`.
    """
    if _DATE.fullmatch(text) is None:
        raise ValueError(text)
    return date.fromisoformat(text[:DATE_CHARACTERS])


def truncate_midnight(value: date) -> date:
    """Return a day, or the day of a midnight in its own time zone.

    Raises:
        ValueError: The value has another time of day, or is outside `FIRST_DAY` to `LAST_DAY`.
    """
    day = value
    if isinstance(value, datetime):
        if value.time() != time():
            raise ValueError(value)
        day = value.date()
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(value)
    return day


def normalize_code(text: str) -> str | None:
    """Normalize the text of a number, so that equal numbers have equal texts; None if it is no number."""
    if _CODE.fullmatch(text) is None:
        return None
    for pattern, replacement in _CODE_STEPS:
        text = pattern.sub(replacement, text)
    return text


def map_codes(levels: Sequence[str]) -> Mapping[str, str]:
    """Map normalized numbers to levels; empty unless all levels are different numbers."""
    codes = {normalize_code(level): level for level in levels}
    if len(codes) < len(levels):
        return {}
    known = {code: level for code, level in codes.items() if code is not None}
    return known if len(known) == len(levels) else {}


def normalize_text(text: str) -> str:
    """Fold a text: lower case, and one blank for the white space between words."""
    return re.sub(WHITE_SPACE, " ", text.lower())


class LevelFinder:
    """Finds the level of a category that a value stands for.

    A text stands for the level that is equal to it, and a boolean for the level `true` or `false`. If all
    levels are numbers, a number or its text stands for the level of the same value. Where the levels are
    learned, numbers compare by value whatever the other levels are, and any other value stands for `OTHER`.

    Args:
        levels: Levels of the category.
        learned: Whether they are learned, see `LearnedLevels`.
    """

    def __init__(self, levels: Sequence[str], *, learned: bool = False) -> None:
        self._levels, self._learned = frozenset(levels), learned
        self._codes = {normalize_code(level): level for level in levels} if learned else map_codes(levels)

    def find(self, value: object) -> str | None:
        """Find the level of a value; None if there is none."""
        if isinstance(value, str):
            return value if value in self._levels else self._find_code(value)
        if isinstance(value, bool):
            text = str(value).lower()
            return text if text in self._levels else self._find_code(text)
        return self._find_code(_write_number(value)) if isinstance(value, Number) else None

    def _find_code(self, text: str) -> str | None:
        if self._learned:
            return self._find_learned(text.strip())
        # without codes, nothing is normalized: the usual case of a wrong level
        code = normalize_code(text) if self._codes else None
        return None if code is None else self._codes.get(code)

    def _find_learned(self, text: str) -> str | None:
        """Find the level of a text without blanks around it; None of an empty one."""
        if text in self._levels or not text:
            return text or None
        code = normalize_code(text)
        return OTHER if code is None else self._codes.get(code, OTHER)


def _write_number(value: Number) -> str:
    """Write a number without an exponent; empty if that is not possible."""
    try:
        # by way of the shortest text, so that a float32 and a float64 of 0.1 are equal
        return format(Decimal(str(value)), "f")
    except (InvalidOperation, ValueError):
        return ""
