"""Fields and schemas: what is refused, how they read, and that JSON loses nothing."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.derived import Cyclic, Derived, Difference, Lookup, Missing, Ratio
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import catalogue

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6))
TEXTS = st.text(max_size=8)
PARSES = st.builds(
    Parse,
    pattern=TEXTS.map(lambda text: f"({re.escape(text)})" if text else ""),
    units=st.dictionaries(TEXTS, NUMBERS, max_size=2),
    missing=st.lists(TEXTS, max_size=2).map(tuple),
    missing_numbers=st.lists(NUMBERS, max_size=2).map(tuple),
    recode=st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@st.composite
def fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(st.sampled_from(Kind))
    levels = (
        tuple(draw(st.lists(TEXTS, min_size=1, max_size=3, unique=True))) if kind is Kind.CATEGORY else ()
    )
    bounds = sorted(draw(st.lists(NUMBERS, min_size=2, max_size=2)))
    return Field(
        name=name,
        kind=kind,
        column=draw(TEXTS),
        description=draw(TEXTS),
        example=draw(st.sampled_from(levels)) if levels else draw(NUMBERS),
        unit=draw(TEXTS),
        minimum=draw(st.sampled_from([None, bounds[0]])),
        maximum=draw(st.sampled_from([None, bounds[1]])),
        levels=levels,
        nullable=draw(st.booleans()),
        optional=draw(st.booleans()),
        parse=draw(PARSES),
    )


@st.composite
def schemas(draw: st.DrawFn) -> FeatureSchema:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    inputs = [draw(fields(name)) for name in names[:-1]]
    source = draw(st.sampled_from(inputs))
    new = names[-1]
    derived: list[Derived] = [
        Cyclic(name=new, source=source.name, period=draw(st.floats(0.1, 1e4)), wave="cos"),
        Difference(name=new, minuend=source.name, subtrahend=inputs[0].name),
        Ratio(name=new, numerator=source.name, denominator=inputs[0].name),
        Missing(name=new, source=source.name),
    ]
    if source.levels:
        derived.append(
            Lookup(name=new, source=source.name, table={each: draw(NUMBERS) for each in source.levels})
        )
    return FeatureSchema(fields=tuple(inputs), derived=(draw(st.sampled_from(derived)),))


@given(schema=schemas())
def test_json_loses_nothing(schema: FeatureSchema) -> None:
    assert FeatureSchema.from_json(json.loads(schema.dumps())) == schema


@pytest.mark.parametrize("name", catalogue())
def test_json_loses_nothing_of_the_shipped_schemas(name: str) -> None:
    schema = catalogue()[name].schema
    assert FeatureSchema.from_json(json.loads(schema.dumps())) == schema


def field(**changes: Any) -> Field:
    plain: dict[str, Any] = {
        "name": "age",
        "kind": Kind.NUMBER,
        "column": "Age",
        "description": "Age",
        "example": 1.0,
    }
    return Field(**{**plain, **changes})


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"\d+", "its first group must be the value"),
        (r"(?:\d+)", "its first group must be the value"),
        (r"(\d+", "no regular expression"),
        (r"(\d+)(?=kg)", "without look-around"),
        (r"(?<!a)(\d+)", "without look-around"),
        (r"(\d)\1", "without look-around and back-references"),
    ],
)
def test_a_pattern_that_some_engine_lacks_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        Parse(pattern=pattern)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"name": "Max Power"}, "field 'Max Power': names are snake case", id="name"),
        pytest.param(
            {"levels": ("a",)},
            "field 'age': a category has levels, and nothing else",
            id="number with levels",
        ),
        pytest.param({"kind": Kind.CATEGORY}, "a category has levels", id="category without levels"),
        pytest.param(
            {"kind": Kind.CATEGORY, "levels": ("a", "a"), "example": "a"},
            "a level is named twice",
            id="level twice",
        ),
        pytest.param(
            {"kind": Kind.CATEGORY, "levels": ("a", "b"), "example": "c"},
            "the example 'c' is not one of its levels",
            id="example",
        ),
        pytest.param({"minimum": 2, "maximum": 1}, "minimum 2 > maximum 1", id="bounds"),
    ],
)
def test_a_wrong_field_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UseCaseError, match=message):
        field(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "a number"),
        (
            {"minimum": -25, "maximum": 45.5, "unit": "°C", "nullable": True},
            "a number from -25 to 45.5 °C or null",
        ),
        ({"minimum": 0, "unit": "km"}, "a number of at least 0 km"),
        ({"kind": Kind.INTEGER, "maximum": 3_000_000}, "a whole number of at most 3000000"),
        ({"kind": Kind.CATEGORY, "levels": ("No", "Yes"), "example": "No"}, "one of No, Yes"),
        ({"kind": Kind.DATE, "example": "2016-06-15"}, "a date as YYYY-MM-DD"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_says_what_it_takes(changes: dict[str, Any], words: str) -> None:
    assert field(**changes).allowed == words


def test_the_matrix_has_the_fields_then_the_derived_columns() -> None:
    schema = FeatureSchema(
        fields=(field(), field(name="weight")), derived=(Missing(name="age_missing", source="age"),)
    )
    assert schema.names == ("age", "weight", "age_missing")
    assert schema.field("weight").name == "weight"


def test_a_dropped_field_takes_its_derived_columns_along() -> None:
    schema = FeatureSchema(
        fields=(field(), field(name="weight"), field(name="height")),
        derived=(
            Ratio(name="slimness", numerator="height", denominator="weight"),
            Missing(name="age_missing", source="age"),
        ),
    )
    assert schema.without(["weight"]).names == ("age", "height", "age_missing")
    assert schema.without([]) == schema


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        pytest.param(Missing(name="age", source="age"), "columns age are named twice", id="name taken"),
        pytest.param(
            Difference(name="gap", minuend="age", subtrahend="height"),
            "derived column 'gap': no field height",
            id="source unknown",
        ),
        pytest.param(
            Lookup(name="east", source="wind", table={"N": 0.0}),
            "its table must hold every level",
            id="level lacking",
        ),
        pytest.param(
            Lookup(name="east", source="wind", table={"N": 0.0, "E": 1.0, "W": -1.0}),
            "its table must hold every level, no other",
            id="level too many",
        ),
    ],
)
def test_a_wrong_derived_column_is_refused(derived: Derived, message: str) -> None:
    wind = field(name="wind", kind=Kind.CATEGORY, levels=("N", "E"), example="N")
    with pytest.raises(UseCaseError, match=message):
        FeatureSchema(fields=(field(), wind), derived=(derived,))


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(UseCaseError, match="no field 'wage'; fields are age"):
        FeatureSchema(fields=(field(),)).field("wage")
