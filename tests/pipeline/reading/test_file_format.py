"""Columns of a file are matched with a model's fields, and ambiguous files are refused."""

from dataclasses import replace
from typing import Any

import pytest

from orchard_use_case import FIELDS, HEADER, build_use_case
from servicio_ml.domain.schema import FeatureSchema, Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.errors import ColumnsError, SourceError
from servicio_ml.pipeline.reading.file_format import FileFormat, InputSpec, detect_format
from servicio_ml.use_cases.catalogue import find

HEART = find("heart_disease")
COLUMNS = tuple(column for each in HEART.schema.fields for column in each.columns)
NAMES = tuple(each.name for each in FIELDS)
NUMBERS = ("63", "1", "1", "145", "233", "1", "2", "150", "0", "2.3", "3", "0", "6")


def _detect(header: tuple[str, ...], *, named: bool = False, **wanted: Any) -> FileFormat:
    properties = {"schema": HEART.schema, "use_case": HEART, **wanted}
    return detect_format(InputSpec(**properties), header, source_name="a.csv", named=named)


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
    found = _detect(header)
    assert found.dialect == dialect
    assert found.headless == (dialect == "UCI as published")
    assert len(found.plan.columns) == len(HEART.schema.fields)
    assert found.absent_fields == ()


def test_codes_that_may_mean_either_are_not_guessed() -> None:
    with pytest.raises(SourceError, match=r"'UCI with a header', 'Kaggle'.*--dialect"):
        _detect(COLUMNS)
    assert _detect(COLUMNS, dialect_name="Kaggle").dialect == "Kaggle"


def test_the_dialects_own_parsing_is_taken() -> None:
    [chest_pain] = [
        column
        for column in _detect(COLUMNS, dialect_name="Kaggle").plan.columns
        if column.field.name == "chest_pain"
    ]
    assert chest_pain.parse.recode["0"] == "asymptomatic"
    assert all(column.parse == Parse() for column in _detect(HEART.schema.field_names).plan.columns)


def test_dialects_that_read_the_fields_alike_are_no_choice() -> None:
    alike = build_use_case(
        dialects=(Dialect(name="a"), Dialect(name="b", columns={"ripe": "Mature"})), schema=_create_schema()
    )
    header = tuple(name for name in HEADER if name != "Ripe")
    assert _detect(header, schema=alike.schema, use_case=alike).dialect == "a"


def test_where_raw_and_typed_names_are_the_same_the_file_is_raw() -> None:
    schema = FeatureSchema(fields=tuple(replace(each, column=each.name) for each in FIELDS))
    found = _detect(schema.field_names, schema=schema, use_case=build_use_case(schema=schema))
    assert found.dialect == "original"


@pytest.mark.parametrize("header", [HEADER, NAMES], ids=["raw", "typed"])
def test_a_model_of_an_unknown_use_case_reads_both_dialects(header: tuple[str, ...]) -> None:
    found = _detect(header, schema=_create_schema(), use_case=None)
    assert found.dialect == ("original" if header == HEADER else "typed")
    weight = found.plan.columns[1]
    assert bool(weight.parse.units) == (header == HEADER)
    assert {"", "NA", "?"} <= set(weight.missing_texts)


def test_only_what_is_optional_and_nullable_may_be_absent() -> None:
    names = [each.name for each in FIELDS]
    found = _detect(tuple(names[:-1]), schema=_create_schema(), use_case=None)
    assert found.absent_fields == ("sugar",)
    required = FeatureSchema(fields=(*FIELDS[:-1], replace(FIELDS[-1], nullable=False)))
    with pytest.raises(ColumnsError, match="missing column 'sugar'"):
        _detect(tuple(names[:-1]), schema=required, use_case=None)
    with pytest.raises(ColumnsError, match="missing column 'colour'"):
        _detect(tuple(name for name in names if name != "colour"), schema=_create_schema(), use_case=None)


def test_the_closest_dialect_is_named_in_what_is_missing() -> None:
    with pytest.raises(ColumnsError, match="missing column 'Colour'; found") as caught:
        _detect(
            tuple("Color" if name == "Colour" else name for name in HEADER),
            schema=_create_schema(),
            use_case=None,
        )
    assert "'Colour' may be called 'Color' there" in str(caught.value)


def test_a_file_without_a_header_has_the_columns_of_its_dialect() -> None:
    for cells in (NUMBERS, (*NUMBERS, "0", "0")):
        with pytest.raises(SourceError, match="a file without names has 14 columns") as caught:
            _detect(cells)
        assert str(caught.value) == (
            f"cannot read a.csv: its first line is a row of {len(cells)} values (63, 1, 1 …) and no column"
            " names; a file without names has 14 columns (age, sex, cp, trestbps, chol, fbs, restecg,"
            " thalach, exang, oldpeak, slope, ca, thal, num); complete the rows, or write the names into"
            " the first line"
        )
    assert _detect((*NUMBERS, "0"), keep_columns=("num",)).kept_columns == {"_keep_0": "num"}


def test_a_parquet_file_always_has_a_header() -> None:
    with pytest.raises(ColumnsError):
        _detect((*NUMBERS, "0"), named=True)


@pytest.mark.parametrize(
    ("header", "wanted", "said"),
    [
        ((*COLUMNS, "num", "age"), {}, "'age' is there twice"),
        ((*COLUMNS, "num", "id", "id"), {"keep_columns": ("id",)}, "'id' is there twice"),
        ((*COLUMNS, "num"), {"dialect_name": "UCI"}, "no dialect 'UCI'; dialects are UCI with a header"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    header: tuple[str, ...], wanted: dict[str, Any], said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        _detect(header, **wanted)


def test_a_column_that_stands_twice_and_is_not_read_does_no_harm() -> None:
    assert _detect((*COLUMNS, "num", "id", "id")).dialect == "UCI with a header"


def test_a_column_that_is_kept_twice_is_there_once() -> None:
    assert _detect((*COLUMNS, "num", "id"), keep_columns=("id", "age", "id")).kept_columns == {
        "_keep_0": "id", "_keep_1": "age",
    }  # fmt: skip


def _create_schema() -> FeatureSchema:
    return FeatureSchema(fields=FIELDS)
