"""Texts of date-times: what a raw file may hold beside ISO 8601, and typed timestamps with a time zone."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import FIELDS, HEADER, build_row, build_use_case, write_csv
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.reading.transform import REASON

AMERICAN = Parse(date_format="%m/%d/%Y")


def _read(path: Path, field: Field) -> list[tuple[str | None, datetime | None]]:
    schema = FeatureSchema(fields=(field, *FIELDS[1:]))
    use_case = build_use_case(schema=schema, event_date="")
    batches = open_batches(inspect_file(path, "my file"), InputSpec(schema=schema, use_case=use_case))
    rows = pl.concat(batches.prepare(frame) for frame in batches.raw_frames)
    return rows.select(REASON, "day").rows()


def _build_field(parse: Parse, zone: str = "") -> Field:
    return replace(FIELDS[0], kind=Kind.DATETIME, example="2020-01-31T12:00", parse=parse, zone=zone)


@pytest.mark.parametrize(
    ("parse", "text", "expected"),
    [
        (AMERICAN, "1/31/2020 9:05", "2020-01-31T09:05:00"),
        (AMERICAN, "01/31/2020  09:05:07 AM", "2020-01-31T09:05:07"),
        (AMERICAN, "1/31/2020 12:30 am", "2020-01-31T00:30:00"),
        (AMERICAN, "1/31/2020 12:30 PM", "2020-01-31T12:30:00"),
        (AMERICAN, "1/31/2020 1:30 p.m.", "2020-01-31T13:30:00"),
        (AMERICAN, "1/31/2020 11:59:59PM", "2020-01-31T23:59:59"),
        (AMERICAN, "1/31/2020", "2020-01-31T00:00:00"),
        (AMERICAN, "2020-01-31T14:30:00Z", "2020-01-31T14:30:00"),
        (AMERICAN, "1/31/2020 13:30 PM", None),
        (AMERICAN, "31/1/2020 13:30", None),
        (Parse(date_format="%d %b %y"), "31 Jan 20 23:05:06.789", "2020-01-31T23:05:06"),
        (Parse(date_format="%Y-%m-%d"), "2020-01-31 1:05 PM", "2020-01-31T13:05:00"),
        (Parse(pattern=r"^at (.*)$"), "at 2020-01-31 13:05", "2020-01-31T13:05:00"),
        (Parse(date_format="epoch_s"), "1580475900", "2020-01-31T13:05:00"),
        (Parse(date_format="epoch_s"), "-0.5", "1969-12-31T23:59:59"),
        (Parse(date_format="epoch_ms"), "1580475900999", "2020-01-31T13:05:00"),
        (Parse(date_format="epoch_ms"), "2020-01-31T13:05", "2020-01-31T13:05:00"),
        (Parse(date_format="epoch_s"), "1580475900999", None),
        (Parse(), "2020-01-31 1:05 PM", None),
        (Parse(), "2020-01-31 24:00", None),
    ],
)
def test_a_text_is_a_date_time_or_rejected(
    tmp_path: Path, parse: Parse, text: str, expected: str | None
) -> None:
    ((reason, value),) = _read(write_csv(tmp_path / "a.csv", [build_row(Day=text)]), _build_field(parse))
    assert value == (None if expected is None else datetime.fromisoformat(expected))
    assert (reason is None) == (expected is not None)
    if reason:
        assert reason == (
            f"day: '{text}' is not a date and time as YYYY-MM-DDThh:mm:ss of the years 1000–2999"
        )


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("", "2020-07-01T14:30:00"),
        ("America/New_York", "2020-07-01T08:30:00"),
        ("UTC", "2020-07-01T12:30:00"),
    ],
)
def test_a_timestamp_of_madrid_is_converted_to_the_zone_of_the_field(
    tmp_path: Path, zone: str, expected: str
) -> None:
    cells = dict(zip(HEADER, build_row(), strict=True))
    moment = pl.Series(["2020-07-01T14:30:00.7"]).str.to_datetime().dt.replace_time_zone("Europe/Madrid")
    frame = pl.DataFrame({**{name: [text] for name, text in cells.items()}, "Day": moment})
    frame.write_parquet(tmp_path / "a.parquet")
    rows = _read(tmp_path / "a.parquet", _build_field(Parse(), zone))
    assert rows == [(None, datetime.fromisoformat(expected))]


def test_unix_time_is_converted_to_the_zone_of_the_field(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [build_row(Day="1593606600")])
    rows = _read(path, _build_field(Parse(date_format="epoch_s"), "Europe/Madrid"))
    assert rows == [(None, datetime.fromisoformat("2020-07-01T14:30:00"))]
