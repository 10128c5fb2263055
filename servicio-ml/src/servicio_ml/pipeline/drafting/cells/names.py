"""Names of fields made from the names of raw columns."""

import re
import unicodedata
from collections.abc import Iterable

from servicio_ml.domain.checks.fields import RESERVED_FIELDS

WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[a-z])(?=\d+[a-z])")
"""Places between the words of a name in camel case: `MinTemp`, `HTTPCode`, `WindDir9am`."""


def build_field_names(columns: Iterable[str]) -> dict[str, str]:
    """Build a name in snake case for each column, none of them twice, nor twice without underscores."""
    names, taken = dict[str, str](), set[str]()
    for position, column in enumerate(columns, 1):
        base = name = _build_name(column) or f"column_{position}"
        number = 1
        # GraphQL drops the underscores
        while name.replace("_", "") in taken:
            number += 1
            name = f"{base}_v{number}"
        taken.add(name.replace("_", ""))
        names[column] = name
    return names


def _build_name(column: str) -> str:
    latin = unicodedata.normalize("NFKD", column.replace("ß", "ss")).encode("ascii", "ignore").decode()
    words = re.sub(r"[^A-Za-z0-9]+", "_", WORD_STARTS.sub("_", latin)).strip("_").lower()
    if not words:
        return ""
    return words if words[0].isalpha() and words not in RESERVED_FIELDS else f"input_{words}"
