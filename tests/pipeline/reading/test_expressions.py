"""Texts of raw files: units, numbers that a pattern cuts, decimal marks, and codes compared by value."""

from datetime import date
from pathlib import Path
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from orchard_use_case import build_use_case, transform_file
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import Dialect
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.columns import ColumnPlan
from servicio_ml.pipeline.reading.expressions import STAGES, add_stages
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.reading.number_text import EITHER
from servicio_ml.pipeline.reading.transform import REASON

REJECTED = "rejected"


def read_text(text: str, field: Field, decimal: str = ".", missing: tuple[str, ...] = ("", "NA")) -> Any:
    """The value of a text, None where it is missing."""
    plan = ColumnPlan(
        field=field, raw_columns=("raw",), parse=field.parse, missing_texts=(*missing, *field.parse.missing),
        decimal=decimal,
    )  # fmt: skip
    rows = pl.LazyFrame({"raw": [text]}, schema={"raw": pl.String})
    native: Any = add_stages(nw.from_native(rows), [plan], STAGES).to_native()
    found = native.collect().row(0, named=True)
    return REJECTED if found[plan.name_stage("problem")] else found[plan.name_stage("value")]


def build_number(pattern: str = "", unit: str = "", **parse: Any) -> Field:
    return Field(
        name="size", kind=Kind.NUMBER, column="raw", description="", example=1.0, nullable=True, unit=unit,
        parse=Parse(pattern=pattern, **parse),
    )  # fmt: skip


DIGITS = r"([\d.]+)"
LENGTH = {"m": 1.0, "km": 1000.0}


@pytest.mark.parametrize(
    ("text", "units", "value"),
    [
        ("5 km", LENGTH, 5000.0),
        ("5km", LENGTH, 5000.0),
        ("5 KM.", LENGTH, 5000.0),
        ("5 m", LENGTH, 5.0),
        ("5", LENGTH, 5.0),
        ("5 mi", LENGTH, REJECTED),
        ("5 m2", LENGTH, REJECTED),
        ("5 m²", LENGTH, REJECTED),
        ("5 km/h", LENGTH, REJECTED),
        ("5 km/h", {"km": 1.0, "km/h": 2.0}, 10.0),
        ("5 % vol", {"%": 0.01}, 0.05),
        ("5 €", {"%": 0.01}, REJECTED),
        ("km 5", LENGTH, 5000.0),
        ("380Nm(38.7kgm)", {"nm": 1.0, "kgm": 10.0}, REJECTED),
        ("5 l/100 km", {"l/100 km": 2.0}, 10.0),
        ("5 m2", {"m2": 2.0}, 10.0),
        ("35 PM10", {"PM10": 2.0}, 70.0),
        ("35 PM10", {"PM2.5": 2.0}, REJECTED),
        ("5 fl  oz", {"fl oz": 2.0, "fl": 3.0}, 10.0),
        ("5 ft", {"in": 1.0}, 5.0),
    ],
)
def test_the_longest_unit_on_a_word_boundary_wins_and_an_unknown_one_is_refused(
    text: str, units: dict[str, float], value: object
) -> None:
    # the field's own unit needs no factor
    assert read_text(text, build_number(DIGITS, "ft", units=units)) == (
        pytest.approx(value) if isinstance(value, float) else value
    )


@pytest.mark.parametrize(
    ("text", "pattern", "value"),
    [
        ("-5 m2", DIGITS, REJECTED),
        ("- 5 m2", DIGITS, REJECTED),
        ("−5 m2", DIGITS, REJECTED),
        ("temperature -5", DIGITS, REJECTED),
        ("-5 m2", r"\D*([\d.]+)", REJECTED),
        ("-5 m2", r"(-?[\d.]+)", -5.0),
        ("1,667 sqft", DIGITS, REJECTED),
        ("1,667 sqft", r"([\d.]+).*", REJECTED),
        ("1,667 sqft", r"([\d.,]+)", 1667.0),
        ("1 667 sqft", DIGITS, REJECTED),
        ("1'667 sqft", DIGITS, REJECTED),
        ("1667", r"(\d{2})$", REJECTED),
        ("A-3", DIGITS, 3.0),
        ("1500-2500rpm", r"^[\d]+-(\d+)", 2500.0),
        ("1500 - 2500rpm", r"^\d+ - (\d+)", 2500.0),
        ("4000+/-500rpm", r"^(\d+)", REJECTED),
        ("4000+/-500rpm", r"^(\d+)\+/-500", 4000.0),
        ("2016-06-15", r"^(\d{4})", REJECTED),
        ("2016-06-15", r"^(\d{4})-.*", 2016.0),
        ("2 of 300", r"^(\d+)", REJECTED),
        ("2 of 300", r"^(\d+) of \d+", 2.0),
        ("about", DIGITS, REJECTED),
    ],
)
def test_digits_and_a_sign_that_a_pattern_leaves_out_reject_the_value(
    text: str, pattern: str, value: object
) -> None:
    assert read_text(text, build_number(pattern)) == value


