"""Checks of the rules that parse raw texts."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.values import map_codes, normalize_code, normalize_text

if TYPE_CHECKING:
    from servicio_ml.domain.schema import Parse


def find_parse_problems(parse: "Parse", kind: str, levels: Sequence[str]) -> Iterator[str]:
    """Describe rules of a parsing that its field cannot use.

    Args:
        parse: Rules of the field.
        kind: Kind of the field.
        levels: Levels of a category or a target.
    """
    for name, value in (("units", parse.units), ("missing_numbers", parse.missing_numbers)):
        if value and kind not in {"number", "integer"}:
            yield f"{name} are for numbers; leave them out"
    if parse.date_format and kind not in {"date", "datetime"}:
        yield "date_format is for dates and date-times; leave it out"
    if parse.fold_case:
        yield from _find_folding_problems(kind, levels)


def _find_folding_problems(kind: str, levels: Sequence[str]) -> Iterator[str]:
    if kind != "category":
        yield "fold_case is for categories; leave it out"
    elif not levels:
        yield "its levels are learned, and fold_case finds given ones; leave it out"
    elif map_codes(levels):
        yield "its levels are numbers, which have no case; leave fold_case out"
    elif len({normalize_text(level) for level in levels}) < len(levels):
        yield "levels differ in case or white space only, so that fold_case cannot distinguish them"


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
