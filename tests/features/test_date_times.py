"""A date-time is one field of two columns, its day and its seconds, wherever a matrix is read."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.derived import Cyclic, DatePart, Difference, Expression
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import UseCaseError
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.encoder import Encoder

START = Field(name="start", kind=Kind.DATETIME, direct=False)
END = Field(name="end", kind=Kind.DATETIME, nullable=True)
SIZE = Field(name="size", kind=Kind.NUMBER, nullable=True)
SCHEMA = FeatureSchema(
    fields=(START, SIZE, END),
    derived=(
        Difference(name="elapsed", minuend="end", subtrahend="start"),
        Cyclic(name="clock", source="start", period=1, wave="cos"),
        Expression(name="hours", text="24 * (end - start)"),
        *(
            DatePart(name=f"start_{part}", source="start", part=part)
            for part in ("year", "month", "day", "weekday", "day_of_year", "hour", "minute")
        ),
    ),
)
ENCODER = Encoder(SCHEMA)
RECORD: dict[str, Any] = {"start": "2016-06-15T18:30:00", "size": 2.5, "end": "2016-06-16T00:30:00"}
MOMENTS = st.datetimes().filter(lambda moment: 1000 <= moment.year <= 2999)


def test_a_date_time_has_two_columns_and_its_derived_columns() -> None:
    names = ("start", "size", "end", "start_seconds", "end_seconds")
    assert SCHEMA.names[:5] == names
    (row,) = ENCODER.encode_records([RECORD])
    assert dict(zip(SCHEMA.names, row.tolist(), strict=True)) == pytest.approx(
        {
            "start": 16967, "size": 2.5, "end": 16968, "start_seconds": 66_600, "end_seconds": 1800,
            "elapsed": 0.25, "clock": np.cos(2 * np.pi * 18.5 / 24), "hours": 6, "start_year": 2016,
            "start_month": 6, "start_day": 15, "start_weekday": 3, "start_day_of_year": 167,
            "start_hour": 18, "start_minute": 30,
        },
        abs=1e-6,
    )  # fmt: skip


def test_models_do_not_read_the_columns_of_an_indirect_date_time() -> None:
    assert [SCHEMA.names[i] for i in SCHEMA.inputs][:3] == ["size", "end", "end_seconds"]
    assert SCHEMA.owners == (0, 1, 2, 0, 2)
    assert SCHEMA.seconds == {0: 3, 2: 4}


def test_a_missing_date_time_is_missing_in_both_columns() -> None:
    (row,) = ENCODER.encode_records([{**RECORD, "end": None}])
    found = dict(zip(SCHEMA.names, row, strict=True))
    assert [name for name, value in found.items() if np.isnan(value)] == [
        "end", "end_seconds", "elapsed", "hours",
    ]  # fmt: skip


@given(st.lists(st.fixed_dictionaries({"start": MOMENTS, "end": st.none() | MOMENTS}), min_size=1))
def test_records_and_tables_are_encoded_alike_and_decoded_to_the_second(rows: list[dict[str, Any]]) -> None:
    texts = [
        {name: value and value.replace(microsecond=0).isoformat() for name, value in row.items()}
        for row in rows
    ]
    expected = ENCODER.encode_records(texts)
    np.testing.assert_array_equal(ENCODER.encode_records(rows), expected)
    frame = pl.DataFrame(rows, schema={"start": pl.Datetime("us"), "end": pl.Datetime("us")})
    np.testing.assert_array_equal(ENCODER.encode_frame(frame), expected)
    np.testing.assert_array_equal(ENCODER.encode_frame(frame.to_arrow()), expected)
    validated = ENCODER.encode_validated([{**row, "size": None} for row in texts])
    ENCODER.derive(validated)
    np.testing.assert_array_equal(validated, expected)
    assert decode_records(SCHEMA, expected) == [{**row, "size": None} for row in texts]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            DatePart(name="a", source="day", part="hour"),
            "only a date-time has the part 'hour'",
        ),
        (Difference(name="a", minuend="start", subtrahend="size"), "are a date and a number"),
        (DatePart(name="start_seconds", source="start", part="day"), "columns start_seconds are named twice"),
    ],
)
def test_a_derived_column_that_a_field_cannot_give_is_refused(column: Any, message: str) -> None:
    fields = (START, SIZE, Field(name="day", kind=Kind.DATE))
    with pytest.raises(UseCaseError, match=message):
        FeatureSchema(fields=fields, derived=(column,))
