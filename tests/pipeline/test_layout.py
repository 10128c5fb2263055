"""Which columns of a file are taken for a model's fields, and when nobody can tell."""

from dataclasses import replace
from typing import Any

import pytest

from orchard import FIELDS, HEADER, orchard
from servicio_ml.domain.schema import FeatureSchema, Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import ColumnsError, SourceError
from servicio_ml.pipeline.layout import Layout, Wanted, find_layout
from servicio_ml.use_cases.catalogue import find

HEART = find("heart_disease")
COLUMNS = tuple(each.column for each in HEART.schema.fields)
NAMES = tuple(each.name for each in FIELDS)
NUMBERS = ("63", "1", "1", "145", "233", "1", "2", "150", "0", "2.3", "3", "0", "6")


def _found(header: tuple[str, ...], *, parquet: bool = False, **wanted: Any) -> Layout:
    properties = {"schema": HEART.schema, "use_case": HEART, **wanted}
    return find_layout(Wanted(**properties), header, named="a.csv", parquet=parquet)


@pytest.mark.parametrize(
    ("header", "dialect"),
    [
        ((*COLUMNS, "num"), "UCI with a header"),
        ((*COLUMNS, "target"), "Kaggle"),
        ((*NUMBERS, "0"), "UCI as published"),
        (HEART.schema.field_names, "typed"),
        ((*reversed(HEART.schema.field_names), "num", "more"), "typed"),
    ],
    ids=["UCI", "Kaggle", "no header", "typed", "typed, more columns"],
)
def test_the_dialect_is_known_by_the_columns(header: tuple[str, ...], dialect: str) -> None:
    found = _found(header)
    assert found.dialect == dialect
    assert found.headless == (dialect == "UCI as published")
    assert len(found.reading.columns) == len(HEART.schema.fields)
    assert found.absent == ()


def test_codes_that_may_mean_either_are_not_guessed() -> None:
    with pytest.raises(SourceError, match=r"'UCI with a header', 'Kaggle'.*--dialect"):
        _found(COLUMNS)
    assert _found(COLUMNS, dialect="Kaggle").dialect == "Kaggle"


def test_the_dialects_own_parsing_is_taken() -> None:
    [chest_pain] = [
        column
        for column in _found(COLUMNS, dialect="Kaggle").reading.columns
        if column.field.name == "chest_pain"
    ]
    assert chest_pain.parse.recode["0"] == "asymptomatic"
    assert all(column.parse == Parse() for column in _found(HEART.schema.field_names).reading.columns)


def test_dialects_that_read_the_fields_alike_are_no_choice() -> None:
    twins = orchard(
        dialects=(Dialect(name="a"), Dialect(name="b", columns={"ripe": "Mature"})), schema=_schema()
    )
    header = tuple(name for name in HEADER if name != "Ripe")
    assert _found(header, schema=twins.schema, use_case=twins).dialect == "a"


def test_where_raw_and_typed_names_are_the_same_the_file_is_raw() -> None:
    schema = FeatureSchema(fields=tuple(replace(each, column=each.name) for each in FIELDS))
    found = _found(schema.field_names, schema=schema, use_case=orchard(schema=schema))
    assert found.dialect == "original"


@pytest.mark.parametrize("header", [HEADER, NAMES], ids=["raw", "typed"])
def test_a_model_of_an_unknown_use_case_reads_both_spellings(header: tuple[str, ...]) -> None:
    found = _found(header, schema=_schema(), use_case=None)
    assert found.dialect == ("original" if header == HEADER else "typed")
    weight = found.reading.columns[1]
    assert bool(weight.parse.units) == (header == HEADER)
    assert {"", "NA", "?"} <= set(weight.missing)


def test_only_what_is_optional_and_nullable_may_be_absent() -> None:
    names = [each.name for each in FIELDS]
    found = _found(tuple(names[:-1]), schema=_schema(), use_case=None)
    assert found.absent == ("sugar",)
    required = FeatureSchema(fields=(*FIELDS[:-1], replace(FIELDS[-1], nullable=False)))
    with pytest.raises(ColumnsError, match="missing column 'sugar'"):
        _found(tuple(names[:-1]), schema=required, use_case=None)
    with pytest.raises(ColumnsError, match="missing column 'colour'"):
        _found(tuple(name for name in names if name != "colour"), schema=_schema(), use_case=None)


def test_the_closest_spelling_is_named_in_what_is_missing() -> None:
    with pytest.raises(ColumnsError, match="missing column 'Colour'; found") as told:
        _found(
            tuple("Color" if name == "Colour" else name for name in HEADER), schema=_schema(), use_case=None
        )
    assert "'Colour' may be called 'Color' there" in str(told.value)


def test_a_file_without_a_header_has_the_columns_of_its_dialect() -> None:
    with pytest.raises(ColumnsError, match="missing column"):
        _found(NUMBERS)
    assert _found((*NUMBERS, "0"), keep=("num",)).kept == {"_keep_0": "num"}


def test_a_parquet_file_always_has_a_header() -> None:
    with pytest.raises(ColumnsError):
        _found((*NUMBERS, "0"), parquet=True)


@pytest.mark.parametrize(
    ("header", "wanted", "said"),
    [
        ((*COLUMNS, "num", "age"), {}, "'age' is there twice"),
        ((*COLUMNS, "num", "id", "id"), {"keep": ("id",)}, "'id' is there twice"),
        ((*COLUMNS, "num"), {"dialect": "UCI"}, "no dialect 'UCI'; dialects are UCI with a header"),
    ],
)
def test_what_cannot_be_read_is_told(header: tuple[str, ...], wanted: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        _found(header, **wanted)


def test_a_column_that_stands_twice_and_is_not_read_does_no_harm() -> None:
    assert _found((*COLUMNS, "num", "id", "id")).dialect == "UCI with a header"


def test_a_column_that_is_kept_twice_is_there_once() -> None:
    assert _found((*COLUMNS, "num", "id"), keep=("id", "age", "id")).kept == {
        "_keep_0": "id", "_keep_1": "age",
    }  # fmt: skip


def _schema() -> FeatureSchema:
    return FeatureSchema(fields=FIELDS)
