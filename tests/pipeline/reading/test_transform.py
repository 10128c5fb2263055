"""Texts become values by the rules of their field, and every row has one status."""

import csv
import string
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchard_use_case import (
    FIELDS,
    GOOD,
    HEADER,
    build_grade_use_case,
    build_price_use_case,
    build_row,
    build_use_case,
    transform_file,
    write_csv,
)
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.reading.transform import REASON, STATUS, VALUE, RowStatus
from servicio_ml.use_cases.catalogue import find


def _transform(folder: Path, rows: list[tuple[str, ...]], use_case: UseCase | None = None) -> pl.DataFrame:
    work = folder / "work"
    work.mkdir(exist_ok=True)
    return transform_file(
        write_csv(folder / "a.csv", rows), use_case or build_use_case(deduplicate=False), work
    )


@pytest.mark.parametrize(
    ("column", "text", "value"),
    [
        ("Weight", "180", 180.0),
        ("Weight", " 1.5kg ", 1500.0),
        ("Weight", "1.5 KG", 1500.0),
        ("Weight", "12 g", 12.0),
        ("Weight", "12 oz", "not read"),
        ("Weight", "2e2", 200.0),
        ("Weight", '"2,700"', 2700.0),
        ("Weight", "9", None),
        ("Weight", "99.5 g", None),
        ("Weight", "unknown", None),
        ("Weight", "g", None),
        ("Weight", "NA", None),
        ("Weight", " ? ", None),
        ("Weight", "", None),
        ("Seeds", "7.0", 7),
        ("Seeds", '"1,23,4"', "not read"),
        ("Seeds", '"12,345"', 12345),
        ("Seeds", "+3", 3),
        ("Seeds", "7.5", "not read"),
        ("Seeds", "-1", "not read"),
        ("Seeds", "1e300", "not read"),
        ("Seeds", "NA", "not read"),
        ("Sugar", ".5", 0.5),
        ("Sugar", "-1.25e-2", -0.0125),
        ("Sugar", "5.", 5.0),
        ("Sugar", '"1,5"', "not read"),
        ("Sugar", "nan", "not read"),
        ("Sugar", "inf", "not read"),
        ("Sugar", "-Infinity", "not read"),
        ("Sugar", "1e999", "not read"),
        ("Sugar", "1 2", "not read"),
        ("Sugar", "٣", "not read"),
        ("Sugar", "0x10", "not read"),
        ("Weight", "0.5", "not read"),
        ("Weight", "6 kg", "not read"),
        ("Weight", "about 180", "not read"),
        ("Colour", "r", "red"),
        ("Colour", " red ", "red"),
        ("Colour", "n/a", None),
        ("Colour", "Red", "not read"),
        ("Day", "2020-02-29", date(2020, 2, 29)),
        ("Day", "2019-02-29", "not read"),
        ("Day", "1900-02-29", "not read"),
        ("Day", "2000-02-29", date(2000, 2, 29)),
        ("Day", "2020-06-31", "not read"),
        ("Day", "2020-6-3", "not read"),
        ("Day", "30/06/2020", "not read"),
        ("Day", "NA", "not read"),
    ],
)
def test_a_text_becomes_its_value(tmp_path: Path, column: str, text: str, value: object) -> None:
    found = _transform(tmp_path, [build_row(**{column: text})]).row(0, named=True)
    assert found[column.lower()] == (None if value == "not read" else value)
    assert found[STATUS] == (RowStatus.QUARANTINED if value == "not read" else RowStatus.KEPT)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Sugar": "sweet"}, "sugar: 'sweet' is not a number"),
        ({"Weight": "6 kg"}, "weight: '6 kg' is not a number from 1 to 5000 g"),
        ({"Seeds": "7.5"}, "seeds: '7.5' is not a whole number from 0 to 20000"),
        ({"Seeds": "?"}, "seeds: it is missing"),
        ({"Colour": "blue"}, "colour: 'blue' is not one of green, yellow, red"),
        ({"Day": "today"}, "day: 'today' is not a date as YYYY-MM-DD of the years 1000–2999"),
        ({"Ripe": "maybe"}, "ripe: 'maybe' is not one of no, yes"),
        (
            {"Day": "x", "Sugar": "y"},
            "day: 'x' is not a date as YYYY-MM-DD of the years 1000–2999; sugar: 'y' is not a number",
        ),
        ({"Ripe": "yes,surplus"}, "the line has more fields than there are columns"),
    ],
)
def test_a_reason_names_field_text_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    found = _transform(tmp_path, [build_row(**changes)]).row(0, named=True)
    assert (found[STATUS], found[REASON]) == (RowStatus.QUARANTINED, reason)


