"""Reference bins: every value falls into one, shares add up, gaps have a bin of their own."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.profile import ReferenceProfile, UnseenRows, build_profile, compute_months, smooth
from small_use_case import SCHEMA


def test_a_share_is_smoothed_by_half_a_row() -> None:
    assert smooth(np.array([3, 0, 0])).tolist() == pytest.approx([3.5 / 4.5, 0.5 / 4.5, 0.5 / 4.5])


def count_days_of(*texts: str) -> np.ndarray:
    return np.array([np.datetime64(text).astype(float) if text else np.nan for text in texts])


def test_months_are_those_of_the_calendar() -> None:
    given = count_days_of(
        "1969-12-31", "1970-01-01", "2016-02-29", "2016-03-01", "2017-06-25", "", "2019-12-31"
    )
    assert compute_months(given.astype(np.float32)).tolist() == [12, 1, 2, 3, 6, 0, 12]


@given(st.dates(date(1900, 1, 1), date(2200, 1, 1)))
def test_every_day_has_its_month(day: date) -> None:
    assert compute_months(count_days_of(day.isoformat()).astype(np.float32)).tolist() == [day.month]


SEASONAL = DriftPolicy(bins=4, season="day", season_rows=20)


def build_seasonal_profile(policy: DriftPolicy = SEASONAL) -> tuple[ReferenceProfile, np.ndarray]:
    """100 rows of January, 60 of February that are greater, 10 of March."""
    random = np.random.default_rng(0)
    matrix = random.normal(size=(170, len(SCHEMA.names))).astype(np.float32)
    matrix[:, 0] = np.repeat(count_days_of("2015-01-10", "2016-02-11", "2017-03-12"), [100, 60, 10])
    matrix[100:160, 1] += 3
    matrix[:, 3] = np.arange(170) % 3
    rows = np.arange(0, 170, 2)
    unseen = UnseenRows(
        rows=rows,
        binned_values=matrix[rows, 1],
        classes=(),
        performance=lambda mask: {"mae": float(mask.sum())},
    )
    return build_profile(SCHEMA, matrix, policy, unseen), matrix


def test_months_with_enough_rows_have_a_reference_of_their_own() -> None:
    made, matrix = build_seasonal_profile()
    assert {name: season.rows for name, season in made.seasons.items()} == {"all": 85, "01": 50, "02": 30}
    assert [season.performance["mae"] for season in made.seasons.values()] == [85, 50, 30]
    for season, rows in zip(made.seasons.values(), (matrix, matrix[:100], matrix[100:160]), strict=True):
        for bins, shares, column in zip(made.features, season.shares, rows.T, strict=False):
            assert shares == pytest.approx(smooth(bins.count(column)).tolist())
        assert [len(shares) for shares in season.shares] == [len(bins.labels) for bins in made.all_bins]
        assert [sum(shares) for shares in season.shares] == pytest.approx([1] * len(made.all_bins))


def test_rows_are_counted_by_season_and_what_has_none_under_all() -> None:
    made, matrix = build_seasonal_profile()
    matrix[:3, 0] = np.nan
    assert made.count_seasons(matrix).tolist() == [13, 97, 60]


@pytest.mark.parametrize("season", ["", "absent"])
def test_without_a_season_there_is_one_reference(season: str) -> None:
    made, matrix = build_seasonal_profile(replace(SEASONAL, season=season))
    assert list(made.seasons) == ["all"]
    assert made.count_seasons(matrix).tolist() == [170]


def test_a_date_is_only_there_or_missing() -> None:
    made, matrix = build_seasonal_profile()
    matrix[0, 0] = np.nan
    assert made.features[0].labels == ("any", "missing")
    assert made.count(matrix)[0].tolist() == [169, 1]


def test_a_profile_survives_json_and_counts_the_fields_only() -> None:
    made, matrix = build_seasonal_profile()
    again = ReferenceProfile.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert [bins.name for bins in again.features] == list(SCHEMA.field_names)
    assert [counts.sum() for counts in again.count(matrix)] == [170] * len(SCHEMA.fields)
