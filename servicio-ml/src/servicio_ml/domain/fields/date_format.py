"""Formats of days in raw files: patterns in the syntax that Rust and Java share, and Unix time."""

import re
from collections.abc import Iterator

from servicio_ml.errors import UseCaseError

MONTHS = (
    ("jan", "uary"), ("feb", "ruary"), ("mar", "ch"), ("apr", "il"), ("may", ""), ("jun", "e"), ("jul", "y"),
    ("aug", "ust"), ("sep", "t|tember"), ("oct", "ober"), ("nov", "ember"), ("dec", "ember"),
)  # fmt: skip
"""First letters of the English names of months, with the rest that may follow."""
_NAMES = "|".join(f"{first}(?:{rest})?" for first, rest in MONTHS)
PARTS = {
    "%d": "(0?[1-9]|[12][0-9]|3[01])",
    "%m": "(0?[1-9]|1[0-2])",
    "%b": rf"({_NAMES})[.]?",
    "%Y": "([12][0-9]{3})",
    "%y": "([0-9]{2})",
}
"""Pattern of each part of a format."""
REQUIRED_PARTS = (("%Y", "%y"), ("%m", "%b"), ("%d",))
"""Parts of a day, from the year on; of each one alternative."""
READ_AS_ISO = "%Y-%d-%m"
UNITS_PER_DAY = {"epoch_s": 86_400, "epoch_ms": 86_400_000}
"""Seconds and milliseconds of a day, by the name of the format that counts them from 1970-01-01 UTC on."""
_PART = re.compile(r"%.?")


def check_date_format(text: str) -> None:
    """Check a format of days.

    Raises:
        UseCaseError: A part is unknown, missing or repeated, or a text would have two meanings.
    """
    if text in UNITS_PER_DAY:
        return
    if problem := next(_find_problems(text), ""):
        names = " or ".join(map(repr, UNITS_PER_DAY))
        raise UseCaseError(f"date_format {text!r}", f"{problem}; write one such as '%d/%m/%Y', or {names}")


def _find_problems(text: str) -> Iterator[str]:
    found, literal = _PART.findall(text), _PART.sub("", text)
    if unknown := [part for part in found if part not in PARTS]:
        yield f"{unknown[0]!r} is no part of a day; parts are {', '.join(PARTS)}"
    for parts in REQUIRED_PARTS:
        if (number := sum(found.count(part) for part in parts)) != 1:
            yield f"it has {number} of {' and '.join(parts)}; it takes one"
    if re.search(r"[0-9A-Za-z]", literal):
        yield "it has letters or digits between the parts; take the day from the text by a pattern"
    # days as YYYY-MM-DD are read beside any format
    if text == READ_AS_ISO:
        yield "its texts could be days as YYYY-MM-DD, too"


def list_parts(date_format: str) -> list[str]:
    """List the parts of a format, such as `%d`, in order."""
    return _PART.findall(date_format)


def build_date_pattern(date_format: str) -> str:
    """Build the pattern of a day, with a group for each part of its format."""
    ends = [*_PART.finditer(date_format)]
    pattern, position = "", 0
    for found in ends:
        pattern += _escape(date_format[position : found.start()]) + PARTS[found.group()]
        position = found.end()
    return f"(?i)^{pattern}{_escape(date_format[position:])}$"


def _escape(literal: str) -> str:
    # the white space of the format stands for any
    return re.sub(r"(?:\\ )+", r"\\s+", re.escape(literal))


def list_date_steps(date_format: str) -> Iterator[tuple[str, str]]:
    """List the replacements that turn a day into YYYY-MM-DD, the first one by its pattern."""
    parts = list_parts(date_format)
    groups = [next(f"${parts.index(part) + 1}" for part in each if part in parts) for each in REQUIRED_PARTS]
    yield build_date_pattern(date_format), "-".join(groups)
    if "%b" in parts:
        for number, (first, rest) in enumerate(MONTHS, start=1):
            yield f"(?i)-{first}(?:{rest})?-", f"-{number:02}-"
    yield "-([0-9])-", "-0$1-"
    yield "-([0-9])$", "-0$1"
    if "%y" in parts:
        # the century of POSIX
        yield "^(69|[7-9][0-9])-", "19$1-"
        yield "^([0-9]{2})-", "20$1-"
