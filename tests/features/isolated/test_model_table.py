"""Rows of the matrix become the columns that the model was trained on."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from servicio_ml.domain.derived import Ratio
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import ArtifactError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.isolated.model_table import ModelTable
from servicio_ml.features.isolated.worker_document import ModelColumn

SCHEMA = FeatureSchema(
    fields=(
        Field(name="size", kind=Kind.NUMBER, nullable=True),
        Field(name="rooms", kind=Kind.INTEGER, nullable=True),
        Field(name="colour", kind=Kind.CATEGORY, levels=("red", "blue"), nullable=True),
        Field(name="new", kind=Kind.BOOLEAN, nullable=True),
        Field(name="day", kind=Kind.DATE, nullable=True),
        Field(name="at", kind=Kind.DATETIME, nullable=True),
        Field(name="note", kind=Kind.TEXT, words=("good",), nullable=True),
    ),
    derived=(Ratio(name="per_room", numerator="size", denominator="rooms"),),
)
ROW = {
    "size": 12.1, "rooms": 3, "colour": "blue", "new": True, "day": "2020-01-31", "at": "2020-01-31T12:00:01",
    "note": "good",
}  # fmt: skip


def _build(records: Sequence[Mapping[str, Any]], **column: Any) -> pa.ChunkedArray:
    table = ModelTable("small", SCHEMA, [ModelColumn(name="Raw", **column)])
    return table.build(Encoder(SCHEMA).encode_records(records))["Raw"]


@pytest.mark.parametrize(
    ("field", "kind", "levels", "value"),
    [
        ("size", "float64", [], 12.1),
        ("rooms", "int64", [], 3),
        ("rooms", "float64", [], 3.0),
        ("colour", "string", [], "blue"),
        ("colour", "string", ["R", "B"], "B"),
        ("colour", "int64", [1, 7], 7),
        ("colour", "float64", [1.5, 7], 7.0),
        ("colour", "bool", [False, True], True),
        ("new", "bool", [], True),
        ("new", "string", ["No", "Yes"], "Yes"),
        ("new", "int64", [0, 1], 1),
        ("day", "string", [], "2020-01-31"),
        ("at", "string", [], "2020-01-31T12:00:01"),
        # as computed in float32: the client sent no such decimal
        ("per_room", "float64", [], 4.0333333),
    ],
)
def test_a_value_has_the_type_of_its_column(field: str, kind: str, levels: list[Any], value: object) -> None:
    found = _build([ROW, {}], field=field, type=kind, levels=levels)
    assert found.to_pylist() == [value, None]
    assert type(found[0].as_py()) is type(value)


@pytest.mark.parametrize(("field", "text"), [("day", "2020-01-31 00:00:00"), ("at", "2020-01-31 12:00:01")])
def test_a_date_is_a_moment(field: str, text: str) -> None:
    assert [str(each) for each in _build([ROW, {}], field=field, type="datetime").to_pylist()] == [
        text,
        "None",
    ]


def test_an_integer_with_a_fraction_is_a_float_as_in_pandas() -> None:
    gap: dict[str, Any] = {}
    assert _build([{"size": 2}, gap], field="size", type="int64").type == pa.int64()
    assert _build([{"size": 2}, {"size": 2.5}], field="size", type="int64").to_pylist() == [2.0, 2.5]


def test_a_category_has_the_order_of_the_model_and_misses_what_the_model_does_not_know() -> None:
    records: list[dict[str, Any]] = [ROW, {"colour": "red"}, {}]
    found = _build(records, field="colour", type="category", levels=["green", "blue"]).combine_chunks()
    assert found.dictionary.to_pylist() == ["green", "blue"]
    assert found.to_pylist() == ["blue", None, None]
    assert _build(records, field="colour", type="category").to_pylist() == ["blue", "red", None]


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ({"field": "absent", "type": "float64"}, "no field 'absent'"),
        ({"field": "size", "type": "string"}, "kind number gives no string"),
        ({"field": "note", "type": "string"}, "kind text gives no string"),
        ({"field": "colour", "type": "int64"}, "levels: "),
        ({"field": "colour", "type": "datetime"}, "kind category gives no datetime"),
        ({"field": "colour", "type": "string", "levels": ["a"]}, "1 values for the 2 levels"),
        ({"field": "day", "type": "int64"}, "kind date gives no int64"),
    ],
)
def test_a_column_that_its_field_cannot_give_is_refused(column: dict[str, Any], problem: str) -> None:
    with pytest.raises(ArtifactError, match=f"column 'Raw': .*{problem}"):
        ModelTable("small", SCHEMA, [ModelColumn(name="Raw", **column)])
