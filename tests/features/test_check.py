"""Whole columns are checked as the request model checks single values."""

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from servicio_ml.domain.checks.exactness import has_exact_range
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.check import MAX_SHOWN_FAULTS, SchemaChecker
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.requests.request_models import build_record_model

MAX_NUMBER = float(np.finfo(np.float32).max)
BOUNDS = st.none() | st.integers(-50, 50) | st.sampled_from([0.1, -0.1, 1 / 3, 1e-3, 16777216.0, 3e38])


def has_whole_bounds(bounds: tuple[float | None, float | None]) -> bool:
    return all(each is None or (each == int(each) and abs(each) <= 2**24) for each in bounds)


def has_exact_bounds(bounds: tuple[float | None, float | None]) -> bool:
    low, high = bounds
    # the test's fields exchange bounds that are given the other way round
    is_reversed = low is not None and high is not None and low > high
    return has_exact_range(high, low) if is_reversed else has_exact_range(low, high)


VALUES = (
    st.floats(width=32, allow_nan=True)
    | st.integers(-60, 60).map(float)
    | st.sampled_from(
        [0.1, -0.1, 1 / 3, 0.5, -0.0, 1e-3, MAX_NUMBER, -MAX_NUMBER, np.inf, -np.inf, 16777216.0]
    )
)


def round_to_float32(value: float) -> float:
    """The shortest number that names a float32; that of the greatest would be beyond it."""
    exact = float(np.float32(value))
    return exact if abs(exact) == MAX_NUMBER else float(str(np.float32(value)))


def build_field(name: str, kind: Kind, low: Any = None, high: Any = None, *, nullable: bool = False) -> Field:
    bounds = [round_to_float32(each) for each in (low, high) if each is not None]
    return Field(
        name=name, kind=kind, column=name, description=name, nullable=nullable,
        example=min(bounds, default=0),
        minimum=None if low is None else min(bounds), maximum=None if high is None else max(bounds),
    )  # fmt: skip


@st.composite
def build_schemas(draw: st.DrawFn) -> FeatureSchema:
    members = draw(st.lists(st.sampled_from([Kind.NUMBER, Kind.INTEGER]), min_size=1, max_size=4))
    fields = []
    for i, kind in enumerate(members):
        bounds = draw(
            st.tuples(BOUNDS, BOUNDS).filter(has_whole_bounds if kind is Kind.INTEGER else has_exact_bounds)
        )
        fields.append(build_field(f"f{i}", kind, *bounds, nullable=draw(st.booleans())))
    return FeatureSchema(fields=tuple(fields))


def convert_to_json(each: Field, value: float) -> str:
    """A value of the matrix as a client would write it."""
    number = round_to_float32(value)
    if np.isnan(number):
        return "null"
    if np.isinf(number):
        return "1e999" if number > 0 else "-1e999"
    return json.dumps(int(number) if each.kind is Kind.INTEGER and number == int(number) else number)


def find_refused_fields(schema: FeatureSchema, row: Any) -> set[str]:
    """The fields that the request model refuses."""
    members = (
        f'"{each.name}": {convert_to_json(each, value)}'
        for each, value in zip(schema.fields, row, strict=True)
    )
    try:
        build_record_model(schema).model_validate_json("{" + ", ".join(members) + "}")
    except ValidationError as error:
        return {str(each["loc"][0]) for each in error.errors()}
    return set()


@given(st.data())
def test_it_refuses_what_the_request_model_refuses(data: st.DataObject) -> None:
    schema = data.draw(build_schemas())
    width = len(schema.fields)
    rows = data.draw(st.lists(st.lists(VALUES, min_size=width, max_size=width), min_size=1, max_size=5))
    matrix = np.array(rows, dtype=np.float32)
    faults = SchemaChecker(schema).find_faults(matrix)
    for number, row in enumerate(matrix):
        assert {fault.field for fault in faults if fault.row == number} == find_refused_fields(schema, row)


SCHEMA = FeatureSchema(
    fields=(
        build_field("share", Kind.NUMBER, 0.1, 0.9),
        build_field("count", Kind.INTEGER, 0, 20, nullable=True),
        build_field("free", Kind.NUMBER),
    )
)
GOOD = [0.5, 3.0, 1.0]


def find_reasons(**values: float) -> list[tuple[int, str, object, str]]:
    row = [values.get(each.name, good) for each, good in zip(SCHEMA.fields, GOOD, strict=True)]
    faults = SchemaChecker(SCHEMA).find_faults(np.array([GOOD, row], dtype=np.float32))
    return [(fault.row, fault.field, fault.value, fault.reason) for fault in faults]


@pytest.mark.parametrize("value", [0.1, 0.9, np.float32(0.1), np.float32(0.9)])
def test_a_bound_itself_is_allowed(value: float) -> None:
    assert find_reasons(share=value) == []


@pytest.mark.parametrize("toward", [0.0, 1.0])
def test_the_next_float32_beyond_a_bound_is_not(toward: float) -> None:
    beyond = np.nextafter(np.float32(0.9 if toward else 0.1), np.float32(toward))
    assert find_reasons(share=float(beyond)) == [(1, "share", round_to_float32(beyond), "range")]


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
def test_an_error_names_field_and_reason(values: dict[str, float], fault: tuple[Any, ...]) -> None:
    assert find_reasons(**values) == [fault]


def test_what_may_be_missing_may() -> None:
    assert find_reasons(count=np.nan) == []


def test_errors_show_values_as_they_were_given() -> None:
    [fault] = SchemaChecker(SCHEMA).find_faults(np.array([[12.1, 0, 0]], dtype=np.float32))
    assert (fault.value, fault.allowed) == (12.1, "a number from 0.1 to 0.9")


def test_faults_come_row_by_row_and_not_without_end() -> None:
    matrix: Matrix = np.full((MAX_SHOWN_FAULTS, 3), np.inf, dtype=np.float32)
    faults = SchemaChecker(SCHEMA).find_faults(matrix)
    assert len(faults) == MAX_SHOWN_FAULTS
    assert [(fault.row, fault.field) for fault in faults[:4]] == [
        (0, "share"), (0, "count"), (0, "free"), (1, "share"),
    ]  # fmt: skip


def test_derived_columns_are_no_concern_and_the_matrix_stays() -> None:
    matrix = np.array([[*GOOD, np.nan, np.inf]], dtype=np.float32)
    before = matrix.copy()
    assert SchemaChecker(SCHEMA).find_faults(matrix) == []
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
    matrix = Encoder(schema).encode_records([{"day": "1800-01-01", "hue": "red"}, {"day": None, "hue": None}])
    faults = SchemaChecker(schema).find_faults(matrix)
    assert [(fault.row, fault.field, fault.reason) for fault in faults] == [(1, "day", "missing")]
