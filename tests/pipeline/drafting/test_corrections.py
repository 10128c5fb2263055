"""Corrections of a draft: kinds, ranges and levels as the user says, or an error that names the column."""

from pathlib import Path
from typing import Any

import pytest

from messy_files import write_rows
from servicio_ml.domain.schema import Field, Kind, Parse
from servicio_ml.errors import DraftError, ServicioError
from servicio_ml.pipeline.drafting.answers import DraftAnswers
from servicio_ml.pipeline.drafting.corrections import ColumnCorrection, parse_correction
from servicio_ml.pipeline.drafting.document import describe_draft
from servicio_ml.pipeline.drafting.draft import Draft, draft_use_case

DAYS = ("mon", "tue", "wed")


def build_draft(folder: Path, columns: dict[str, Any], target: str = "y") -> Draft:
    path = folder / "rows.csv"
    path.write_text(write_rows("a,id,day", lambda i: f"{i * 13 % 7},{i},{DAYS[i * i % 3]}"))
    corrections = {name: parse_correction(name, each) for name, each in columns.items()}
    answers = DraftAnswers(target=target, columns=corrections)
    return draft_use_case("plums", answers, path, source_name="rows.csv")


def get_field(draft: Draft, name: str) -> Field:
    return draft.use_case.schema.get_field(name)


def test_a_kind_is_the_corrected_one(tmp_path: Path) -> None:
    draft = build_draft(
        tmp_path, {"a": {"kind": "category"}, "id": {"kind": "number"}, "day": {"kind": "left out"}}
    )
    assert get_field(draft, "a").levels == ("0", "1", "2", "3", "4", "5", "6")
    assert get_field(draft, "id").kind is Kind.NUMBER
    assert draft.use_case.schema.field_names == ("a", "id", "x")
    assert draft.decisions["day"] == "left out: as you corrected it"
    assert draft.decisions["a"].endswith("as you corrected it")


def test_numbers_are_days_where_the_user_says_so(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text(write_rows("a", lambda i: f"{1577836801 + i * 7 % 160 * 500_011}"), encoding="utf-8")
    answers = DraftAnswers(target="y", columns={"a": ColumnCorrection(kind="date")})
    draft = draft_use_case("rows", answers, source, source_name="rows.csv")
    assert draft.use_case.schema.get_field("a").parse == Parse(date_format="epoch_s")


def test_a_range_and_levels_are_the_corrected_ones(tmp_path: Path) -> None:
    draft = build_draft(
        tmp_path, {"a": {"minimum": -5, "maximum": 9}, "day": {"levels": ["tue", "mon", "sun"]}}
    )
    assert (get_field(draft, "a").minimum, get_field(draft, "a").maximum) == (-5, 9)
    assert get_field(draft, "day").levels == ("tue", "mon", "sun")
    assert "sun" in draft.source


def test_levels_that_were_learned_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    towns = [f"town {i % 100}" for i in range(3000)]
    path.write_text(write_rows("town", lambda i: towns[i], rows=3000))
    given = tuple(sorted({*towns}))
    answers = DraftAnswers(target="y", columns={"town": parse_correction("town", {"levels": [*given]})})
    inferred = draft_use_case("towns", DraftAnswers(target="y"), path, source_name="rows.csv")
    assert get_field(inferred, "town").learned_levels
    field = get_field(draft_use_case("towns", answers, path, source_name="rows.csv"), "town")
    assert (field.levels, field.learned_levels) == (given, None)


def test_nothing_is_corrected_by_what_was_inferred(tmp_path: Path) -> None:
    inferred = build_draft(tmp_path, {})
    columns = {
        each["column"]: {name: each[name] for name in ("kind", "minimum", "maximum", "levels")}
        for each in describe_draft(inferred)["columns"]
    }
    assert build_draft(tmp_path, columns).source == inferred.source


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"day": {"kind": "number"}}, "the column 'day' cannot be of the kind number: its texts are none"),
        ({"day": {"kind": "date"}}, "the column 'day' cannot be of the kind date"),
        ({"day": {"minimum": 1}}, "the column 'day' is of the kind category and has no range"),
        (
            {"day": {"minimum": 1, "levels": ["mon"]}},
            "the column 'day' is of the kind category and has no range",
        ),
        ({"day": {"kind": "date", "minimum": 1}}, "the column 'day' cannot be of the kind date"),
        ({"a": {"levels": ["1"]}}, "the column 'a' is of the kind integer and has no levels"),
        ({"b": {"kind": "number"}}, "there is no column 'b' to correct; columns are a, id, day, x, y"),
        ({"id": {"minimum": 1}}, "the column 'id' is left out and has no range; correct its kind"),
        ({"day": {"kind": "left out", "levels": ["mon"]}}, "the column 'day' is left out and has no levels"),
        ({"y": {"kind": "number"}}, "'y' is the target; of it only minimum and maximum can be corrected"),
        ({"y": {"levels": ["no"]}}, "'y' is the target; of it only minimum and maximum can be corrected"),
        ({"y": {"minimum": 0}}, r"the target 'y' has classes"),
    ],
)
def test_a_wrong_correction_is_refused(tmp_path: Path, columns: dict[str, Any], problem: str) -> None:
    with pytest.raises(DraftError, match=problem):
        build_draft(tmp_path, columns)


