"""What a field, a target and a use case are where their file does not say it."""

import pytest

from orchard_use_case import build_use_case
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.use_case import HashedSplit, Target


@pytest.mark.parametrize(
    ("field", "example"),
    [
        (Field(name="a", kind=Kind.CATEGORY, levels=("x", "y")), "x"),
        (Field(name="a", kind=Kind.DATE), "2020-01-01"),
        (Field(name="a", kind=Kind.NUMBER), 0.0),
        (Field(name="a", kind=Kind.NUMBER, minimum=1, maximum=4), 2.5),
        (Field(name="a", kind=Kind.NUMBER, maximum=-3), -3.0),
        (Field(name="a", kind=Kind.INTEGER, minimum=1, maximum=4), 2),
        (Field(name="a", kind=Kind.INTEGER, minimum=0.5, maximum=1.2), 1),
        (Field(name="a", kind=Kind.INTEGER, example=0, minimum=-4, maximum=9), 0),
    ],
    ids=["category", "date", "number", "range", "maximum", "integer", "fractions", "given"],
)
def test_an_example_is_made_from_levels_and_bounds(field: Field, example: object) -> None:
    assert (field.example, type(field.example)) == (example, type(example))


def test_the_column_has_the_fields_name_and_describes_it() -> None:
    field = Field(name="a", kind=Kind.NUMBER)
    assert (field.column, field.description) == ("a", "a")
    target = Target(name="price", column="Price (EUR)")
    assert (target.column, target.description) == ("Price (EUR)", "Price (EUR)")


def test_a_use_case_has_a_title_from_its_name_and_a_split() -> None:
    use_case = build_use_case(name="flat_rent", title="", split=HashedSplit())
    assert use_case.title == "Flat rent"
