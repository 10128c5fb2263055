"""Variables of Grafana in expressions, replaced as Grafana replaces them."""

import re
from collections.abc import Mapping, Sequence

RATE_INTERVAL, INTERVAL, RANGE = "__rate_interval", "__interval", "__range"
VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}|\$([A-Za-z_]\w*)")
"""Pattern of a variable: `$name`, `${name}` or `${name:format}`; a `$1` of label_replace does not match."""
PLACEHOLDERS: Mapping[str, str] = {RATE_INTERVAL: "5m", INTERVAL: "1m", RANGE: "1h"}


def replace_variables(text: str, values: Mapping[str, str]) -> str:
    """Replace the variables in a text by their values.

    Raises:
        KeyError: A variable has no value.
    """

    def get_value(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        # the groups of a regular expression
        return found[0] if name.isdigit() else values[name]

    return VARIABLE.sub(get_value, text)


def find_variables(text: str) -> set[str]:
    """Find the names of the variables in a text."""
    found = {one or other for one, other in VARIABLE.findall(text)}
    return {name for name in found if not name.isdigit()}


def format_choice(values: Sequence[str], *, multi: bool) -> str:
    """Format the chosen values for an expression: a single one as it is, several as a pattern for all."""
    return f"({'|'.join(re.escape(each) for each in values)})" if multi else values[0]
