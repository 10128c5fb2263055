"""Reference bins: every value falls into one, shares add up, gaps have a bin of their own."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from problems import SCHEMA
from servicio_ml.features.profile import Profile, level_bins, numeric_bins, profile

numbers = arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-100, 100, width=32) | st.just(float("nan"))
)


@given(numbers, st.integers(2, 12))
def test_every_number_falls_into_one_bin(values: np.ndarray, count: int) -> None:
    bins = numeric_bins("x", values, count)
    counts = bins.count(values)
    assert counts.sum() == len(values)
    assert counts[-1] == np.isnan(values).sum()
    assert len(bins.labels) == len(bins.shares) == len(bins.edges) + 2
    assert sum(bins.shares) == pytest.approx(1)
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


@pytest.mark.parametrize("values", [[5.0, 5.0], [np.nan, np.nan]], ids=["constant", "all missing"])
def test_nothing_to_tell_apart_makes_one_bin(values: list[float]) -> None:
    bins = numeric_bins("x", np.array(values), 10)
    assert bins.labels == ("any", "missing")


def test_levels_have_a_bin_each() -> None:
    bins = level_bins("x", ("a", "b", "c"), np.array([0, 2, 2, np.nan]))
    assert bins.labels == ("a", "b", "c", "missing")
    assert bins.count(np.array([0, 1, 2, 2, np.nan])).tolist() == [1, 1, 2, 1]


def test_a_share_is_smoothed_by_half_a_row() -> None:
    bins = level_bins("x", ("a", "b"), np.array([0.0, 0.0, 0.0]))
    assert bins.shares == pytest.approx([3.5 / 4.5, 0.5 / 4.5, 0.5 / 4.5])


def test_a_profile_survives_json_and_counts_the_fields_only() -> None:
    matrix = np.random.default_rng(0).normal(size=(50, len(SCHEMA.names))).astype(np.float32)
    matrix[:, 3] = np.arange(50) % 3
    made = profile(SCHEMA, matrix, 4, numeric_bins("prediction", matrix[:, 1], 4))
    again = Profile.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made
    assert [bins.name for bins in again.features] == list(SCHEMA.field_names)
    assert [counts.sum() for counts in again.count(matrix)] == [50] * len(SCHEMA.fields)
