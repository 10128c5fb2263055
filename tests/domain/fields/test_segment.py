"""Segments: ascending edges, a bounded number of values, and only for fields that requests have."""

from dataclasses import replace
from typing import Any

import pytest

from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import UseCaseError
from small_use_case import SCHEMA, build_use_case


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": (2, 1)}, r"segment 'age': edges are \(2, 1\); name ascending ones"),
        ({"edges": (1, 1)}, "name ascending ones, each once"),
        ({"edges": (float("nan"),)}, "edges"),
        ({"edges": tuple(range(100))}, "100 edges; name at most 99"),
        ({"maximum": 0}, "maximum is 0; it must be at least 1 and at most 100"),
        ({"maximum": 101}, "maximum is 101"),
    ],
)
def test_a_wrong_segment_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        Segment(field="age", **changes)


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ((Segment(field="colour", edges=(1,)),), "segment 'colour' has levels; leave edges out"),
        (
            (Segment(field="weight", edges=(-10, 0)),),
            r"segment 'weight' has the edge -10, below or above which no value lies \(-10 to 10\)",
        ),
        ((Segment(field="weight", edges=(11,)),), "has the edge 11"),
    ],
)
def test_a_segment_fits_its_field(segments: tuple[Segment, ...], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        build_use_case(segments=segments)


def test_cells_are_those_of_classes() -> None:
    with pytest.raises(UseCaseError, match="segment 'colour' has cells, which only classes have"):
        build_use_case(Task.REGRESSION, segments=(Segment(field="colour", cells=True),))


def test_an_optional_field_is_no_segment() -> None:
    fields = tuple(replace(each, optional=each.name == "colour") for each in SCHEMA.fields)
    with pytest.raises(UseCaseError, match="segment 'colour' is optional"):
        build_use_case(schema=replace(SCHEMA, fields=fields), segments=("colour",))


def test_learned_levels_count_as_many_as_may_be_learned() -> None:
    town = Field(name="town", kind=Kind.CATEGORY, learned_levels=LearnedLevels(maximum=150, minimum_rows=1))
    schema = FeatureSchema(fields=(*SCHEMA.fields, town))
    # two labels: 1 + 4 numbers of each of 100 levels, other and missing
    with pytest.raises(UseCaseError, match="segments have 510 values"):
        build_use_case(schema=schema, segments=(Segment(field="town", maximum=100, cells=True),))
    assert build_use_case(schema=schema, segments=("town",)).watched_segments == (Segment(field="town"),)
