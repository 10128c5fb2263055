"""Every text and number of a use case is one that files, databases and interfaces can hold."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from servicio_ml.domain.derived import (
    Bins,
    Cyclic,
    DatePart,
    Difference,
    Expression,
    Frequency,
    GroupMean,
    Lookup,
    Missing,
    Ratio,
    TargetMean,
)
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.policy import DriftPolicy, PromotionPolicy
from servicio_ml.domain.sample import Factor, Marginal, NextDay, Panel, Scaled, Switch, SyntheticSample, Text
from servicio_ml.domain.schema import Field, Kind, LearnedLevels, Parse
from servicio_ml.domain.search import Candidate, Choice, Integer, Poisson, Quantile, Real, Tweedie
from servicio_ml.domain.use_case import (
    ColumnSplit,
    DateSplit,
    Dialect,
    GroupSplit,
    HashedSplit,
    Origin,
    Target,
)
from servicio_ml.errors import UseCaseError
from servicio_ml.use_cases.catalogue import load_catalogue

HALF, ZERO = "a\ud800b", "a\x00b"
DIGITS = 10**400
SURROGATE = "it holds half of a surrogate pair, which is no text; write the character itself"
WEIGHT = Field(
    name="weight", kind=Kind.NUMBER, column="Weight", description="Weight", example=1.0, unit="kg", minimum=0
)
PRICE = Target(name="price", column="Price", description="Price", unit="EUR", minimum=1)
PARSE = Parse(pattern="(.+)", units={"g": 1.0}, missing=("?",), missing_numbers=(9,), recode={"a": "b"})
PARTS: list[Any] = [
    WEIGHT,
    Field(name="hue", kind=Kind.CATEGORY, column="Hue", description="", example="red", levels=("red",)),
    PRICE,
    Target(name="grade", column="G", description="", labels=("low", "high"), edges=(2,)),
    PARSE,
    Lookup(name="l", source="hue", table={"red": 1.0}),
    Cyclic(name="c", source="day", period=7, wave="sin"),
    Candidate(name="tree", family="decision_tree", space={"a": Integer(low=1, high=2)}, start={"a": 1}),
    Candidate(name="tree", family="decision_tree", fixed={"a": "b", "c": 1}),
    Integer(low=1, high=2),
    Real(low=1, high=2),
    Choice(options=("a", 1)),
    Poisson(),
    Quantile(level=0.9),
    Tweedie(power=1.5),
    PromotionPolicy(metric="mae", floor=1, slices=("hue",)),
    FairnessLimits(max_tpr_difference=0.1),
    Segment(field="hue"),
    Dialect(name="old", header=("a",), columns={"weight": "W"}, parse={"weight": PARSE}),
    DateSplit(field="day"),
    HashedSplit(),
    GroupSplit(field="customer"),
    ColumnSplit(field="part"),
    Origin(file="a.csv", kaggle="a/b", uci=4, licence="CC0"),
    Factor(name="f", levels={"a": 1.0}),
    Marginal(quantiles={0: 0, 1: 1}, missing_with="a", missing_at=("a",), loadings=(0.5,)),
    Marginal(shares={"a": 1}),
    Text(templates={"a": 1}),
    Panel(date="Day", entity="Hue", entities=("red",), last="2016-06-15"),
    SyntheticSample(rows=9, missing="NA"),
    Switch(source="a", above=1, low=Marginal(shares={"a": 1}), high=Marginal(shares={"a": 1})),
    NextDay(source="a"),
    Scaled(source="a", factor=2),
    Difference(name="d", minuend="a", subtrahend="b"),
    Ratio(name="r", numerator="a", denominator="b"),
    LearnedLevels(),
    Missing(name="m", source="a"),
    TargetMean(name="t", source="a"),
    Frequency(name="f", source="a"),
    GroupMean(name="g", source="a", by="b"),
    Expression(name="e", text="a + 1"),
    Bins(name="b", source="a", edges=(1, 2)),
    DatePart(name="p", source="a", part="year"),
    DriftPolicy(season="day"),
    *load_catalogue().values(),
]
"""At least one of every class of a use case, with a text or number in its attributes."""


def _replace_values(value: Any, kind: type, bad: object) -> Iterator[Any]:
    """Copies of a value in each of which one text, or number, is the bad one."""
    if type(value) in ((str,) if kind is str else (int, float)):
        yield bad
    elif isinstance(value, tuple) and value:
        yield from ((first, *value[1:]) for first in _replace_values(value[0], kind, bad))
    elif isinstance(value, Mapping):
        for key, item in [*value.items()][:1]:
            yield from ({**value, key: first} for first in _replace_values(item, kind, bad))
            yield from ({**value, first: item} for first in _replace_values(key, kind, bad))


def _list_errors(kind: type, bad: object) -> Iterator[tuple[str, str]]:
    for part in PARTS:
        for attribute in fields(part):
            for value in _replace_values(getattr(part, attribute.name), kind, bad):
                with pytest.raises(UseCaseError) as caught:
                    replace(part, **{attribute.name: value})
                yield f"{type(part).__name__}.{attribute.name}", str(caught.value)


@pytest.mark.parametrize(
    ("kind", "bad", "problem"),
    [
        (str, HALF, "surrogate pair"),
        (str, ZERO, "it holds the control character '\\x00'; leave it out"),
        (float, DIGITS, "a whole number of about 400 digits"),
    ],
    ids=["half of a surrogate pair", "control character", "number beyond float64"],
)
def test_no_attribute_takes_what_cannot_be_held(kind: type, bad: object, problem: str) -> None:
    """One walk over all attributes, also those that are added later."""
    found = list(_list_errors(kind, bad))
    others = {name: error for name, error in found if problem not in error}
    assert set(others) <= {"Cyclic.wave", "DatePart.part"}
    assert all(error.isprintable() for _, error in found)


@pytest.mark.parametrize(
    ("part", "changes", "problem"),
    [
        (WEIGHT, {"column": HALF}, f"field 'weight': column is 'a\\ud800b'; {SURROGATE}"),
        (WEIGHT, {"unit": "\n"}, "unit is '\\n'; it must be one line without blanks around it"),
        (WEIGHT, {"unit": "k\tg"}, "unit is 'k\\tg'; it must be one line without blanks around it"),
        (WEIGHT, {"unit": " kg"}, "unit is ' kg'; it must be one line without blanks around it"),
        (
            WEIGHT,
            {"unit": "k\x1bg"},
            "unit is 'k\\x1bg'; it holds the control character '\\x1b'; leave it out",
        ),
        (WEIGHT, {"description": "a\u2028b"}, "it holds the control character '\\u2028'; leave it out"),
        (WEIGHT, {"maximum": DIGITS}, "maximum is a whole number of about 400 digits; it must be a number"),
        (WEIGHT, {"minimum": -(10**9999)}, "minimum is a whole number of about 9,999 digits; it must be"),
        (WEIGHT, {"example": DIGITS}, "example is a whole number of about 400 digits; it must be a number"),
        (PRICE, {"unit": "E\nUR"}, "target 'price': unit is 'E\\nUR'; it must be one line without blanks"),
        (PRICE, {"minimum": DIGITS}, "target 'price': minimum is a whole number of about 400 digits"),
        (PARSE, {"units": {"g": DIGITS}}, "units['g'] is a whole number of about 400 digits; it must be a"),
        (HashedSplit(), {"folds": DIGITS}, "it must be from -9,007,199,254,740,992 to 9,007,199,254,740,992"),
        (Integer(low=1, high=2), {"high": 2**64}, "high is 18446744073709551616; it must be from -9,007,"),
    ],
)
def test_the_message_names_the_attribute_and_the_remedy(
    part: Any, changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UseCaseError) as caught:
        replace(part, **changes)
    assert problem in str(caught.value)


def test_the_title_is_one_line_and_the_description_a_paragraph() -> None:
    use_case = load_catalogue()["heart_disease"]
    for title in ("\n", "a\nb", "a\tb", " a"):
        with pytest.raises(
            UseCaseError, match=r"title is .*; it must be one line that begins with a character"
        ):
            replace(use_case, title=title)
    assert replace(use_case, description="One line.\nAnother.").description == "One line.\nAnother."
    assert replace(use_case, title="Ärzte 😀").title == "Ärzte 😀"


def test_the_walk_meets_every_class_of_a_use_case() -> None:
    known = {type(part) for part in PARTS}
    assert {
        type(each).__name__ for part in PARTS for each in _list_parts(part) if type(each) not in known
    } == {"FeatureSchema", "LearnedWords"}


def _list_parts(value: Any) -> Iterator[Any]:
    if is_dataclass(value):
        yield value
        for attribute in fields(value):
            yield from _list_parts(getattr(value, attribute.name))
    elif isinstance(value, tuple | Mapping):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _list_parts(each)
