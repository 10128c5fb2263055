"""The encoder gives the same matrix on every interface and names values that it cannot encode."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.derived import Cyclic, Lookup, Ratio
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import EncodingError
from servicio_ml.errors.base import format_value
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.kinds.dated_columns import count_days

LEVELS = ("calm", "breeze", "gale")
SCHEMA = FeatureSchema(
    fields=(
        Field(name="day", kind=Kind.DATE, column="d", description="", example="2020-01-01", nullable=True),
        Field(name="a", kind=Kind.NUMBER, column="a", description="", example=1.0, nullable=True),
        Field(name="b", kind=Kind.INTEGER, column="b", description="", example=1, nullable=True),
        Field(
            name="wind", kind=Kind.CATEGORY, column="w", description="", levels=LEVELS, example="calm",
            nullable=True,
        ),
    ),
    derived=(
        Lookup(name="force", source="wind", table={"calm": 0.0, "breeze": 3.0, "gale": 9.0}),
        Ratio(name="a_by_b", numerator="a", denominator="b"),
        Cyclic(name="season", source="day", period=365.2425, wave="cos"),
    ),
)  # fmt: skip
ENCODER = Encoder(SCHEMA)

records = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.none() | st.dates(date(1900, 1, 1), date(2100, 1, 1)),
            "a": st.none() | st.floats(-1e6, 1e6),
            "b": st.none() | st.integers(-(2**30), 2**30),
            "wind": st.none() | st.sampled_from(LEVELS),
        }
    ),
    min_size=1,
    max_size=20,
)
TYPES = {"day": pl.Date, "a": pl.Float64, "b": pl.Int64, "wind": pl.String}


@given(records)
def test_records_frames_and_tables_are_encoded_alike(rows: list[dict[str, Any]]) -> None:
    expected = ENCODER.encode_records(rows)
    frame = pl.DataFrame(rows, schema=TYPES)
    for table in (frame, frame.to_arrow(), frame.to_pandas()):
        np.testing.assert_array_equal(ENCODER.encode_frame(table), expected)
    one_by_one = np.vstack([ENCODER.encode_record(row) for row in rows])
    np.testing.assert_array_equal(one_by_one, expected)


@given(records)
def test_iso_text_and_a_date_are_the_same_day(rows: list[dict[str, Any]]) -> None:
    spelled = [{**row, "day": row["day"] and row["day"].isoformat()} for row in rows]
    np.testing.assert_array_equal(ENCODER.encode_records(spelled), ENCODER.encode_records(rows))
    frame = pl.DataFrame(spelled, schema={**TYPES, "day": pl.String})
    np.testing.assert_array_equal(ENCODER.encode_frame(frame), ENCODER.encode_records(rows))


@given(records)
def test_a_decoded_row_is_encoded_to_itself(rows: list[dict[str, Any]]) -> None:
    matrix = ENCODER.encode_records(rows)
    np.testing.assert_array_equal(ENCODER.encode_records(decode_records(SCHEMA, matrix)), matrix)


def test_values_of_one_row() -> None:
    day = date(1970, 1, 1) + timedelta(days=100)
    row = ENCODER.encode_record({"day": day, "a": 3.0, "b": 2, "wind": "gale"})[0]
    season = np.cos(2 * np.pi * 100 / 365.2425)
    np.testing.assert_allclose(row, [100, 3, 2, 2, 9, 1.5, season], rtol=1e-6)
    assert row.dtype == np.float32


def test_what_is_absent_is_missing_and_so_is_what_is_derived_from_it() -> None:
    assert np.isnan(ENCODER.encode_record({})).all()
    assert np.isnan(ENCODER.encode_frame(pl.DataFrame({"other": [1]}))).all()


def test_a_ratio_over_zero_is_missing() -> None:
    row = ENCODER.encode_record({"a": 1.0, "b": 0})[0]
    assert np.isnan(row[SCHEMA.names.index("a_by_b")])


def test_a_column_of_gaps_only_is_missing() -> None:
    frame = pl.DataFrame({name: pl.Series([None, None], dtype=pl.Null) for name in SCHEMA.field_names})
    assert np.isnan(ENCODER.encode_frame(frame)).all()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("a", "1.5"), ("a", True), ("b", [1]), ("wind", "storm"), ("wind", 1), ("wind", [1]),
        ("day", "31.12.2020"), ("day", 5),
    ],
    ids=str,
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(field: str, value: object) -> None:
    with pytest.raises(EncodingError) as caught:
        ENCODER.encode_record({field: value})
    assert field in str(caught.value)
    assert format_value(value) in str(caught.value)
    assert SCHEMA.get_field(field).allowed in str(caught.value)


@pytest.mark.parametrize(
    ("field", "values"), [("a", ["x", "y"]), ("wind", ["calm", "storm"]), ("day", ["2020-01-01", "soon"])]
)
def test_a_column_that_does_not_fit_is_named(field: str, values: list[str]) -> None:
    for frame in (pl.DataFrame({field: values}), pl.DataFrame({field: values}).to_arrow()):
        with pytest.raises(EncodingError, match=field):
            ENCODER.encode_frame(frame)


def test_days_are_counted_from_1970() -> None:
    assert count_days("1970-01-01") == 0
    assert count_days(date(1969, 12, 31)) == -1
    assert count_days("2026-11-20") == 20777


def test_a_boolean_is_one_column_and_decoded_as_json_has_it() -> None:
    encoder = Encoder(FeatureSchema(fields=(Field(name="flag", kind=Kind.BOOLEAN, nullable=True),)))
    matrix = encoder.encode_records([{"flag": True}, {"flag": "false"}, {}])
    np.testing.assert_array_equal(matrix, np.array([[1], [0], [np.nan]], dtype=np.float32))
    assert decode_records(encoder.schema, matrix) == [{"flag": True}, {"flag": False}, {"flag": None}]
    for table in (
        pl.DataFrame({"flag": [True, False, None]}),
        pl.DataFrame({"flag": ["true", "false", None]}),
    ):
        np.testing.assert_array_equal(encoder.encode_frame(table), matrix)
    assert FeatureSchema.from_json(encoder.schema.to_json()) == encoder.schema
