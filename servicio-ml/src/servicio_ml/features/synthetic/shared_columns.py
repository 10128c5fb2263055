"""Default texts of a raw column that several fields are read from, each by its own pattern."""

import re
from collections.abc import Sequence
from itertools import permutations

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import UseCaseError, format_names

# what the usual pieces of a pattern may stand for; what is left of it must be literal
PIECES = (
    (r"\(\?[a-z]+\)|\^|\$|\\b", ""),
    (r"\\s\*|\\s\?|\.\*\??", ""),
    (r"\\s\+?", " "),
    (r"\\S\+|\\w\+|\.\+\??", "x"),
    (r"\\d\+?|\[0-9\]\+?", "1"),
    (r"\(\?:([^()|]*)\|[^()]*\)\??", r"\1"),
    (r"\\(.)", r"\1"),
)
GROUP = re.compile(r"\((?!\?)(?:[^()]|\([^()]*\))*\)")
SEPARATORS = ("", " ", ", ")


def build_shared_template(use_case: str, fields: Sequence[Field]) -> str:
    """Build a template such as `{power} bhp @ {rpm}`, which every field's pattern reads.

    Raises:
        UseCaseError: None is found; the message names the column and the remedy.
    """
    # plain values first: one pattern may skip over another one's value
    for parts in ([_build_placeholder(each) for each in fields], [_build_part(each) for each in fields]):
        for order in permutations(parts):
            for template in (separator.join(order) for separator in SEPARATORS):
                if all(_is_read(each, template, fields) for each in fields):
                    return template
    names = format_names(each.name for each in fields)
    raise UseCaseError(
        use_case,
        f"no text of {fields[0].columns[0]!r} can be made up that {names} are read from;"
        " describe the column in `sample.columns`",
    )


def _build_placeholder(field: Field) -> str:
    if isinstance(field.example, (str, bool)):
        return "{" + field.name + "}"
    group = GROUP.search(field.parse.pattern)
    decimals = field.kind is Kind.NUMBER and (group is None or re.fullmatch(group.group(), "1.5"))
    return "{" + field.name + (":.1f}" if decimals else ":.0f}")


def _build_part(field: Field) -> str:
    before, _, after = GROUP.sub("\0", field.parse.pattern, count=1).partition("\0")
    for piece, text in PIECES:
        before, after = re.sub(piece, text, before), re.sub(piece, text, after)
    # braces of a quantifier would be read as a placeholder
    if {"{", "}"} & {*before, *after}:
        before = after = ""
    return f"{before}{_build_placeholder(field)}{after}"


def _is_read(field: Field, template: str, fields: Sequence[Field]) -> bool:
    """Whether a field's pattern finds its own value in the text of all examples."""
    text = template.format(**{each.name: each.example for each in fields})
    value = _build_placeholder(field).format(**{field.name: field.example})
    if not field.parse.pattern:
        return text == value
    found = re.search(field.parse.pattern, text)
    if found is None or found.group(1) != value:
        return False
    # a number with another one outside of the pattern is refused
    outside = text[: found.start()] + text[found.end() :]
    return isinstance(field.example, (str, bool)) or not re.search(r"\d", outside)
