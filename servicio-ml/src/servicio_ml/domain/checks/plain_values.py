"""Texts and numbers that every file, database and interface can hold, and how a message shows them."""

import math
import sys
import unicodedata
from collections.abc import Iterator
from reprlib import Repr

MAX_WHOLE = 2**53
"""Maximum of a whole number that is no value of a field: to it, float64 is exact."""
MAX_SHOWN_CHARACTERS = 60
MAX_SHOWN_BITS = 200
PLAIN_BREAKS = "\t\n\r"
"""Control characters of a text of several lines; the form of a single line excludes them."""


def find_plain_problem(value: object, *, is_whole: bool) -> str:
    """Describe why a text or a number cannot be held; empty if it can, or is another value.

    Args:
        value: The value.
        is_whole: Whether it must be a whole number.
    """
    if isinstance(value, str):
        return next(_find_text_problems(value), "")
    if isinstance(value, float) and not math.isfinite(value):
        return "it must be a finite number"
    if not isinstance(value, int):
        return ""
    if is_whole and abs(value) > MAX_WHOLE:
        return f"it must be from {-MAX_WHOLE:,} to {MAX_WHOLE:,}"
    return "it must be a number that float64 holds" if abs(value) > sys.float_info.max else ""


def _find_text_problems(text: str) -> Iterator[str]:
    for character in text:
        category = unicodedata.category(character)
        if category == "Cs":
            yield "it holds half of a surrogate pair, which is no text; write the character itself"
        elif category in {"Cc", "Zl", "Zp"} and character not in PLAIN_BREAKS:
            yield f"it holds the control character {character!r}; leave it out"


def show(value: object) -> str:
    """Show a value in a message, shortened where it is long."""
    return _Shown().repr(value)


def _show_whole_number(short: Repr, x: int, level: int) -> str:
    # Python refuses to write more than 4,300 digits
    if (bits := x.bit_length()) > MAX_SHOWN_BITS:
        return f"a whole number of about {round(bits * math.log10(2)):,} digits"
    return Repr.repr_int(short, x, level)


class _Shown(Repr):
    repr_int = _show_whole_number

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = MAX_SHOWN_CHARACTERS
