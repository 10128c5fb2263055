"""The profile table holds what NumPy would find."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from orchard_use_case import FIELDS
from servicio_ml.pipeline.etl.summary import build_profile, extract_profile_metrics

ROWS = pl.DataFrame(
    {
        "day": ["2020-01-03", "2020-01-01", "2020-01-02", "2020-01-02"],
        "weight": [100.0, 200.0, None, 400.0],
        "seeds": [1, 2, 3, 4],
        "colour": ["red", "green", "red", None],
        "sugar": [None, None, None, None],
    },
    schema_overrides={"sugar": pl.Float64},
).with_columns(pl.col("day").str.to_date())
BEFORE = {"day": 0.0, "weight": 0.1, "seeds": 0.0, "colour": 0.5, "sugar": 1.0}


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return build_profile(ROWS.lazy(), FIELDS, BEFORE)


def test_a_number_has_mean_deviation_and_range(table: pl.DataFrame) -> None:
    weight = table.row(1, named=True)
    assert (weight["name"], weight["kind"], weight["unit"]) == ("weight", "number", "g")
    assert (weight["missing_before"], weight["missing_after"]) == (0.1, 0.25)
    assert weight["mean"] == pytest.approx(np.mean([100, 200, 400]))
    assert weight["std"] == pytest.approx(np.std([100, 200, 400], ddof=1))
    assert (weight["minimum"], weight["maximum"]) == ("100.0", "400.0")


def test_a_date_has_a_range_and_a_category_its_most_frequent_level(table: pl.DataFrame) -> None:
    day, colour = table.row(0, named=True), table.row(3, named=True)
    assert (day["minimum"], day["maximum"], day["mean"]) == ("2020-01-01", "2020-01-03", None)
    assert (colour["most_frequent"], colour["most_frequent_share"], colour["missing_after"]) == (
        "red",
        0.5,
        0.25,
    )


def test_metrics_leave_out_what_is_not_there(table: pl.DataFrame) -> None:
    metrics = extract_profile_metrics(table)
    assert metrics["mean_seeds"] == 2.5
    assert metrics["missing_after_sugar"] == 1.0
    assert not {"mean_day", "mean_colour", "mean_sugar", "std_sugar"} & set(metrics)


def test_the_table_is_written_as_csv(table: pl.DataFrame, tmp_path: Path) -> None:
    table.write_csv(tmp_path / "profile.csv")
    with (tmp_path / "profile.csv").open(newline="") as file:
        assert [row["name"] for row in csv.DictReader(file)] == [field.name for field in FIELDS]


def test_nothing_has_a_profile_too() -> None:
    assert build_profile(ROWS.clear().lazy(), FIELDS, BEFORE)["missing_after"].to_list() == [0.0] * 5
