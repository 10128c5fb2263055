"""Checks of derived columns in their schema."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.fields import RESERVED_FIELDS
from servicio_ml.domain.derived import (
    Bins,
    Cyclic,
    DatePart,
    Derived,
    Difference,
    Expression,
    Frequency,
    GroupMean,
    Lookup,
    Ratio,
    TargetMean,
)

if TYPE_CHECKING:
    from servicio_ml.domain.schema import FeatureSchema

DATED = frozenset({"date", "datetime"})
TIME_PARTS = frozenset({"hour", "minute"})


def find_derived_problems(column: Derived, schema: "FeatureSchema") -> Iterator[str]:
    """Describe what is wrong with a derived column in its schema."""
    if column.name in RESERVED_FIELDS:
        yield f"the platform has a column of that name; choose another, such as derived_{column.name}"
    if lacking := set(column.sources) - set(schema.field_names):
        yield f"no field {', '.join(sorted(lacking))}"
        return
    source = schema.get_field(column.sources[0])
    if isinstance(column, Lookup) and source.learned_levels and not source.levels:
        yield f"the levels of {source.name!r} are learned, so that no table can hold them"
    if isinstance(column, Lookup) and source.kind.value == "text":
        yield f"{source.name!r} is a text; a table holds the levels of a category"
    # a level without an entry would become missing without anybody noticing
    if isinstance(column, Lookup) and set(source.levels) != set(column.table):
        yield "its table must hold every level, no other"
    yield from _find_source_problems(column, schema)


def _find_source_problems(column: Derived, schema: "FeatureSchema") -> Iterator[str]:
    kinds = {name: schema.get_field(name).kind.value for name in column.sources}
    # a boolean is 1 or 0 in an expression
    coded = {"category", "text"} if isinstance(column, Expression) else {"category", "boolean", "text"}
    texts = [name for name, kind in kinds.items() if kind in coded]
    if texts and isinstance(column, Cyclic | Difference | Ratio | Expression | Bins | DatePart):
        yield f"{texts[0]!r} is a {kinds[texts[0]]}; it is computed from numbers and dates"
    yield from _find_date_problems(column, kinds)
    yield from _find_fitted_problems(column, kinds)


def _find_date_problems(column: Derived, kinds: Mapping[str, str]) -> Iterator[str]:
    if isinstance(column, Difference | Ratio) and len({kind in DATED for kind in kinds.values()}) > 1:
        yield f"{' and '.join(column.sources)} are a date and a number; take two of one kind"
    if isinstance(column, DatePart):
        yield from _find_part_problems(column, kinds[column.source])
    if isinstance(column, Bins) and DATED.intersection(kinds.values()):
        yield f"{column.source!r} is a {kinds[column.source]}; bins are those of a number"


def _find_part_problems(column: DatePart, kind: str) -> Iterator[str]:
    if kind in {"number", "integer"}:
        yield f"{column.source!r} is a {kind}; only a date has parts"
    elif kind == "date" and column.part in TIME_PARTS:
        yield f"{column.source!r} is a date; only a date-time has the part {column.part!r}"


def _find_fitted_problems(column: Derived, kinds: Mapping[str, str]) -> Iterator[str]:
    if not isinstance(column, TargetMean | Frequency | GroupMean):
        return
    category = column.by if isinstance(column, GroupMean) else column.source
    if kinds[category] != "category":
        yield f"{category!r} is a {kinds[category]}; take a category, whose levels have means and shares"
    if isinstance(column, GroupMean) and kinds[column.source] not in {"number", "integer"}:
        yield f"{column.source!r} is a {kinds[column.source]}; only numbers have a mean"
