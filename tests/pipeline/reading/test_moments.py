"""A raw column of moments is read by two fields, the day and the hour, from text and from Parquet alike."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from orchard_use_case import FIELDS, HEADER, build_row, build_use_case, write_csv
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.drafting.columns.date import HOUR_PATTERN, MOMENT_PATTERN
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.reading.transform import REASON

HOUR = Field(
    name="day_hour", kind=Kind.INTEGER, column="Day", minimum=0, maximum=23, parse=Parse(pattern=HOUR_PATTERN)
)


@pytest.fixture
def use_case() -> UseCase:
    days = Parse(pattern=MOMENT_PATTERN)
    fields = tuple(replace(each, parse=days) if each.name == "day" else each for each in FIELDS)
    return replace(build_use_case(), schema=FeatureSchema(fields=(*fields, HOUR)))


def _read(path: Path, use_case: UseCase) -> pl.DataFrame:
    batches = open_batches(
        inspect_file(path, "my file"), InputSpec(schema=use_case.schema, use_case=use_case)
    )
    return pl.concat(batches.prepare(frame) for frame in batches.raw_frames)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2020-01-31T00:00", 0),
        ("2020-01-31 9:05", 9),
        ("2020-01-31T14:30:00Z", 14),
        ("2020-01-31 23:59:59.999999", 23),
        ("2020-01-31T01:30:00+02:00", 1),
    ],
)
def test_a_text_has_a_day_and_an_hour(use_case: UseCase, tmp_path: Path, text: str, hour: int) -> None:
    rows = _read(write_csv(tmp_path / "a.csv", [build_row(Day=text)]), use_case)
    assert rows.select(REASON, "day", "day_hour").rows() == [(None, date(2020, 1, 31), hour)]


@pytest.mark.parametrize("text", ["2020-01-31 24:00", "2020-01-31 12", "2020-01-31"])
def test_a_text_without_an_hour_is_rejected(use_case: UseCase, tmp_path: Path, text: str) -> None:
    rows = _read(write_csv(tmp_path / "a.csv", [build_row(Day=text)]), use_case)
    assert f"day_hour: '{text}' is not a whole number from 0 to 23" in rows[REASON][0]


@pytest.mark.parametrize("zone", [None, "Europe/Madrid"])
def test_a_timestamp_has_a_day_and_an_hour(use_case: UseCase, tmp_path: Path, zone: str | None) -> None:
    cells = dict(zip(HEADER, build_row(), strict=True))
    moments = pl.Series(["2020-01-31T14:30", "2020-02-01T00:00"]).str.to_datetime().dt.replace_time_zone(zone)
    frame = pl.DataFrame({**{name: [text] * 2 for name, text in cells.items()}, "Day": moments})
    frame.write_parquet(tmp_path / "a.parquet")
    rows = _read(tmp_path / "a.parquet", use_case)
    assert rows.select(REASON, "day", "day_hour").rows() == [
        (None, date(2020, 1, 31), 14),
        (None, date(2020, 2, 1), 0),
    ]