@pytest.mark.parametrize("units", [{}, {"m2": 1.0}], ids=["any unit", "units"])
@pytest.mark.parametrize(
    "text",
    [
        "5½", "5 ½", "½5", "5 1/2", "1/5", "5/7", "5⁄7", "5²", "5²m", "5٣", "5 ٣", "５ 6", "5Ⅴ",
        "5-7", "5 - 7", "5–7", "5~7", "5:30", "5 to 7", "5;7", "5 7", "5±1", "5 +/- 1", "5x3", "5 x 3", "5×3",
        "m2 5", "CO2 5", "4-door 5", "A - 5",
        "5 m2 2", "7 m2 (3)", "5 m 2", "5 [1]", "5m30", "5h30", "5k3", "5e3", "5E+3", "5ft6",
        "(5)", "(5 m2)", "$(5)", "($5)", "（5）", "(5",
        "-$5", "-€ 5", "$-5", "−5", "—5", "‑5", "-USD 5", "5-", "5 -", "5 m2-", "5+", "5-€",
        "<5", "> 5", "≤5", ">$5", "±5",
        "5k", "$5K", "5M", "5 million", "5 Lakh", "5 bn", "5-thousand", "5B.",
    ],
)  # fmt: skip
def test_a_number_sign_or_bracket_outside_of_the_pattern_rejects_the_value(
    text: str, units: dict[str, float]
) -> None:
    assert read_text(text, build_number(DIGITS, units=units)) == REJECTED


@pytest.mark.parametrize(
    "text",
    [
        "5", " 5 ", "5.", "5 m2", "5m2", "5 m²", "5 M2", "5 cm3", "5 ft2", "5 m/s2", "5 kg/m3", "5 g CO2",
        "5 l/100km", "5 l / 100 km", "5 1/min", "5 deaths/1000 people", "$5", "5 $", "€ 5", "EUR 5", "~5",
        "≈ 5", "ca 5", "+5", "5 %", "5 °C", "5'", "5-door", "5 km - sold", "No 5", "#5", "5)",
        "5 km (net)", "A-5", "5 K", "5 kg", "5m", "5 Mbit", "5 millimetres", "5 bnd",
    ],
)  # fmt: skip
def test_words_units_and_marks_around_a_number_are_no_numbers(text: str) -> None:
    assert read_text(text, build_number(DIGITS, "1/min")) == 5.0


@pytest.mark.parametrize(
    ("text", "point", "comma", "either"),
    [
        ("145.500", 145.5, 145_500.0, REJECTED),
        ("145,500", 145_500.0, 145.5, REJECTED),
        ("0,200", REJECTED, 0.2, 0.2),
        ("00,123", REJECTED, 0.123, 0.123),
        ("1.5", 1.5, REJECTED, 1.5),
        ("1,5", REJECTED, 1.5, 1.5),
        ("1.234,5", REJECTED, 1234.5, 1234.5),
        ("1,234.5", 1234.5, REJECTED, 1234.5),
        ("1.234.567", REJECTED, 1_234_567.0, 1_234_567.0),
        ("1,45,500", 145_500.0, REJECTED, 145_500.0),
        ("1,23,45", REJECTED, REJECTED, REJECTED),
        ("12", 12.0, 12.0, 12.0),
        ("-1e3", -1000.0, -1000.0, -1000.0),
        (",5", REJECTED, 0.5, 0.5),
    ],
)
def test_the_decimal_mark_decides_what_groups_thousands(
    text: str, point: object, comma: object, either: object
) -> None:
    found = [read_text(text, build_number(), decimal) for decimal in (".", ",", EITHER)]
    assert found == [point, comma, either]