def test_a_rejected_row_keeps_its_raw_texts_and_a_kept_one_does_not(tmp_path: Path) -> None:
    frame = _transform(tmp_path, [build_row(), build_row(Seeds=" x ")])
    raw = frame.select(pl.col("^_raw_.*$"))
    assert raw.row(0) == (None,) * len(HEADER)
    assert raw.row(1) == build_row(Seeds="x")


@pytest.mark.parametrize(
    ("rows", "statuses"),
    [
        pytest.param(
            [build_row(), build_row(), build_row()],
            ["kept", "duplicate", "duplicate"],
            id="the first copy is kept",
        ),
        pytest.param([build_row(), build_row(Seeds=" 7 ")], ["kept", "duplicate"], id="blanks do not count"),
        pytest.param(
            [build_row(Seeds="x"), build_row(Seeds="x")],
            ["quarantined", "duplicate"],
            id="copies of a rejected row",
        ),
        pytest.param(
            [build_row(Colour=""), build_row(Colour="")],
            ["kept", "duplicate"],
            id="missing is equal to missing",
        ),
        pytest.param([build_row(), build_row(Ripe="no")], ["kept", "kept"], id="the target counts"),
        pytest.param(
            [build_row(Seeds="10"), build_row(Seeds="10.0"), build_row(Seeds="1e1"), build_row(Seeds="10.5")],
            ["kept", "duplicate", "duplicate", "quarantined"],
            id="numbers are equal by value",
        ),
        pytest.param(
            [build_row(), build_row(Day="2020-06-30T00:00:00Z"), build_row(Day="2020-07-30")],
            ["kept", "duplicate", "kept"],
            id="days are equal by value",
        ),
        pytest.param(
            [build_row(Sugar="NA"), build_row(Sugar=""), build_row(Sugar="?"), build_row(Sugar="0")],
            ["kept", "duplicate", "duplicate", "kept"],
            id="missing texts are equal",
        ),
        pytest.param(
            [build_row(Weight="1 kg"), build_row(Weight="1000 g"), build_row(Weight="1 kg")],
            ["kept", "kept", "duplicate"],
            id="texts that a pattern reads are compared",
        ),
        pytest.param(
            [build_row(Colour="r"), build_row(Colour="red"), build_row(Colour="r")],
            ["kept", "kept", "duplicate"],
            id="texts that are recoded are compared",
        ),
        pytest.param(
            [build_row(Seeds="x"), build_row(Seeds="y"), build_row(Seeds="-1"), build_row(Seeds="x")],
            ["quarantined", "quarantined", "quarantined", "duplicate"],
            id="other rejected values are no copies",
        ),
        pytest.param(
            [build_row(Day="2021-01-01"), build_row(Day="2020-12-31")],
            ["later", "kept"],
            id="the last day is in",
        ),
        pytest.param([build_row(Day="2021-01-01", Ripe="")], ["later"], id="later before unlabelled"),
        pytest.param([build_row(Day="2021-01-01", Seeds="x")], ["later"], id="later before quarantined"),
        pytest.param(
            [build_row(Ripe=""), build_row(Ripe="NA", Seeds="8")],
            ["unlabelled", "unlabelled"],
            id="unlabelled",
        ),
        pytest.param([build_row(Ripe="", Seeds="x")], ["unlabelled"], id="unlabelled before quarantined"),
        pytest.param([build_row(Day="x", Ripe="")], ["unlabelled"], id="no date is not later"),
        pytest.param([GOOD[:5]], ["quarantined"], id="a line cut before its target is not unlabelled"),
        pytest.param([GOOD[:3], GOOD[:3]], 2 * ["quarantined"], id="cut lines are no copies of each other"),
        pytest.param(
            [build_row(Ripe="yes,more"), build_row(Ripe="yes,more")],
            2 * ["quarantined"],
            id="lines that are too long are no copies of each other",
        ),
        pytest.param(
            [build_row(Ripe=""), GOOD[:5], build_row(Ripe="")],
            ["unlabelled", "quarantined", "duplicate"],
            id="a cut line is no copy of a complete row",
        ),
        pytest.param(
            [build_row(Ripe="yes,more"), GOOD, GOOD],
            ["quarantined", "kept", "duplicate"],
            id="a complete row is no copy of a line that is too long",
        ),
        pytest.param([("2021-01-01",)], ["quarantined"], id="a cut line is not later"),
        pytest.param([build_row(Ripe=",more")], ["quarantined"], id="a line that is too long is labelled"),
    ],
)
def test_a_row_has_the_first_status_that_applies(
    tmp_path: Path, rows: list[tuple[str, ...]], statuses: list[str]
) -> None:
    assert _transform(tmp_path, rows, build_use_case())[STATUS].to_list() == statuses


