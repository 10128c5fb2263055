"""Text around the value that a pattern takes from a text: signs, digits and units that it leaves out."""

import re
from collections.abc import Collection, Sequence

import narwhals as nw

EDGE = "\x1f"
"""Character between the text that a pattern matches around its value and the text outside the pattern."""
_DASH = r"[\p{Pd}−]"
_MONEY = r"(?:\p{Sc}\s*)?"
SIGN_PATTERN = rf"(?:(?:^|[^0-9A-Za-z)]){_DASH}|(?:^|[^0-9A-Za-z)\s])\s*{_DASH}\s+){_MONEY}$"
"""A sign before a number; the hyphen of `A-3` and the dash of a range `1500-2500` are none."""
DIGITS_BEFORE_PATTERN = f"[0-9](?:[.,']?{EDGE}|{EDGE}?[.,'])$"
DIGITS_AFTER_PATTERN = (
    rf"^(?:{EDGE}[0-9]|{EDGE}?[.,'][0-9]|{EDGE}?[ \u00a0\u202f][0-9]{{3}}(?:[^0-9]|$)"
    rf"|{EDGE}?[eE][+-]?[0-9]|{EDGE}?\s*[\p{{N}}&&[^0-9]])"
)
"""Digits of the same number that a pattern leaves out: `,667` of `1,667`, where it takes the 1."""
OUTSIDE_BEFORE_PATTERN = rf"[\p{{N}}(（]|^\s*{_DASH}|(?:[^\p{{L}}]{_DASH}|[<>≤≥±])\s*{_MONEY}$"
"""A number, a bracket, a minus sign or a comparison before the text that a pattern matches."""
OUTSIDE_AFTER_PATTERN = rf"\p{{N}}|^\s*\+|{_DASH}\s*(?:[^\p{{L}}\s]|$)"
"""A number or a sign after the text that a pattern matches; the hyphen of `4-door` is none."""
UNIT_DIGITS_PATTERN = r"((?:^|[^\p{L}])[mM]|\p{L}\p{L}|/\p{L})[2-4²³⁴]|(\p{L}\s?/\s?)10+(\s?\p{L})"
"""Digits of a unit: `m2`, `cm³`, `m/s2`, `l/100 km`; those of `5x3`, `5h30` and `5k3` are of the number."""

MAGNITUDES = (
    "hundred", "thousand", "million", "millions", "billion", "trillion", "lakh", "lakhs", "crore", "crores",
    "mn", "mio", "bn", "mrd",
)  # fmt: skip
"""Words after a number that multiply it."""
MAGNITUDE_LETTERS = "kKMB"
"""Letters that multiply a number where they follow it at once: `5k`, `19M`; `5 K` is a temperature."""


def extract_surroundings(text: nw.Expr, pattern: str) -> tuple[nw.Expr, nw.Expr]:
    """Extract the text before and after the value of a pattern, with an `EDGE` where the pattern ends."""
    marked = f"(?s)^(.*?)(?:{_mark_surroundings(pattern)})(.*)$"
    # after the groups of the pattern: three around its value and the first of the text
    last = re.compile(pattern).groups + 4
    before, after = f"$1{EDGE}$2", f"$4{EDGE}${last}"
    return text.str.replace_all(marked, before), text.str.replace_all(marked, after)


