"""Sums of pairs: added parts are the whole, and bounds stay right for hostile values."""

import math
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.rollout.paired_sums import PairedSums, sum_pairs
from servicio_ml.domain.rollout.sequential import compute_half_width

VALUE = st.floats(min_value=-1e7, max_value=1e7)
PAIRS = st.lists(st.tuples(VALUE, VALUE), max_size=30)
OPEN = (-math.inf, math.inf)


@given(PAIRS, PAIRS, PAIRS)
def test_the_sum_of_the_parts_is_that_of_the_whole(
    first: list[tuple[float, float]], second: list[tuple[float, float]], third: list[tuple[float, float]]
) -> None:
    parts = sum_pairs(first) + (sum_pairs(second) + sum_pairs(third))
    other = (sum_pairs(third) + sum_pairs(first)) + sum_pairs(second)
    whole = sum_pairs([*first, *second, *third])
    assert astuple(parts) == pytest.approx(astuple(whole), rel=1e-9, abs=1e-1)
    assert astuple(other) == pytest.approx(astuple(whole), rel=1e-9, abs=1e-1)
    assert parts.rows == len(first) + len(second) + len(third)


@given(PAIRS)
def test_adding_nothing_changes_nothing(pairs: list[tuple[float, float]]) -> None:
    assert sum_pairs(pairs) + PairedSums() == sum_pairs(pairs)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=300), st.sampled_from([1.0, 1.02]))
def test_bounds_of_any_values_are_ordered_and_no_nan(pairs: list[tuple[float, float]], ratio: float) -> None:
    low, high = sum_pairs(pairs).compute_bounds(ratio, 0.01, 0.05)
    assert low <= high


def test_bounds_are_the_mean_and_the_half_width_of_the_differences() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.exponential(size=(2, 700))
    difference = first - 1.1 * second
    low, high = sum_pairs(zip(first, second, strict=True)).compute_bounds(1.1, 0.01, 0.05, 2.0)
    widths = [compute_half_width(350, error) * difference.std() for error in (0.01, 0.05)]
    assert (low, high) == pytest.approx((difference.mean() - widths[0], difference.mean() + widths[1]))


@pytest.mark.parametrize("noise", [1.0, 1000.0, 1e5])
def test_large_prices_keep_the_deviation_of_small_differences(noise: float) -> None:
    """Squares of 1e7 have 16 digits; the deviation of differences of 1 is found, or taken as larger."""
    rng = np.random.default_rng(3)
    second = rng.uniform(0.9e7, 1.1e7, size=5000)
    first = second + noise * rng.normal(size=5000)
    low, high = sum_pairs(zip(first, second, strict=True)).compute_bounds(1.0, 0.05, 0.05)
    width = compute_half_width(5000, 0.05) * noise
    assert low <= 0 <= high
    assert 0.9 * width < (high - low) / 2 < 1.1 * width + compute_half_width(5000, 0.05) * 20


def test_rounding_is_no_evidence() -> None:
    """Equal but for the last digits: neither is above the other."""
    rng = np.random.default_rng(4)
    second = np.full(100_000, 1e7 / 3)
    first = second + 1e-9 * rng.normal(size=len(second)) + 1e-9
    low, high = sum_pairs(zip(first, second, strict=True)).compute_bounds(1.0, 0.01, 0.01)
    assert low < 0 < high


def test_one_row_has_no_bound() -> None:
    assert sum_pairs([(1.0, 2.0)]).compute_bounds(1.0, 0.05, 0.05) == OPEN
    assert PairedSums().compute_bounds(1.0, 0.05, 0.05) == OPEN


def test_equal_versions_are_within_every_growth() -> None:
    rng = np.random.default_rng(5)
    values = rng.exponential(1e7, size=3000)
    same = sum_pairs(zip(values, values, strict=True))
    assert same.compute_growth() == 0
    low, high = same.compute_bounds(1.05, 0.01, 0.05)
    assert low < high < 0
    assert sum_pairs([(0.25, 0.25)] * 300).compute_bounds(1.05, 0.01, 0.05)[1] < 0


def test_a_perfect_champion_allows_no_loss() -> None:
    worse = sum_pairs([(0.0, 0.0), (1.0, 0.0)] * 500)
    assert worse.compute_growth() == math.inf
    assert worse.compute_bounds(1.05, 0.01, 0.05)[0] > 0
    perfect = sum_pairs([(0.0, 0.0)] * 500)
    assert perfect.compute_growth() == 0
    assert perfect.compute_bounds(1.05, 0.01, 0.05) == (0, 0)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_challenger_without_a_finite_value_is_beyond_every_limit(broken: float) -> None:
    sums = sum_pairs([(0.1, 0.2)] * 500 + [(broken, 0.2)])
    assert sums.compute_bounds(1.05, 0.01, 0.05) == (math.inf, math.inf)
    assert not math.isfinite(sums.compute_growth())


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_champion_without_a_finite_value_is_left_out(broken: float) -> None:
    sums = sum_pairs([(0.1, 0.2)] * 500 + [(0.1, broken), (math.nan, broken)])
    assert sums == sum_pairs([(0.1, 0.2)] * 500)


def test_sums_beside_a_champion_that_is_no_number_are_open() -> None:
    sums = PairedSums(rows=500, first=50.0, second=math.nan, second_squares=math.nan, products=math.nan)
    assert sums.compute_bounds(1.0, 0.05, 0.05) == OPEN


def test_squares_beyond_all_numbers_leave_it_open() -> None:
    assert sum_pairs([(1e200, 1.0)] * 500).compute_bounds(1.0, 0.05, 0.05) == OPEN


def test_the_pooled_deviation_is_that_of_both() -> None:
    sums = sum_pairs([(1.0, 0.0), (5.0, 0.0)])
    assert sums.compute_pooled_deviation() == pytest.approx(math.sqrt(2))
    assert PairedSums().compute_pooled_deviation() == 0


def test_a_challenger_at_its_limit_is_found_beyond_it_as_rarely_as_declared() -> None:
    """Skewed losses whose mean grows by exactly the limit, looked at after every 50 rows."""
    rng, runs, looks, batch, error = np.random.default_rng(6), 400, 60, 50, 0.05
    second = rng.lognormal(sigma=1, size=(runs, looks, batch))
    first = 1.05 * second * rng.exponential(size=second.shape)
    columns = [first, second, first**2, second**2, first * second]
    totals = np.stack([each.sum(axis=2).cumsum(axis=1) for each in columns], axis=-1)
    crossed = 0
    for run in totals:
        sums = (
            PairedSums(
                rows=(look + 1) * batch, first=a, second=b, first_squares=c, second_squares=d, products=e
            )
            for look, (a, b, c, d, e) in enumerate(run.tolist())
        )
        crossed += any(each.compute_bounds(1.05, error, error)[0] > 0 for each in sums)
    assert 0 < crossed / runs <= error