def test_a_use_case_may_keep_copies_and_have_no_event_date(tmp_path: Path) -> None:
    rows = [build_row(Day="2021-01-01"), build_row(Day="2021-01-01")]
    frame = _transform(tmp_path, rows, build_use_case(deduplicate=False, event_date=""))
    assert frame[STATUS].to_list() == ["kept", "kept"]


@pytest.mark.parametrize(
    ("use_case", "text", "label", "value"),
    [
        (build_use_case(), "yes", "yes", 1.0),
        (build_use_case(), "no", "no", 0.0),
        (build_price_use_case(), "2.5", 2.5, 2.5),
        (build_grade_use_case(), "0.99", "C", 0.99),
        (build_grade_use_case(), "1", "B", 1.0),
        (build_grade_use_case(), "2.49", "B", 2.49),
        (build_grade_use_case(), "2.5", "A", 2.5),
        (build_grade_use_case(), "4", "A", 4.0),
    ],
)
def test_the_target_is_a_label_or_a_number(
    tmp_path: Path, use_case: UseCase, text: str, label: object, value: float
) -> None:
    found = _transform(tmp_path, [build_row(Ripe=text)], use_case).row(0, named=True)
    assert (found[use_case.target.name], found[VALUE], found[STATUS]) == (label, value, RowStatus.KEPT)


@pytest.mark.parametrize("text", ["-0.1", "4.01", "A", "inf"])
def test_a_target_out_of_its_range_is_rejected(tmp_path: Path, text: str) -> None:
    found = _transform(tmp_path, [build_row(Ripe=text)], build_grade_use_case()).row(0, named=True)
    assert (found[STATUS], found["grade"]) == (RowStatus.QUARANTINED, None)
    assert found[REASON] == f"grade: '{text}' is not a number from 0 to 4"


TORQUES = {
    "190Nm@ 2000rpm": (190.0, 2000.0),
    "250Nm@ 1500-2500rpm": (250.0, 2500.0),
    "22.4 kgm at 1750-2750rpm": (22.4 * 9.80665, 2750.0),
    "12.7@ 2,700(kgm@ rpm)": (12.7 * 9.80665, 2700.0),
    "51Nm@ 4000+/-500rpm": (51.0, 4000.0),
    "110(11.2)@ 4800": (110.0, 4800.0),
    "380Nm(38.7kgm)@ 2500rpm": (380.0, 2500.0),
    "210 / 1900": (210.0, 1900.0),
    "48@ 3,000+/-500(NM@ rpm)": (48.0, 3000.0),
    "400Nm": (400.0, None),
    "0": (None, None),
    "": (None, None),
}


@pytest.mark.parametrize("text", TORQUES)
def test_torque_is_read_in_its_unit(tmp_path: Path, text: str) -> None:
    use_case = find("vehicle_price")
    header = tuple(dict.fromkeys([*(field.columns[0] for field in use_case.schema.fields), "selling_price"]))
    cells = {field.columns[0]: str(field.example) for field in use_case.schema.fields}
    cells |= {"name": "Maruti Alto", "torque": f'"{text}"', "selling_price": "100000"}
    source = write_csv(tmp_path / "a.csv", [tuple(cells[column] for column in header)], header)
    (tmp_path / "work").mkdir()
    found = transform_file(source, use_case, tmp_path / "work").row(0, named=True)
    assert (found["torque"], found["torque_rpm"]) == pytest.approx(TORQUES[text])
    assert (found["brand"], found["model_name"]) == ("Maruti", "Alto")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=12)
