"""Checks of derived columns in their schema."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.fields import RESERVED_FIELDS
from servicio_ml.domain.derived import Cyclic, Derived, Difference, Lookup, Ratio

if TYPE_CHECKING:
    from servicio_ml.domain.schema import FeatureSchema


def find_derived_problems(column: Derived, schema: "FeatureSchema") -> Iterator[str]:
    """Describe what is wrong with a derived column in its schema."""
    if column.name in RESERVED_FIELDS:
        yield f"the platform has a column of that name; choose another, such as derived_{column.name}"
    if lacking := set(column.sources) - set(schema.field_names):
        yield f"no field {', '.join(sorted(lacking))}"
        return
    # a level without an entry would become missing without anybody noticing
    if isinstance(column, Lookup) and set(schema.get_field(column.source).levels) != set(column.table):
        yield "its table must hold every level, no other"
    yield from _find_source_problems(column, schema)


def _find_source_problems(column: Derived, schema: "FeatureSchema") -> Iterator[str]:
    kinds = {name: schema.get_field(name).kind.value for name in column.sources}
    texts = [name for name, kind in kinds.items() if kind == "category"]
    if texts and isinstance(column, Cyclic | Difference | Ratio):
        yield f"{texts[0]!r} is a category; it is computed from numbers and dates"
    if isinstance(column, Difference | Ratio) and len({kind == "date" for kind in kinds.values()}) > 1:
        yield f"{' and '.join(column.sources)} are a date and a number; take two of one kind"