def build_category(levels: tuple[str, ...], **parse: Any) -> Field:
    return Field(
        name="code", kind=Kind.CATEGORY, column="raw", description="", example=levels[0], levels=levels,
        nullable=True, parse=Parse(**parse),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("3.0", build_category(("3", "6")), "3"),
        ("06", build_category(("3", "6")), "6"),
        ("3", build_category(("03", "6.50")), "03"),
        ("6.5", build_category(("03", "6.50")), "6.50"),
        ("3.0", build_category(("3", "other")), REJECTED),
        ("3.5", build_category(("3", "6")), REJECTED),
        ("0.0", build_category(("no", "yes"), recode={"0": "no", "1": "yes"}), "no"),
        ("1", build_category(("no", "yes"), recode={"0": "no", "1.0": "yes"}), "yes"),
        ("0.0", build_category(("1", "0"), recode={"0": "1", "1": "0"}), "1"),
        ("2", build_category(("no", "yes"), recode={"0": "no", "1": "yes"}), REJECTED),
        ("0.0", build_category(("a", "b"), missing=("0",)), None),
        ("-999.0", build_number(missing=("-999",)), None),
        ("-99.0", build_number(missing=("-999",)), -99.0),
    ],
)
def test_codes_compare_by_value(text: str, field: Field, value: object) -> None:
    assert read_text(text, field) == value


@pytest.mark.parametrize(
    ("decimal", "values"),
    [("", [None, 1.5, 0.2, 12.0]), (",", [145_500.0, 1.5, 0.2, 12.0]), (".", [145.5, None, None, 12.0])],
)
def test_in_a_file_with_semicolons_an_ambiguous_number_is_refused_unless_the_dialect_says(
    decimal: str, values: list[float | None], tmp_path: Path
) -> None:
    dialect = Dialect(name="original", columns={"size": "raw"}, decimal=decimal)
    fields = FeatureSchema(fields=(build_number(),))
    path = tmp_path / "a.csv"
    path.write_text("raw;Ripe\n145.500;yes\n1,5;no\n0,200;no\n12;yes\n")
    use_case = build_use_case(schema=fields, event_date="", dialects=(dialect,), deduplicate=False)
    spec = InputSpec(schema=fields, use_case=use_case)
    batches = open_batches(inspect_file(path, path.name), spec)
    scored = batches.prepare(next(batches.raw_frames))
    assert scored["size"].to_list() == values
    published = transform_file(path, use_case, _create_folder(tmp_path))
    assert published["size"].to_list() == values
    assert [reason is None for reason in scored[REASON]] == [value is not None for value in values]


@pytest.mark.parametrize("decimal", ["", ",", "."])
@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "decimal128"])
def test_a_typed_number_has_no_decimal_mark(suffix: str, decimal: str, tmp_path: Path) -> None:
    dialect = Dialect(name="original", columns={"size": "raw"}, decimal=decimal)
    fields = FeatureSchema(fields=(build_number(),))
    numbers = [145.5, 1.234, 1234.0, -0.25, 1e-7]
    rows = pl.DataFrame({"raw": numbers, "Ripe": ["yes"] * 5})
    path = tmp_path / f"a.{suffix}"
    if suffix == "jsonl":
        rows.write_ndjson(path)
    else:
        typed = pl.Decimal(20, 8) if suffix == "decimal128" else pl.Float64
        rows.with_columns(pl.col("raw").cast(typed)).write_parquet(path)
    use_case = build_use_case(schema=fields, event_date="", dialects=(dialect,), deduplicate=False)
    batches = open_batches(inspect_file(path, path.name), InputSpec(schema=fields, use_case=use_case))
    assert batches.prepare(next(batches.raw_frames))["size"].to_list() == numbers
    assert transform_file(path, use_case, _create_folder(tmp_path))["size"].to_list() == numbers


