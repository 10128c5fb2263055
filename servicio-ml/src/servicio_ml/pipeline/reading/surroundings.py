"""Text around the value that a pattern takes from a text: signs, digits and units that it leaves out."""

import re
from collections.abc import Collection, Sequence

import narwhals as nw

EDGE = "\x1f"
"""Character between the text that a pattern matches around its value and the text outside the pattern."""
SIGN_PATTERN = r"(?:(?:^|[^0-9A-Za-z)])[-−–]|(?:^|[^0-9A-Za-z)\s])\s*[-−–]\s+)$"
"""A sign before a number; the hyphen of `A-3` and the dash of a range `1500-2500` are none."""
DIGITS_BEFORE_PATTERN = f"[0-9](?:[.,']?{EDGE}|{EDGE}?[.,'])$"
DIGITS_AFTER_PATTERN = f"^(?:{EDGE}[0-9]|{EDGE}?[.,'][0-9]|{EDGE}?[ \u00a0\u202f][0-9]{{3}}(?:[^0-9]|$))"
"""Digits of the same number that a pattern leaves out: `,667` of `1,667`, where it takes the 1."""


def extract_surroundings(text: nw.Expr, pattern: str) -> tuple[nw.Expr, nw.Expr]:
    """Extract the text before and after the value of a pattern, with an `EDGE` where the pattern ends."""
    marked = f"(?s)^(.*?)(?:{_mark_surroundings(pattern)})(.*)$"
    # after the groups of the pattern: three around its value and the first of the text
    last = re.compile(pattern).groups + 4
    before, after = f"$1{EDGE}$2", f"$4{EDGE}${last}"
    return text.str.replace_all(marked, before), text.str.replace_all(marked, after)


def is_cut_number(before: nw.Expr, after: nw.Expr) -> nw.Expr:
    """Whether a value lacks its sign, or digits, which its pattern leaves out."""
    sign = before.str.replace_all(EDGE, "", literal=True).str.contains(SIGN_PATTERN)
    return sign | before.str.contains(DIGITS_BEFORE_PATTERN) | after.str.contains(DIGITS_AFTER_PATTERN)


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
