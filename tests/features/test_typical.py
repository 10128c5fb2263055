"""Usual values of fields, and the values of a curve."""

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.bins import ColumnBins, build_level_bins, build_numeric_bins
from servicio_ml.features.profile import ALL, ReferenceProfile, SeasonProfile, smooth
from servicio_ml.features.typical import GRID_POINTS, build_grid, compute_typical_record
from small_use_case import SCHEMA

DAY, SIZE, WEIGHT, COLOUR = SCHEMA.fields


@pytest.fixture(scope="module")
def artifact(artifact_folder: Path) -> Artifact:
    return load_artifact(artifact_folder)


def replace_shares(artifact: Artifact, *each: list[float]) -> Artifact:
    """The artifact with other shares of its reference's bins, field by field."""
    made = tuple(tuple(share) for share in each)
    season = SeasonProfile(rows=100, shares=(*made, (1.0,)), performance={})
    return replace(artifact, reference=replace(artifact.reference, seasons={ALL: season}))


def replace_golden_rows(artifact: Artifact, **values: list[Any]) -> Artifact:
    """The artifact with golden rows that have these values."""
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    return replace(artifact, golden={"records": rows})


def replace_bins(artifact: Artifact, values: list[float], bins: int = 4) -> Artifact:
    """The artifact with `size` as these values have it, the other fields as they are."""
    column = np.array(values, dtype=np.float32)
    size = build_numeric_bins("size", column, bins)
    day, _, weight, colour = artifact.reference.features
    season = artifact.reference.seasons[ALL]
    mine = tuple(smooth(size.count(column)).tolist())
    made = ReferenceProfile(
        features=(day, size, weight, colour), prediction=artifact.reference.prediction,
        seasons={ALL: replace(season, shares=(season.shares[0], mine, *season.shares[2:]))},
        policy=DriftPolicy(),
    )  # fmt: skip
    return replace(artifact, reference=made)


def test_usual_values_are_usual(artifact: Artifact) -> None:
    found = compute_typical_record(artifact)
    assert list(found) == ["day", "size", "weight", "colour"]
    assert date(2020, 1, 1) <= date.fromisoformat(str(found["day"])) <= date(2021, 12, 1)
    assert isinstance(found["size"], float)
    assert isinstance(found["weight"], float)
    assert abs(found["size"]) < 0.6  # the median of a normal distribution is 0
    assert abs(found["weight"]) < 1.2  # uniform from -3 to 3
    assert found["colour"] in {"red", "green", "blue"}


def test_usual_values_are_taken_by_the_model(artifact: Artifact) -> None:
    assert artifact.encoder.encode_record(compute_typical_record(artifact)).shape == (1, 6)


def test_the_most_frequent_level(artifact: Artifact) -> None:
    features = artifact.reference.features
    even = [[1 / len(bins.labels)] * len(bins.labels) for bins in features[:3]]
    assert compute_typical_record(replace_shares(artifact, *even, [0.2, 0.3, 0.4, 0.1]))["colour"] == "blue"


def test_nothing_where_most_rows_have_nothing(artifact: Artifact) -> None:
    features = artifact.reference.features
    even = [[1 / len(bins.labels)] * len(bins.labels) for bins in features[:3]]
    found = compute_typical_record(replace_shares(artifact, *even, [0.2, 0.1, 0.1, 0.6]))
    assert (found["colour"], found["size"] is None) == (None, False)


def test_a_value_that_most_rows_have(artifact: Artifact) -> None:
    piled = replace_bins(artifact, [*[0.0] * 60, *range(1, 41)])
    assert compute_typical_record(replace_golden_rows(piled, size=[0.0, 0.0, 30.0]))["size"] == 0.0


def test_beside_the_bin_where_no_golden_row_is_in_it(artifact: Artifact) -> None:
    spread = replace_bins(artifact, [*range(100)])
    found = compute_typical_record(replace_golden_rows(spread, size=[1.0]))["size"]
    assert isinstance(found, float)
    assert 25 <= found <= 75


def test_grid_of_a_number_covers_the_training_rows_and_holds_the_value(artifact: Artifact) -> None:
    found = build_grid(artifact, SIZE, 0.123)
    assert 0.123 in found
    assert found == sorted(found, key=lambda each: float(str(each)))
    assert len(found) <= GRID_POINTS + 1
    edges = artifact.reference.features[1].edges
    assert float(str(found[0])) <= edges[0]
    assert float(str(found[-1])) >= edges[-1]


def test_grid_keeps_to_the_range_of_the_field(artifact: Artifact) -> None:
    narrow = replace(WEIGHT, minimum=-0.55, maximum=0.55)
    found = [float(str(each)) for each in build_grid(artifact, narrow, 0.0)]
    assert (found[0], found[-1]) == (-0.55, 0.55)


def test_grid_of_whole_numbers(artifact: Artifact) -> None:
    found = build_grid(artifact, replace(WEIGHT, kind=Kind.INTEGER, example=2), 2)
    assert found == [-3, -2, -1, 0, 1, 2, 3]
    assert all(isinstance(each, int) for each in found)


def test_grid_of_a_category_is_its_levels(artifact: Artifact) -> None:
    assert build_grid(artifact, COLOUR, None) == ["red", "green", "blue"]


def test_grid_of_a_date_is_the_year_around_it(artifact: Artifact) -> None:
    found = [date.fromisoformat(str(each)) for each in build_grid(artifact, DAY, "2020-02-29")]
    assert date(2020, 2, 29) in found
    assert (found[-1] - found[0]).days == 364


@pytest.mark.parametrize("day", ["1000-01-01", "2999-12-31"])
def test_grid_of_the_first_and_the_last_day(day: str, artifact: Artifact) -> None:
    assert day in build_grid(artifact, DAY, day)


def test_grid_of_a_field_without_edges(artifact: Artifact) -> None:
    bare = ColumnBins(name="weight", edges=(), labels=("any", "missing"))
    profile = replace(
        artifact.reference, features=(*artifact.reference.features[:2], bare, build_level_bins("c", ()))
    )
    alone = replace(artifact, reference=profile, golden={"records": [{"weight": 1.0}]})
    assert build_grid(alone, WEIGHT, None) == [1.0]
    field = Field(name="weight", kind=Kind.NUMBER, column="w", description="w", example=4.0)
    assert build_grid(replace(alone, golden={"records": []}), field, None) == [4.0]