def draft_amounts(folder: Path, **bounds: float) -> Draft:
    """Draft a file whose target `amount` has numbers from 0 to 100 in no order, and 9000 in four rows."""
    path = folder / "rows.csv"
    path.write_text(write_rows("amount", lambda i: f"{9000 if i % 40 == 3 else i * 37 % 101}"))
    answers = DraftAnswers(target="amount", columns={"amount": parse_correction("amount", bounds)})
    return draft_use_case("plums", answers, path, source_name="rows.csv")


def test_the_range_of_a_target_is_the_corrected_one(tmp_path: Path) -> None:
    draft = draft_amounts(tmp_path, minimum=0, maximum=100)
    assert (draft.use_case.target.minimum, draft.use_case.target.maximum) == (0, 100)
    assert 'target=Target(name="amount", minimum=0, maximum=100)' in draft.source
    assert draft.target_reason.endswith("as you corrected it")
    assert draft.check.status_counts["quarantined"] == 4
    assert describe_draft(draft)["target"]["maximum"] == 100


def test_the_bound_that_is_not_corrected_is_inferred(tmp_path: Path) -> None:
    inferred = draft_amounts(tmp_path).use_case.target
    draft = draft_amounts(tmp_path, maximum=100)
    assert (draft.use_case.target.minimum, draft.use_case.target.maximum) == (inferred.minimum, 100)


@pytest.mark.parametrize(
    ("bounds", "problem"),
    [
        ({"minimum": 5, "maximum": 3}, "minimum 5 > maximum 3"),
        ({"minimum": 200, "maximum": 300}, "fewer than two different numbers from 200 to 300; correct its"),
        ({"minimum": float("nan")}, "minimum"),
        ({"maximum": float("inf")}, "maximum"),
    ],
)
def test_a_wrong_range_of_a_target_is_refused(tmp_path: Path, bounds: dict[str, float], problem: str) -> None:
    with pytest.raises(ServicioError, match=f"target 'amount'.*{problem}"):
        draft_amounts(tmp_path, **bounds)


@pytest.mark.parametrize(
    ("minimum", "is_log"),
    [
        pytest.param(None, False, id="inferred"),
        pytest.param(0, False, id="zero"),
        pytest.param(1, True, id="one"),
    ],
)
def test_a_corrected_minimum_decides_about_the_logarithm(
    tmp_path: Path, *, minimum: float | None, is_log: bool
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(write_rows("amount", lambda i: f"{0 if i % 50 == 3 else 2 ** (i * 37 % 101 / 10):.2f}"))
    bounds = {} if minimum is None else {"minimum": minimum}
    answers = DraftAnswers(target="amount", columns={"amount": parse_correction("amount", bounds)})
    target = draft_use_case("plums", answers, path, source_name="rows.csv").use_case.target
    assert target.log == is_log
    assert target.minimum == (minimum or 0)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("number", "column 'a' has 'number'; it takes kind, minimum, maximum, levels"),
        ({"unit": "m"}, "column 'a' has 'unit'"),
        ({"kind": "nominal"}, "the kind of 'a' is 'nominal'; it takes left out, number, integer"),
        ({"levels": "x"}, "the levels of 'a' are 'x'"),
        ({"levels": [""]}, r"the levels of 'a' are \[''\]"),
        ({"minimum": "1"}, "the minimum of 'a' is '1'; it takes a number"),
        ({"maximum": True}, "the maximum of 'a' is True"),
    ],
)
def test_a_correction_is_checked(document: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_correction("a", document)


@pytest.mark.parametrize("kind", Kind)
def test_a_column_can_be_corrected_to_any_kind(kind: Kind) -> None:
    assert parse_correction("a", {"kind": kind.value}).kind == kind


def test_the_document_has_what_a_page_shows(tmp_path: Path) -> None:
    document = describe_draft(build_draft(tmp_path, {}))
    assert document["task"] == "binary"
    assert document["target"]["labels"] == ["no", "yes"]
    assert [(each["column"], each["kind"]) for each in document["columns"]] == [
        ("a", "integer"), ("id", "left out"), ("day", "category"), ("x", "integer"),
    ]  # fmt: skip
    assert all(each["reason"] for each in document["columns"])
    assert document["questions"] == []
