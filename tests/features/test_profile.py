"""Reference bins: every value falls into one, shares add up, gaps have a bin of their own."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from problems import SCHEMA
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.profile import (
    MANY_ROWS,
    Profile,
    Unseen,
    level_bins,
    months,
    numeric_bins,
    profile,
    smoothed,
)

numbers = arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32) | st.just(float("nan"))
)


@given(numbers, st.integers(2, 12))
def test_every_number_falls_into_one_bin(values: np.ndarray, count: int) -> None:
    bins = numeric_bins("x", values, count)
    counts = bins.count(values)
    assert counts.sum() == len(values)
    assert counts[-1] == np.isnan(values).sum()
    assert len(bins.labels) == len(bins.edges) + 2
    assert list(bins.edges) == sorted(set(bins.edges))


@given(numbers, st.integers(2, 12))
def test_counts_are_those_of_numpy(values: np.ndarray, count: int) -> None:
    bins = numeric_bins("x", values, count)
    known = values[~np.isnan(values)]
    expected, _ = np.histogram(known, bins=[-np.inf, *bins.edges, np.inf])
    assert bins.count(values)[:-1].tolist() == expected.tolist()


def test_quantile_bins_hold_the_same_mass() -> None:
    values = np.random.default_rng(0).normal(size=10_000)
    assert np.ptp(numeric_bins("x", values, 10).count(values)[:-1]) <= 1


def test_a_repeated_value_makes_fewer_bins() -> None:
    bins = numeric_bins("x", np.array([0.0] * 90 + [1.0] * 10), 10)
    assert bins.edges == (1.0,)
    assert bins.labels == ("< 1", ">= 1", "missing")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_many_rows_are_counted_as_few_are(dtype: type) -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 40, 3 * MANY_ROWS).astype(dtype) / dtype(7)
    values[random.random(len(values)) < 0.1] = np.nan
    for bins in (numeric_bins("x", values, 10), numeric_bins("x", values[:1] * np.nan, 10)):
        parts = [bins.count(part) for part in np.array_split(values, 4)]
        assert bins.count(values).tolist() == np.sum(parts, axis=0).tolist()


@pytest.mark.parametrize("values", [[5.0, 5.0], [np.nan, np.nan]], ids=["constant", "all missing"])
def test_nothing_to_tell_apart_makes_one_bin(values: list[float]) -> None:
    bins = numeric_bins("x", np.array(values), 10)
    assert bins.labels == ("any", "missing")


def test_levels_have_a_bin_each() -> None:
    bins = level_bins("x", ("a", "b", "c"))
    assert bins.labels == ("a", "b", "c", "missing")
    assert bins.count(np.array([0, 1, 2, 2, np.nan])).tolist() == [1, 1, 2, 1]


def test_a_share_is_smoothed_by_half_a_row() -> None:
    assert smoothed(np.array([3, 0, 0])).tolist() == pytest.approx([3.5 / 4.5, 0.5 / 4.5, 0.5 / 4.5])


def days(*texts: str) -> np.ndarray:
    return np.array([np.datetime64(text).astype(float) if text else np.nan for text in texts])


def test_months_are_those_of_the_calendar() -> None:
    given = days("1969-12-31", "1970-01-01", "2016-02-29", "2016-03-01", "2017-06-25", "", "2019-12-31")
    assert months(given.astype(np.float32)).tolist() == [12, 1, 2, 3, 6, 0, 12]


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_every_day_has_its_month(day: date) -> None:
    assert months(days(day.isoformat()).astype(np.float32)).tolist() == [day.month]


SEASONAL = DriftPolicy(bins=4, season="day", season_rows=20)


def seasonal(policy: DriftPolicy = SEASONAL) -> tuple[Profile, np.ndarray]:
    """100 rows of January, 60 of February that are greater, 10 of March."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(170, len(SCHEMA.names))).astype(np.float32)
    matrix[:, 0] = np.repeat(days("2015-01-10", "2016-02-11", "2017-03-12"), [100, 60, 10])
    matrix[100:160, 1] += 3
    matrix[:, 3] = np.arange(170) % 3
    rows = np.arange(0, 170, 2)
    unseen = Unseen(
        rows=rows, shown=matrix[rows, 1], classes=(), performance=lambda part: {"mae": float(part.sum())}
    )
    return profile(SCHEMA, matrix, policy, unseen), matrix


def test_months_with_enough_rows_have_a_reference_of_their_own() -> None:
    made, matrix = seasonal()
    assert {name: season.rows for name, season in made.seasons.items()} == {"all": 85, "01": 50, "02": 30}
    assert [season.performance["mae"] for season in made.seasons.values()] == [85, 50, 30]
    for season, rows in zip(made.seasons.values(), (matrix, matrix[:100], matrix[100:160]), strict=True):
        for bins, shares, column in zip(made.features, season.shares, rows.T, strict=False):
            assert shares == pytest.approx(smoothed(bins.count(column)).tolist())
        assert [len(shares) for shares in season.shares] == [len(bins.labels) for bins in made.every]
        assert [sum(shares) for shares in season.shares] == pytest.approx([1] * len(made.every))


def test_rows_are_counted_by_season_and_what_has_none_under_all() -> None:
    made, matrix = seasonal()
    matrix[:3, 0] = np.nan
    assert made.count_seasons(matrix).tolist() == [13, 97, 60]


@pytest.mark.parametrize("season", ["", "absent"])
def test_without_a_season_there_is_one_reference(season: str) -> None:
    made, matrix = seasonal(replace(SEASONAL, season=season))
    assert list(made.seasons) == ["all"]
    assert made.count_seasons(matrix).tolist() == [170]


def test_a_date_is_only_there_or_missing() -> None:
    made, matrix = seasonal()
    matrix[0, 0] = np.nan
    assert made.features[0].labels == ("any", "missing")
    assert made.count(matrix)[0].tolist() == [169, 1]


def test_a_profile_survives_json_and_counts_the_fields_only() -> None:
    made, matrix = seasonal()
    again = Profile.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert [bins.name for bins in again.features] == list(SCHEMA.field_names)
    assert [counts.sum() for counts in again.count(matrix)] == [170] * len(SCHEMA.fields)