def is_cut_number(before: nw.Expr, after: nw.Expr, units: Collection[str]) -> nw.Expr:
    """Whether a value lacks a sign, digits, a magnitude or another number, which its pattern leaves out.

    Args:
        before: Text before the value, see `extract_surroundings`.
        after: Text after the value.
        units: Names of units in lower case, whose digits are no numbers and whose names no magnitudes.
    """
    sign = before.str.replace_all(EDGE, "", literal=True).str.contains(SIGN_PATTERN)
    cut = before.str.contains(DIGITS_BEFORE_PATTERN) | after.str.contains(DIGITS_AFTER_PATTERN)
    outside = before.str.replace_all(f"(?s){EDGE}.*$", "").str.contains(OUTSIDE_BEFORE_PATTERN)
    rest = after.str.replace_all(f"(?s)^[^{EDGE}]*{EDGE}", "")
    for unit in sorted(units, key=len, reverse=True):
        if not unit.isalpha():
            named = rf"(?i)(^|[^\p{{L}}\p{{N}}]){build_unit_pattern(unit)}([^\p{{L}}\p{{N}}]|$)"
            rest = rest.str.replace_all(named, "$1$2")
    rest = rest.str.replace_all(UNIT_DIGITS_PATTERN, "$1$2$3")
    scaled = after.str.contains(_build_magnitude_pattern(units))
    return sign | cut | outside | scaled | rest.str.contains(OUTSIDE_AFTER_PATTERN)


def _build_magnitude_pattern(units: Collection[str]) -> str:
    """Build the pattern of a word or letter that multiplies the number before it and is none of the units."""
    words = "|".join(word for word in MAGNITUDES if word not in units)
    letters = "".join(letter for letter in MAGNITUDE_LETTERS if letter.lower() not in units)
    letter = f"|{EDGE}[{letters}]" if letters else ""
    return rf"^(?:{EDGE}?[\s-]*(?i:{words}){letter})(?:[^\p{{L}}\p{{N}}]|$)"


def build_unit_pattern(unit: str) -> str:
    """Build the pattern of the name of a unit, whose words any blanks separate."""
    return r"\s+".join(re.escape(word) for word in unit.split())


def _mark_surroundings(pattern: str) -> str:
    """Add groups around the first group of a pattern: what its alternative matches before and after it."""
    start, opened, closed, end = _locate_first_group(pattern)
    before, value, after = pattern[start:opened], pattern[opened:closed], pattern[closed:end]
    return f"{pattern[:start]}({before}){value}({after}){pattern[end:]}"


_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<flags>\(\?[a-zA-Z]+\))|(?P<open>\((?!\?)|\(\?P?<)|(?P<other>\(\?)|(?P<shut>\))"
    r"|(?P<or>\|)|.",
    re.DOTALL,
)
"""Parts of a pattern of which only groups and alternatives matter here."""
_QUANTIFIER = re.compile(r"(?:[*+?]|\{[0-9,]+\})*")
_Token = tuple[str | None, int, re.Match[str]]
"""Kind, depth and match of a token; both ends of a group have the depth outside of it."""


def _locate_first_group(pattern: str) -> tuple[int, int, int, int]:
    """Locate the alternative that holds the first group: its start, the group's start and end, its end."""
    tokens = _list_tokens(pattern)
    first = next(i for i, (kind, _, _) in enumerate(tokens) if kind == "open")
    depth, opened = tokens[first][1], tokens[first][2].start()
    last = next(i for i, each in enumerate(tokens) if i > first and each[:2] == ("shut", depth))
    quantifier = _QUANTIFIER.match(pattern, tokens[last][2].end())
    closed = tokens[last][2].end() if quantifier is None else quantifier.end()
    before = {("or", depth), ("flags", depth), ("open", depth - 1), ("other", depth - 1)}
    start = _find_token(tokens[:first][::-1], before)
    end = _find_token(tokens[last + 1 :], {("or", depth), ("shut", depth - 1)})
    return start[2].end() if start else 0, opened, closed, end[2].start() if end else len(pattern)


def _find_token(tokens: Sequence[_Token], wanted: Collection[tuple[str, int]]) -> _Token | None:
    return next((each for each in tokens if each[:2] in wanted), None)


def _list_tokens(pattern: str) -> list[_Token]:
    """List the tokens of a pattern in order."""
    tokens: list[_Token] = []
    depth = 0
    for token in _TOKEN.finditer(pattern):
        kind = token.lastgroup
        depth -= kind == "shut"
        tokens.append((kind, depth, token))
        depth += kind in {"open", "other"}
    return tokens
