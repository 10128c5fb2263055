"""Checks of a split against the fields that it names."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import UseCase


def find_split_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe what is wrong with a split by group or by column; dates are checked with the other dates."""
    fields: Mapping[str, Field] = {each.name: each for each in use_case.schema.fields}
    name = use_case.split_group or use_case.split_column
    if not name:
        return
    if name not in fields:
        yield f"the split names the field {name!r}; fields are {format_names(fields)}"
    elif fields[name].nullable or fields[name].optional:
        yield f"{name!r} splits the rows, but may be missing; set nullable=False and optional=False"
    elif use_case.split_column:
        yield from _find_column_problems(use_case, fields[name])


def _find_column_problems(use_case: "UseCase", field: Field) -> Iterator[str]:
    test = getattr(use_case.split, "test", "")
    if field.kind is not Kind.CATEGORY:
        yield f"{field.name!r} says which rows are test rows, but is no category; give it levels"
    elif test not in field.levels:
        yield f"{field.name!r} has no level {test!r} for test rows; levels are {format_names(field.levels)}"
    if any(field.name in column.sources for column in use_case.schema.derived):
        yield f"{field.name!r} says which rows are test rows and is not published; derive no column from it"
    if field.name in use_case.promotion.slices:
        yield f"{field.name!r} says which rows are test rows and is not published; it cannot be a slice"