PLAUSIBLE = st.one_of(
    TEXTS,
    st.sampled_from(["NA", "?", "", "red", "yes", "no", "9", "2020-02-30", "2020-06-30"]),
    st.floats().map(str),
    st.integers().map(lambda number: f"{number:,}"),
    st.text(string.digits + ".,+-eE kg", max_size=9),
)


@settings(max_examples=60)
@given(st.lists(st.tuples(*(PLAUSIBLE for _ in HEADER)), max_size=12))
def test_no_text_breaks_the_transform(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    """Whatever the file holds, each row has one status, and kept values fit their field."""
    folder = tmp_path_factory.mktemp("fuzz")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([HEADER, GOOD, *rows])
    frame = transform_file(folder / "a.csv", build_use_case(), folder)
    assert len(frame) == len(rows) + 1
    assert set(frame[STATUS]) <= set(RowStatus)
    assert frame.filter((pl.col(STATUS) == "quarantined") != pl.col(REASON).is_not_null()).is_empty()
    kept = frame.filter(pl.col(STATUS) == "kept")
    assert kept["day"].null_count() == kept["seeds"].null_count() == kept["ripe"].null_count() == 0
    assert kept.filter(~pl.col("weight").is_between(1, 5000)).is_empty()
    assert kept["sugar"].drop_nulls().is_finite().all()


@given(st.integers(0, 20_000), st.sampled_from(["{}", "{}.0", "{:,}", " {:,}.00 ", "+{}"]))
def test_a_whole_number_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, number: int, text_format: str
) -> None:
    found = _transform(tmp_path_factory.mktemp("n"), [build_row(Seeds=f'"{text_format.format(number)}"')])
    assert found["seeds"].to_list() == [number]


def test_no_field_clashes_with_the_working_columns(tmp_path: Path) -> None:
    """Fields may have the names of raw columns, stages and statuses."""
    names = ("value", "status", "reason", "raw_0", "text_raw_0", "first", "duplicate")
    fields = tuple(
        Field(name=name, kind=Kind.NUMBER, column=column, description="", example=1.0, nullable=True)
        for name, column in zip(names, (*HEADER[:5], "Day", "Weight"), strict=True)
    )
    use_case = build_use_case(schema=FeatureSchema(fields=fields), event_date="")
    texts = ("1", "2", "3", "4", "5", "yes")
    frame = _transform(tmp_path, [texts, (*texts[:5], "no")], use_case)
    assert frame.select(names).row(0) == (1, 2, 3, 4, 5, 1, 2)
    assert frame[STATUS].to_list() == ["kept", "kept"]


def test_two_fields_may_read_one_column(tmp_path: Path) -> None:
    weight = build_use_case().schema.get_field("weight")
    twice = replace(weight, name="kilograms", unit="kg", maximum=None, minimum=None)
    schema: Any = FeatureSchema(fields=(*build_use_case().schema.fields, twice))
    found = _transform(tmp_path, [build_row(Weight="2 kg")], build_use_case(schema=schema)).row(0, named=True)
    assert (found["weight"], found["kilograms"]) == (2000.0, 2000.0)


def test_a_table_of_thousands_of_codes_is_recoded(tmp_path: Path) -> None:
    words = {f"shade {i}": ("red", "green", "yellow")[i % 3] for i in range(5000)}
    codes = {f"{i}": ("red", "green", "yellow")[i % 3] for i in range(5000)}
    colour = replace(FIELDS[3], parse=Parse(recode={**words, **codes}))
    use_case = build_use_case(schema=FeatureSchema(fields=(*FIELDS[:3], colour, *FIELDS[4:])))
    texts = ("shade 0", "shade 4999", "4", "04.0", "4999", "red", "shade 5000", "")
    frame = _transform(tmp_path, [build_row(Colour=text) for text in texts], use_case)
    assert frame["colour"].to_list() == ["red", "green", "green", "green", "green", "red", None, None]
