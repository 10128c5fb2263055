"""Values of expressions, bins and parts of dates, by literals; missing where there is no value."""

from typing import Any

import numpy as np
import pytest

from servicio_ml.domain.derived import Bins, DatePart, Derived, Expression
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.encoder import Encoder

FIELDS = (
    Field(name="a", kind=Kind.NUMBER, nullable=True),
    Field(name="b", kind=Kind.NUMBER, nullable=True),
    Field(name="day", kind=Kind.DATE, nullable=True),
)
ROWS: list[dict[str, Any]] = [
    {"a": 1.0, "b": 2.0, "day": "2024-02-29"},
    {"a": 3.0, "b": 0.0, "day": "1970-01-01"},
    {"a": None, "b": 1.0, "day": None},
    {"a": -1.0, "b": -1.0, "day": "1899-12-31"},
]


def derive(column: Derived) -> list[float | None]:
    """The values of a derived column for `ROWS`, None where it is missing."""
    encoder = Encoder(FeatureSchema(fields=FIELDS, derived=(column,)))
    values = encoder.encode_records(ROWS)[:, -1].tolist()
    return [None if np.isnan(value) else value for value in values]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b", [3, 3, None, -2]),
        ("a - b * 2", [-3, 3, None, 1]),
        ("a / b", [0.5, None, None, 1]),
        ("1 / (1 / b)", [2, None, 1, -1]),
        ("a ** 2 + -b", [-1, 9, None, 2]),
        ("a ** 0", [1, 1, None, 1]),
        ("a ** 0.5", [1, pytest.approx(3**0.5), None, None]),
        ("log(a)", [0, pytest.approx(np.log(3)), None, None]),
        ("log(b + 1)", [pytest.approx(np.log(3)), 0, pytest.approx(np.log(2)), None]),
        ("sqrt(b)", [pytest.approx(2**0.5), 0, 1, None]),
        ("abs(a)", [1, 3, None, 1]),
        ("min(a, b)", [1, 0, None, -1]),
        ("max(a, b, 0)", [2, 3, None, 0]),
        ("a < b", [1, 0, None, 0]),
        ("a != b", [1, 1, None, 0]),
        ("(a >= 1) * b", [2, 0, None, 0]),
        ("a * 1e38 * 1e38", [None, None, None, None]),
        ("day / 10", [pytest.approx(1978.2), 0, None, pytest.approx(-2556.8)]),
    ],
)
def test_an_expression_is_computed_as_written(text: str, expected: list[float | None]) -> None:
    assert derive(Expression(name="e", text=text)) == expected


def test_a_bin_begins_at_its_edge() -> None:
    assert derive(Bins(name="e", source="a", edges=(0, 1, 2.5))) == [2, 3, None, 0]
    # float32 holds 0.7 as less than 0.7
    encoder = Encoder(
        FeatureSchema(fields=FIELDS, derived=(Bins(name="e", source="a", edges=(0.7,)),)),
    )
    assert encoder.encode_records([{"a": 0.7}])[0, -1] == 1


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("year", [2024, 1970, None, 1899]),
        ("month", [2, 1, None, 12]),
        ("day", [29, 1, None, 31]),
        ("weekday", [4, 4, None, 7]),
        ("day_of_year", [60, 1, None, 365]),
    ],
)
def test_a_part_of_a_date_is_the_calendar_s(part: str, expected: list[float | None]) -> None:
    assert derive(DatePart(name="e", source="day", part=part)) == expected  # type: ignore[arg-type]


def test_derived_columns_of_one_row_equal_those_of_many() -> None:
    columns = (
        Expression(name="e", text="a * b - 1"),
        Expression(name="f", text="max(a, b) / 3"),
        Bins(name="g", source="b", edges=(0.5, 1)),
        DatePart(name="h", source="day", part="month"),
    )
    encoder = Encoder(FeatureSchema(fields=FIELDS, derived=columns))
    one_by_one = np.vstack([encoder.encode_record(row) for row in ROWS])
    np.testing.assert_array_equal(one_by_one, encoder.encode_records(ROWS))
