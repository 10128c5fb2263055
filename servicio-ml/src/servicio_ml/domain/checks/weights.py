"""Checks of the weights of classes and of rows against the fields, the target and the candidates."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from servicio_ml.domain.checks.plain_values import show
from servicio_ml.domain.fields.columns import list_columns
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.search import UNWEIGHTED_FAMILIES
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import UseCase

BALANCED = "balanced"


def find_weight_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe what is wrong with the weights of a use case whose attributes have the right types."""
    yield from _find_class_problems(use_case)
    yield from _find_row_problems(use_case)
    for candidate in use_case.candidates:
        if candidate.family in UNWEIGHTED_FAMILIES and (use_case.class_weights or use_case.sample_weight):
            name = candidate.name
            yield f"candidate {name!r}: its family {candidate.family!r} takes no weights; leave it out"


def _find_class_problems(use_case: "UseCase") -> Iterator[str]:
    weights, labels = use_case.class_weights, use_case.target.labels
    if not weights:
        return
    if not labels:
        yield "class_weights are for labels, and a regression has none; leave them out"
    elif isinstance(weights, str) and weights != BALANCED:
        yield f"class_weights is {show(weights)}; it must be {BALANCED!r} or a number for each label"
    elif not isinstance(weights, str) and set(weights) != set(labels):
        yield (
            f"class_weights has {format_names(map(repr, weights))}; it must have exactly the labels"
            f" {format_names(map(repr, labels))}"
        )


def _find_row_problems(use_case: "UseCase") -> Iterator[str]:
    fields: Mapping[str, Field] = {each.name: each for each in use_case.schema.fields}
    name = use_case.sample_weight
    if not name:
        return
    if name not in fields:
        yield f"sample_weight names the field {name!r}; fields are {format_names(fields)}"
        return
    field = fields[name]
    if field.kind not in {Kind.NUMBER, Kind.INTEGER}:
        yield f"{name!r} weighs the rows, but is no number"
    elif field.nullable or field.optional:
        yield f"{name!r} weighs the rows, but may be missing; set nullable=False and optional=False"
    elif field.minimum is None or field.minimum <= 0:
        # a row of weight 0 says nothing, and a negative one would reward errors
        yield f"{name!r} weighs the rows; give it a minimum above 0, such as minimum=0.001"
    yield from _find_other_uses(use_case, field)


def _find_other_uses(use_case: "UseCase", field: Field) -> Iterator[str]:
    """Describe a weight that would be read as a feature, a group or the target as well."""
    name = field.name
    if name == use_case.split_group:
        yield f"{name!r} weighs the rows and is no feature; it cannot be the group of the split"
    if any(name in column.sources for column in use_case.schema.derived):
        yield f"{name!r} weighs the rows and is no feature; derive no column from it"
    target = use_case.target
    columns = {each.name: each.column for each in use_case.schema.fields} | {target.name: target.column}
    for dialect in use_case.dialects:
        read = {each: {*list_columns(dialect.columns.get(each, columns[each]))} for each in columns}
        for other, others in read.items():
            if other != name and (shared := others & read[name]):
                column = min(shared)
                yield f"the column {column!r} is read as {other!r} and as the weight {name!r}; keep one"
