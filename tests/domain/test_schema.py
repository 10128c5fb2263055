"""Fields and schemas: what is refused, how they read, and that JSON loses nothing."""

import json
import re
from dataclasses import replace
from datetime import date, datetime
from keyword import iskeyword
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.derived import (
    Bins,
    Cyclic,
    DatePart,
    Derived,
    Difference,
    Expression,
    Frequency,
    Lookup,
    Missing,
    Ratio,
    TargetMean,
)
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels, Parse
from servicio_ml.domain.values import normalize_code
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import load_catalogue

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6))
CHARACTERS = st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp"))
TEXTS = st.text(CHARACTERS, max_size=8).map(lambda text: " ".join(text.split()))
LABELS = TEXTS.filter(lambda text: text not in {"", "missing"} and normalize_code(text) is None)
PARSES = st.builds(
    Parse,
    # an escaped backslash before a digit looks like a back-reference
    pattern=TEXTS.filter(lambda text: "\\" not in text).map(lambda text: f"({re.escape(text)})"),
    units=st.dictionaries(LABELS.map(str.lower), st.floats(0.1, 1e3), max_size=2),
    missing=st.lists(TEXTS, max_size=2).map(tuple),
    missing_numbers=st.lists(NUMBERS, max_size=2).map(tuple),
    recode=st.dictionaries(TEXTS, TEXTS, max_size=2),
)
DAYS = st.dates(date(1000, 1, 1), date(2999, 12, 31)).map(str)
MOMENTS = st.datetimes(datetime(1000, 1, 1), datetime(2999, 12, 31)).map(datetime.isoformat)  # noqa: DTZ001
NUMERIC = {Kind.NUMBER, Kind.INTEGER}


@st.composite
def build_levels(draw: st.DrawFn) -> dict[str, Any]:
    levels = tuple(draw(st.lists(LABELS, min_size=1, max_size=3, unique=True)))
    rule = draw(st.none() | st.just(LearnedLevels(maximum=3)))
    if rule:
        levels = (*(level for level in levels if level != "other"), "other")
    ordered = rule is None and draw(st.booleans())
    return {"levels": levels, "learned_levels": rule, "ordered": ordered, "example": levels[0]}


@st.composite
def build_fields(draw: st.DrawFn, name: str) -> Field:
    kind = draw(st.sampled_from(Kind))
    number: float = draw(st.integers(-100, 100) if kind is Kind.INTEGER else st.floats(-100, 100))
    examples: dict[Kind, Any] = {
        Kind.DATE: draw(DAYS),
        Kind.DATETIME: draw(MOMENTS),
        Kind.BOOLEAN: draw(st.booleans()),
        Kind.TEXT: draw(TEXTS),
    }
    parse = draw(PARSES)
    texts = draw(build_levels()) if kind is Kind.CATEGORY else {"example": examples.get(kind, number)}
    return Field(
        name=name,
        kind=kind,
        column=draw(LABELS),
        description=draw(TEXTS),
        unit=draw(TEXTS),
        minimum=draw(st.sampled_from([None, -100])) if kind in NUMERIC else None,
        maximum=draw(st.sampled_from([None, 100.0])) if kind in NUMERIC else None,
        nullable=draw(st.booleans()),
        optional=draw(st.booleans()),
        words=("red", "box") if kind is Kind.TEXT else (),
        zone=draw(st.sampled_from(["", "UTC", "Europe/Madrid"])) if kind is Kind.DATETIME else "",
        parse=parse if kind in NUMERIC else replace(parse, units={}, missing_numbers=()),
        **texts,
    )


@st.composite
def build_schemas(draw: st.DrawFn) -> FeatureSchema:
    names = draw(st.lists(NAMES, min_size=2, max_size=6, unique=True))
    inputs = [draw(build_fields(name)) for name in names[:-1]]
    source = draw(st.sampled_from(inputs))
    new = names[-1]
    derived: list[Derived] = [Missing(name=new, source=source.name)]
    if not source.levels and source.kind is not Kind.TEXT:
        derived += [
            Cyclic(name=new, source=source.name, period=draw(st.floats(0.1, 1e4)), wave="cos"),
            Difference(name=new, minuend=source.name, subtrahend=source.name),
            Ratio(name=new, numerator=source.name, denominator=source.name),
        ]
        if not iskeyword(source.name):
            derived.append(Expression(name=new, text=f"log({source.name} + 1)"))
    if source.kind in NUMERIC:
        derived.append(Bins(name=new, source=source.name, edges=(0, 1.5)))
    if source.kind is Kind.DATE:
        derived.append(DatePart(name=new, source=source.name, part="weekday"))
    if source.levels:
        derived.append(
            Lookup(name=new, source=source.name, table={each: draw(NUMBERS) for each in source.levels})
        )
    if source.kind is Kind.CATEGORY:
        derived += [TargetMean(name=new, source=source.name), Frequency(name=new, source=source.name)]
    return FeatureSchema(fields=tuple(inputs), derived=(draw(st.sampled_from(derived)),))


@given(schema=build_schemas())
def test_json_loses_nothing(schema: FeatureSchema) -> None:
    assert FeatureSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


@pytest.mark.parametrize("name", load_catalogue())
def test_json_loses_nothing_of_the_shipped_schemas(name: str) -> None:
    schema = load_catalogue()[name].schema
    assert FeatureSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema


def build_field(**changes: Any) -> Field:
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
        build_field(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "a number"),
        (
            {"minimum": -25, "maximum": 45.5, "unit": "°C", "nullable": True},
            "a number from -25 to 45.5 °C or null",
        ),
        ({"minimum": 0, "unit": "km"}, "a number of at least 0 km"),
        ({"kind": Kind.INTEGER, "maximum": 3_000_000}, "a whole number from -16777216 to 3000000"),
        ({"kind": Kind.CATEGORY, "levels": ("No", "Yes"), "example": "No"}, "one of No, Yes"),
        ({"kind": Kind.DATE, "example": "2016-06-15"}, "a date as YYYY-MM-DD of the years 1000–2999"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_field_says_what_it_takes(changes: dict[str, Any], words: str) -> None:
    assert build_field(**changes).allowed == words


def test_the_matrix_has_the_fields_then_the_derived_columns() -> None:
    schema = FeatureSchema(
        fields=(build_field(), build_field(name="weight")),
        derived=(Missing(name="age_missing", source="age"),),
    )
    assert schema.names == ("age", "weight", "age_missing")
    assert schema.get_field("weight").name == "weight"


def test_a_dropped_field_takes_its_derived_columns_along() -> None:
    schema = FeatureSchema(
        fields=(build_field(), build_field(name="weight"), build_field(name="height")),
        derived=(
            Ratio(name="slimness", numerator="height", denominator="weight"),
            Missing(name="age_missing", source="age"),
        ),
    )
    assert schema.drop_fields(["weight"]).names == ("age", "height", "age_missing")
    assert schema.drop_fields([]) == schema


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
    wind = build_field(name="wind", kind=Kind.CATEGORY, levels=("N", "E"), example="N")
    with pytest.raises(UseCaseError, match=message):
        FeatureSchema(fields=(build_field(), wind), derived=(derived,))


def test_an_unknown_field_is_named_with_the_known_ones() -> None:
    with pytest.raises(UseCaseError, match="no field 'wage'; fields are age"):
        FeatureSchema(fields=(build_field(),)).get_field("wage")
