"""Rules that parse the text of a raw file."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from servicio_ml.domain.checks.attributes import Label, Limits, Stripped, check_attributes
from servicio_ml.domain.fields.date_format import check_date_format
from servicio_ml.errors import UseCaseError

# polars compiles the pattern with Rust's engine, Python only checks it here
UNSUPPORTED_PATTERN = re.compile(r"\(\?(?:<?[=!]|>|\(|P)|\\[1-9Z]|[*+?}]\+")
"""Syntax of Python's regular expressions that Rust's or Java's lack."""
UnitFactor = Annotated[float, Limits(above=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parse:
    """Rules that parse the text of a raw file into the value of a field.

    Attributes:
        pattern: Regular expression (common subset of Rust and Java) whose first group is the value; empty
            takes the full text. A text without a match is rejected, and one with a number, a bracket or a
            sign outside of the match; an empty group is missing.
        units: Factor to the field's unit by name of a unit (any case), beside the pattern of the number. The
            first one found in the text applies; a text without one is in the field's unit.
        missing: Texts that mean missing, in addition to those of the use case.
        missing_numbers: Numbers, after conversion, that mean missing (a cloud cover of 9, an engine of 0 hp).
        recode: Replacement by raw text, applied before everything else; other texts stay unchanged.
        date_format: Format of the days of a date, such as `%d/%m/%Y`: `%d`, `%m` (or `%b`, an English name of
            a month) and `%Y` (or `%y`, of 1969 to 2068), each once, between other characters. Zeros in front
            are optional. `epoch_s` and `epoch_ms` are the seconds and milliseconds since 1970-01-01 UTC, of
            which the day in UTC is read. Empty for days as YYYY-MM-DD, which are read beside any format.
        fold_case: True when a text stands for the level that differs from it in upper and lower case or in
            the white space between its words only.
    """

    pattern: str = ""
    units: Mapping[Label, UnitFactor] = field(default_factory=dict)
    missing: tuple[Stripped, ...] = ()
    missing_numbers: tuple[float, ...] = ()
    recode: Mapping[Stripped, Stripped] = field(default_factory=dict)
    date_format: str = ""
    fold_case: bool = False

    def __post_init__(self) -> None:
        check_attributes(self, "parse")
        factors = {unit.lower(): factor for unit, factor in self.units.items()}
        if clashing := [unit for unit, factor in self.units.items() if factors[unit.lower()] != factor]:
            problem = f"unit {clashing[0]!r} has two factors; units compare without regard to case"
            raise UseCaseError("parse", problem)
        if self.units and not self.pattern:
            problem = "units need a pattern whose first group is the number before the unit"
            raise UseCaseError("parse", f'{problem}; give one, such as pattern=r"([+-]?[\\d.,]+)"')
        if self.date_format:
            check_date_format(self.date_format)
        if self.pattern:
            _check_pattern(self.pattern)


def _check_pattern(pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise UseCaseError(f"pattern {pattern!r}", f"it is no regular expression ({error})") from error
    if not groups or UNSUPPORTED_PATTERN.search(pattern):
        problem = (
            "its first group must be the value, without look-around and back-references, possessive and "
            "atomic groups"
        )
        raise UseCaseError(f"pattern {pattern!r}", problem)
