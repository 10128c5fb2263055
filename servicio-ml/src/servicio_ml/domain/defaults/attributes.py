"""Attributes that a definition need not name, since the others give them."""

from collections.abc import Mapping
from math import floor
from typing import TYPE_CHECKING

from servicio_ml.domain.values import BOOLEAN_LEVELS, OTHER

if TYPE_CHECKING:
    from servicio_ml.domain.schema import Field

EXAMPLES: Mapping[str, str | bool] = {
    "date": "2020-01-01",
    "datetime": "2020-01-01T12:00:00",
    "boolean": False,
    "text": "some words",
}
"""Plausible value of a kind without bounds and levels of its own."""


def fill_captions(definition: object) -> None:
    """Name the raw column of a field or target after it, and describe it by its column."""
    fill_default(definition, "column", getattr(definition, "name", ""))
    fill_default(definition, "description", build_caption(getattr(definition, "column", "")))


def fill_levels(field: "Field") -> None:
    """Give a boolean its levels."""
    if field.kind == "boolean" and field.levels == ():
        object.__setattr__(field, "levels", BOOLEAN_LEVELS)


def build_caption(column: object) -> str:
    """Build a description from the names of raw columns, which may hold tabs."""
    names = column if isinstance(column, tuple) else (column,)
    return ", ".join(map(str, names)).replace("\t", " ")


def fill_default(definition: object, name: str, value: object) -> None:
    """Set an attribute that was not given; definitions are frozen once they are made."""
    # compared by type, too: a number of 0 is given
    if isinstance(getattr(definition, name), str) and not getattr(definition, name):
        object.__setattr__(definition, name, value)


def build_title(name: object) -> str:
    """Build a title from a name in snake case: `flat_rent` becomes `Flat rent`."""
    return f"{name}".replace("_", " ").strip().capitalize()


def build_example(field: "Field") -> float | int | str | bool:
    """Build a plausible value of a field."""
    if field.kind.value == "category":
        return field.levels[0] if field.levels else OTHER if field.learned_levels else ""
    if field.kind.value in EXAMPLES:
        return EXAMPLES[field.kind.value]
    low, high = field.minimum, field.maximum
    bounds = [bound for bound in (low, high) if bound is not None] or [0.0]
    middle = sum(bounds) / len(bounds)
    if field.kind.value == "number":
        return middle
    lowest, highest = field.limits
    return int(min(max(floor(middle), lowest), highest))
