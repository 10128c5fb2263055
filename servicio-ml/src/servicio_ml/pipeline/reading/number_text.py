"""Numbers in the text of raw files: decimal marks, groups of thousands and units.

Expressions use only the syntax that Rust's (Polars) and Java's (Spark) regular expressions share. Digits are
[0-9], since the class of digits of Rust matches those of every script.
"""

from collections.abc import Mapping

import narwhals as nw

from servicio_ml.pipeline.reading.surroundings import EDGE, build_unit_pattern

EITHER = ""
"""Decimal mark of a file in which a number may have a point or a comma: ambiguous numbers are refused."""
POINT, COMMA = ".", ","

_LETTERS_AND_DIGITS = r"\p{L}\p{N}"
# a power or a quotient of a unit is another unit: `m^2`, `km/h`
_UNIT_END = rf"(?:[^{_LETTERS_AND_DIGITS}_^*·/]|/(?:[^\p{{L}}]|$)|$)"
_UNIT_START = r"(?:^|[^\p{L}])"
UNIT_PATTERN = r"^\s*[\p{L}%°$€£¥]"
"""A unit directly after a number."""


def _build_number_pattern(mark: str, group: str) -> str:
    first, more = r"[1-9][0-9]{0,2}", rf"(?:{group}[0-9]{{3}})+"
    indian = rf"[1-9][0-9]?(?:{group}[0-9]{{2}})+{group}[0-9]{{3}}"
    whole = rf"(?:{first}{more}|{indian}|[0-9]+)"
    return rf"^[+-]?(?:{whole}(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]{{1,3}})?$"


NUMBER_PATTERNS = {POINT: _build_number_pattern("[.]", ","), COMMA: _build_number_pattern(",", "[.]")}
"""A number by its decimal mark, with or without groups of thousands (`2,700`, `1,45,500`)."""


def parse_number(text: nw.Expr, decimal: str) -> nw.Expr:
    """Parse the text of a number; null where it is none, or where it is ambiguous."""
    if decimal != EITHER:
        return _parse_marked_number(text, decimal)
    point, comma = _parse_marked_number(text, POINT), _parse_marked_number(text, COMMA)
    # a comparison with null is null: a text that is a number in one way only is that number
    either = nw.when(point.is_null()).then(comma).otherwise(point)
    return nw.when(~(point != comma).fill_null(value=False)).then(either)


def _parse_marked_number(text: nw.Expr, decimal: str) -> nw.Expr:
    group = COMMA if decimal == POINT else POINT
    number = nw.when(text.str.contains(NUMBER_PATTERNS[decimal])).then(text)
    digits = number.str.replace_all(group, "", literal=True)
    return digits.str.replace_all(decimal, POINT, literal=True).cast(nw.Float64)


def build_unit_factor(text: nw.Expr, after: nw.Expr, units: Mapping[str, float]) -> nw.Expr:
    """Build the factor of the unit after a number, otherwise of one anywhere in the text; null if unknown.

    The longest unit that ends with a word wins; without any unit, the factor is 1.

    Args:
        text: Text of the value.
        after: Text after the number, see `extract_surroundings`.
        units: Factors by name of a unit, in lower case.
    """
    text, after = text.str.to_lowercase(), after.str.replace_all(EDGE, "", literal=True).str.to_lowercase()
    factor = _choose_unit(text, _UNIT_START, units, nw.lit(1.0))
    # a word after the number is its unit, so another one elsewhere does not replace it
    unknown = nw.when(~after.str.contains(UNIT_PATTERN)).then(factor)
    return _choose_unit(after, r"^\s*", units, unknown)


def _choose_unit(text: nw.Expr, start: str, units: Mapping[str, float], otherwise: nw.Expr) -> nw.Expr:
    factor = otherwise
    # the last `when` wraps the others, so the longest unit is tested first
    for unit in sorted(units, key=len):
        end = _UNIT_END if unit[-1].isalnum() else ""
        named = text.str.contains(f"{start}{build_unit_pattern(unit)}{end}")
        factor = nw.when(named).then(nw.lit(float(units[unit]))).otherwise(factor)
    return factor