def _create_folder(parent: Path) -> Path:
    folder = parent / "work"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    ("date_format", "text", "value"),
    [
        ("%d/%m/%Y", "15/06/2016", date(2016, 6, 15)),
        ("%d/%m/%Y", "5/6/2016", date(2016, 6, 5)),
        ("%d/%m/%Y", "06/15/2016", REJECTED),
        ("%d/%m/%Y", "29/02/2015", REJECTED),
        ("%d/%m/%Y", "15/06/16", REJECTED),
        ("%d/%m/%Y", "15-06-2016", REJECTED),
        ("%d/%m/%Y", "15/06/2016 10:00", REJECTED),
        ("%d/%m/%Y", "2016-06-15", date(2016, 6, 15)),
        ("%d/%m/%Y", "2016-6-15", REJECTED),
        ("%d/%m/%Y", "", None),
        ("%m/%d/%Y", "6/15/2016", date(2016, 6, 15)),
        ("%m/%d/%Y", "15/06/2016", REJECTED),
        ("%d.%m.%y", "1.2.68", date(2068, 2, 1)),
        ("%d.%m.%y", "01.02.69", date(1969, 2, 1)),
        ("%d.%m.%y", "01.02.00", date(2000, 2, 1)),
        ("%d.%m.%y", "16-02-01", REJECTED),
        ("%Y%m%d", "20160615", date(2016, 6, 15)),
        ("%Y/%m/%d", "2016/6/15", date(2016, 6, 15)),
        ("%d %b %Y", "15  June 2016", date(2016, 6, 15)),
        ("%d-%b-%y", "15-JUN-16", date(2016, 6, 15)),
        ("%b %d, %Y", "Sept. 1, 2016", date(2016, 9, 1)),
        ("%b %d, %Y", "May 31, 2016", date(2016, 5, 31)),
        ("%b %d, %Y", "Mai 31, 2016", REJECTED),
        ("epoch_s", "1465948800", date(2016, 6, 15)),
        ("epoch_s", "1466035199.9", date(2016, 6, 15)),
        ("epoch_s", "0", date(1970, 1, 1)),
        ("epoch_s", "-1", date(1969, 12, 31)),
        ("epoch_s", "-30610224000", date(1000, 1, 1)),
        ("epoch_s", "32503679999", date(2999, 12, 31)),
        ("epoch_s", "32503680000", REJECTED),
        ("epoch_s", "1.4659e9", REJECTED),
        ("epoch_s", "1,465,948,800", REJECTED),
        ("epoch_s", "2016-06-15", date(2016, 6, 15)),
        ("epoch_s", "20160615x", REJECTED),
        ("epoch_s", "", None),
        ("epoch_ms", "1466035199999", date(2016, 6, 15)),
        ("epoch_ms", "1466035200000", date(2016, 6, 16)),
    ],
)
def test_days_of_other_formats(date_format: str, text: str, value: Any) -> None:
    field = Field(name="day", kind=Kind.DATE, nullable=True, parse=Parse(date_format=date_format))
    assert read_text(text, field) == value


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        (("2016", "6", "5"), date(2016, 6, 5)),
        (("2016", "06", "15"), date(2016, 6, 15)),
        (("2015", "2", "29"), REJECTED),
        (("2016", "six", "5"), REJECTED),
        (("2016.0", "6.0", "5.0"), date(2016, 6, 5)),
        (("2016", "06,00", "5"), date(2016, 6, 5)),
        (("2016.5", "6", "5"), REJECTED),
        (("2016", "6", "5.000"), REJECTED),
        (("2016", "6", "-5.0"), REJECTED),
        (("2016", None, "5"), None),
        (("NA", "6", "5"), None),
        (("2016", "6", "-1.0"), None),
        ((None, None, None), None),
    ],
)
def test_joined_date_parts(texts: tuple[str | None, ...], value: Any) -> None:
    names = ("year", "month", "day")
    parse = Parse(date_format="%Y %m %d", missing=("-1",))
    field = Field(name="sold", kind=Kind.DATE, column=names, nullable=True, parse=parse)
    plan = ColumnPlan(field=field, raw_columns=names, parse=parse, missing_texts=("", "NA", "-1"))
    rows = pl.LazyFrame([texts], schema=dict.fromkeys(names, pl.String), orient="row")
    native: Any = add_stages(nw.from_native(rows), [plan], STAGES).to_native()
    found = native.collect().row(0, named=True)
    assert (REJECTED if found[plan.name_stage("problem")] else found[plan.name_stage("value")]) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("New York", "New York"), (" new\u00a0 YORK", "New York"), ("OSLO", "oslo"), ("newyork", REJECTED)],
)
def test_levels_are_found_whatever_their_case(text: str, value: str) -> None:
    parse = Parse(fold_case=True)
    field = Field(name="town", kind=Kind.CATEGORY, levels=("New York", "oslo"), nullable=True, parse=parse)
    assert read_text(text.strip(), field) == value
