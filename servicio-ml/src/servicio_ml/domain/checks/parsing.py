"""Checks of the rules that parse raw texts."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.values import normalize_code

if TYPE_CHECKING:
    from servicio_ml.domain.schema import Parse


def find_parse_problems(parse: "Parse", *, is_number: bool) -> Iterator[str]:
    """Describe rules of a parsing that its field cannot use."""
    if is_number:
        return
    for name, value in (("units", parse.units), ("missing_numbers", parse.missing_numbers)):
        if value:
            yield f"{name} are for numbers; leave them out"


def find_recode_problems(parse: "Parse", levels: Sequence[str], missing: Sequence[str]) -> Iterator[str]:
    """Describe replacements that give no level of a category and no missing value."""
    # a pattern takes a part of the text, so that the replacement itself need not be a level
    if parse.pattern or not levels:
        return
    known, codes = {"", *levels, *missing, *parse.missing}, {normalize_code(level) for level in levels}
    is_coded = None not in codes
    for text, meaning in parse.recode.items():
        if meaning not in known and not (is_coded and normalize_code(meaning) in codes):
            yield f"recode[{text!r}] gives {meaning!r}, which is no level; it would go to quarantine"
