"""Grafana's variables in expressions, replaced as Grafana does."""

import re
from collections.abc import Mapping, Sequence

RATE_INTERVAL, INTERVAL, RANGE = "__rate_interval", "__interval", "__range"
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([A-Za-z_]\w*)")
"""`$name`, `${name}` or `${name:format}`; a `$1` of label_replace is none."""
PLACEHOLDERS: Mapping[str, str] = {RATE_INTERVAL: "5m", INTERVAL: "1m", RANGE: "1h"}


def replaced(text: str, values: Mapping[str, str]) -> str:
    """The text with the values in place of the variables.

    Raises:
        KeyError: A variable has no value.
    """

    def value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        # the groups of a regular expression
        return found[0] if name.isdigit() else values[name]

    return VARIABLE.sub(value, text)


def names(text: str) -> set[str]:
    """The variables in the text."""
    found = {one or other for one, other in VARIABLE.findall(text)}
    return {name for name in found if not name.isdigit()}


def chosen(values: Sequence[str], *, multi: bool) -> str:
    """A value of a variable as it stands in an expression: of several, a pattern that matches all of them."""
    return f"({'|'.join(re.escape(each) for each in values)})" if multi else values[0]
