"""Whole columns are checked as the request model checks single values."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.check import SHOWN_FAULTS, Checker
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.request import request_model

GREATEST = float(np.finfo(np.float32).max)
BOUNDS = st.none() | st.integers(-50, 50) | st.sampled_from([0.1, -0.1, 1 / 3, 1e-3, 16777216.0, 3e38])
VALUES = (
    st.floats(width=32, allow_nan=True)
    | st.integers(-60, 60).map(float)
    | st.sampled_from([0.1, -0.1, 1 / 3, 0.5, -0.0, 1e-3, GREATEST, -GREATEST, np.inf, -np.inf, 16777216.0])
)


def short(value: float) -> float:
    """The shortest number that names a float32; that of the greatest would be beyond it."""
    exact = float(np.float32(value))
    return exact if abs(exact) == GREATEST else float(str(np.float32(value)))


def field(name: str, kind: Kind, low: Any = None, high: Any = None, *, nullable: bool = False) -> Field:
    bounds = [short(each) for each in (low, high) if each is not None]
    return Field(
        name=name, kind=kind, column=name, description=name, example=0, nullable=nullable,
        minimum=None if low is None else min(bounds), maximum=None if high is None else max(bounds),
    )  # fmt: skip


@st.composite
def schemas(draw: st.DrawFn) -> FeatureSchema:
    kinds = draw(st.lists(st.sampled_from([Kind.NUMBER, Kind.INTEGER]), min_size=1, max_size=4))
    fields = (
        field(f"f{i}", kind, draw(BOUNDS), draw(BOUNDS), nullable=draw(st.booleans()))
        for i, kind in enumerate(kinds)
    )
    return FeatureSchema(fields=tuple(fields))


def as_json(each: Field, value: float) -> str:
    """A value of the matrix as a client would write it."""
    number = short(value)
    if np.isnan(number):
        return "null"
    if np.isinf(number):
        return "1e999" if number > 0 else "-1e999"
    return json.dumps(int(number) if each.kind is Kind.INTEGER and number == int(number) else number)


def refused(schema: FeatureSchema, row: Any) -> set[str]:
    """The fields that the request model refuses."""
    parts = (f'"{each.name}": {as_json(each, value)}' for each, value in zip(schema.fields, row, strict=True))
    try:
        request_model(schema).model_validate_json("{" + ", ".join(parts) + "}")
    except ValidationError as error:
        return {str(each["loc"][0]) for each in error.errors()}
    return set()


@given(st.data())
def test_it_refuses_what_the_request_model_refuses(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    width = len(schema.fields)
    rows = data.draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5))
    matrix = np.array(rows, dtype=np.float32)
    faults = Checker(schema).faults(matrix)
    for number, row in enumerate(matrix):
        assert {fault.field for fault in faults if fault.row == number} == refused(schema, row)


SCHEMA = FeatureSchema(
    fields=(
        field("share", Kind.NUMBER, 0.1, 0.9),
        field("count", Kind.INTEGER, 0, 20, nullable=True),
        field("free", Kind.NUMBER),
    )
)
GOOD = [0.5, 3.0, 1.0]


def found(**values: float) -> list[tuple[int, str, object, str]]:
    row = [values.get(each.name, good) for each, good in zip(SCHEMA.fields, GOOD, strict=True)]
    faults = Checker(SCHEMA).faults(np.array([GOOD, row], dtype=np.float32))
    return [(fault.row, fault.field, fault.value, fault.reason) for fault in faults]


@pytest.mark.parametrize("value", [0.1, 0.9, np.float32(0.1), np.float32(0.9)])
def test_a_bound_itself_is_allowed(value: float) -> None:
    assert found(share=value) == []


@pytest.mark.parametrize("toward", [0.0, 1.0])
def test_the_next_float32_beyond_a_bound_is_not(toward: float) -> None:
    beyond = np.nextafter(np.float32(0.9 if toward else 0.1), np.float32(toward))
    assert found(share=float(beyond)) == [(1, "share", short(beyond), "range")]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"share": np.nan}, (1, "share", None, "missing")),
        ({"share": np.inf}, (1, "share", np.inf, "range")),
        ({"free": -np.inf}, (1, "free", -np.inf, "range")),
        ({"count": np.inf}, (1, "count", np.inf, "type")),
        ({"count": 2.5}, (1, "count", 2.5, "type")),
        ({"count": 20.5}, (1, "count", 20.5, "type")),
        ({"count": 21}, (1, "count", 21.0, "range")),
        ({"count": -1}, (1, "count", -1.0, "range")),
    ],
)
def test_a_fault_is_told(values: dict[str, float], fault: tuple[Any, ...]) -> None:
    assert found(**values) == [fault]


def test_what_may_be_missing_may() -> None:
    assert found(count=np.nan) == []


def test_values_are_told_as_they_were_given() -> None:
    [fault] = Checker(SCHEMA).faults(np.array([[12.1, 0, 0]], dtype=np.float32))
    assert (fault.value, fault.allowed) == (12.1, "a number from 0.1 to 0.9")


def test_faults_come_row_by_row_and_not_without_end() -> None:
    matrix: Matrix = np.full((SHOWN_FAULTS, 3), np.inf, dtype=np.float32)
    faults = Checker(SCHEMA).faults(matrix)
    assert len(faults) == SHOWN_FAULTS
    assert [(fault.row, fault.field) for fault in faults[:4]] == [
        (0, "share"), (0, "count"), (0, "free"), (1, "share"),
    ]  # fmt: skip


def test_derived_columns_are_no_concern_and_the_matrix_stays() -> None:
    matrix = np.array([[*GOOD, np.nan, np.inf]], dtype=np.float32)
    before = matrix.copy()
    assert Checker(SCHEMA).faults(matrix) == []
    np.testing.assert_array_equal(matrix, before)


def test_categories_and_dates_may_be_missing_only_where_they_are_nullable() -> None:
    schema = FeatureSchema(
        fields=(
            Field(name="day", kind=Kind.DATE, column="d", description="d", example="2020-01-31"),
            Field(
                name="hue", kind=Kind.CATEGORY, column="h", description="h", example="red",
                levels=("red",), nullable=True,
            ),
        )
    )  # fmt: skip
    matrix = Encoder(schema).records([{"day": "1800-01-01", "hue": "red"}, {"day": None, "hue": None}])
    faults = Checker(schema).faults(matrix)
    assert [(fault.row, fault.field, fault.reason) for fault in faults] == [(1, "day", "missing")]
