"""Checks of segments against the fields that they name."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import format_names

if TYPE_CHECKING:
    from servicio_ml.domain.use_case import UseCase

MAX_VALUES = 250
"""Maximum number of values of all segments of a use case; with cells, each counts once more for each cell."""


def find_segment_problems(use_case: "UseCase") -> Iterator[str]:
    """Describe segments that name no field, one without levels or ranges, or too many values."""
    fields = {each.name: each for each in use_case.schema.fields}
    names = [each.field for each in use_case.watched_segments]
    if len(set(names)) != len(names):
        yield f"segments name a field twice: {format_names(names)}"
    values = 0
    for segment in use_case.watched_segments:
        problem = _find_field_problem(use_case, fields, segment.field)
        if not problem:
            problem = _find_value_problem(use_case, segment)
            values += _weigh_values(use_case, segment, fields[segment.field])
        if problem:
            yield f"segment {segment.field!r} {problem}"
    if values > MAX_VALUES:
        yield (
            f"segments have {values} values (those with cells count once more for each cell); at most "
            f"{MAX_VALUES} are counted; name fewer fields, or Segment(field=…, maximum=…) with fewer levels"
        )


def _find_field_problem(use_case: "UseCase", fields: dict[str, Field], name: str) -> str:
    if name == use_case.identifier and name not in fields:
        return "is the identifier, which no two rows have in common; name a field"
    if name not in fields:
        return f"is no field; fields are {format_names(fields)}"
    if name in use_case.non_features:
        return f"is no feature ({use_case.non_features[name]}), so requests lack it"
    if fields[name].optional:
        return "is optional; a file without it would leave the segment without rows"
    return ""


def _find_value_problem(use_case: "UseCase", segment: Segment) -> str:
    field = use_case.schema.get_field(segment.field)
    if segment.cells and not use_case.target.labels:
        return "has cells, which only classes have; leave cells out"
    if field.has_levels:
        return "has levels; leave edges out" if segment.edges else ""
    if field.kind not in {Kind.NUMBER, Kind.INTEGER}:
        return f"is a {field.kind}; name a category, a boolean, or a number with edges"
    if not segment.edges:
        return f"is a number; give its ranges: Segment(field={segment.field!r}, edges=(…))"
    low, high = field.limits
    outside = [edge for edge in segment.edges if not low < edge <= high]
    if outside:
        return f"has the edge {outside[0]:g}, below or above which no value lies ({low:g} to {high:g})"
    return ""


def _weigh_values(use_case: "UseCase", segment: Segment, field: Field) -> int:
    learned = field.learned_levels.maximum if field.learned_levels else 0
    cells = len(use_case.target.labels) ** 2 if segment.cells else 0
    return segment.count_values(max(len(field.choices), learned)) * (1 + cells)
