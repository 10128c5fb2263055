"""The request model says what a field takes."""

import pytest
from pydantic import ValidationError

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.requests.request_models import build_record_model
from small_use_case import SCHEMA

MODEL = build_record_model(SCHEMA)
GOOD = {"day": "2020-02-29", "size": None, "weight": 1.5, "colour": "red"}


def test_a_good_record_passes_and_a_nullable_field_may_be_absent() -> None:
    assert MODEL.model_validate(GOOD).model_dump()["size"] is None
    assert MODEL.model_validate({"day": "2020-02-29", "weight": -10}).model_dump()["colour"] is None


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("weight", None, "float_type"),
        ("weight", 10.5, "less_than_equal"),
        ("weight", "1", "float_type"),
        ("size", float("inf"), "finite_number"),
        ("size", float("nan"), "finite_number"),
        ("colour", "pink", "literal_error"),
        ("day", "2020-02-30", "string_pattern_mismatch"),
        ("unknown", 1, "extra_forbidden"),
    ],
    ids=str,
)
def test_a_bad_value_is_named(field: str, value: object, kind: str) -> None:
    with pytest.raises(ValidationError) as caught:
        MODEL.model_validate({**GOOD, field: value})
    (error,) = caught.value.errors()
    assert error["loc"][0] == field
    assert error["type"] == kind


def test_the_document_holds_units_ranges_levels_and_examples() -> None:
    schema = MODEL.model_json_schema()
    weight, colour = schema["properties"]["weight"], schema["properties"]["colour"]
    assert (weight["minimum"], weight["maximum"], weight["examples"]) == (-10, 10, [0.25])
    assert "kg" in weight["description"]
    assert {"enum": ["red", "green", "blue"], "type": "string"} in colour["anyOf"]
    assert schema["required"] == ["day", "weight"]


def test_a_boolean_is_one_in_openapi() -> None:
    schema = FeatureSchema(fields=(Field(name="flag", kind=Kind.BOOLEAN),))
    document = build_record_model(schema).model_json_schema()["properties"]["flag"]
    assert document == {"description": "flag", "examples": [False], "title": "Flag", "type": "boolean"}
