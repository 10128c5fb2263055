import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from servicio_ml.domain.drift import (
    SMOOTHING,
    compute_chi_squared_quantile,
    compute_psi,
    compute_threshold,
    measure_drift,
)
from servicio_ml.domain.policy import DriftPolicy

SHARES = (0.5, 0.3, 0.15, 0.05)
REFERENCE = 100_000
COUNTS = st.lists(st.integers(0, 10_000), min_size=2, max_size=12)


@pytest.mark.parametrize("probability", [0.95, 0.99, 1 - 0.05 / 22])
@pytest.mark.parametrize("freedom", [1, 2, 5, 10, 50])
def test_chi_squared_quantile_is_within_three_percent(probability: float, freedom: int) -> None:
    exact = float(chi2.ppf(probability, freedom))
    assert compute_chi_squared_quantile(probability, freedom) == pytest.approx(exact, rel=0.03)


def test_index_of_the_reference_shares_is_nothing() -> None:
    counts = [1000, 2000, 7000]
    shares = [(count + SMOOTHING) / (10_000 + 3 * SMOOTHING) for count in counts]
    assert compute_psi(counts, shares) == 0


def test_index_by_hand() -> None:
    # 0 and 9 rows become .05 and .95 with half a row added to each
    expected = (0.05 - 0.5) * math.log(0.05 / 0.5) + (0.95 - 0.5) * math.log(0.95 / 0.5)
    assert compute_psi([0, 9], [0.5, 0.5]) == pytest.approx(expected)


def test_an_empty_bin_is_no_surplus() -> None:
    # smoothed, the last bin holds .5 of 101.5 rows here and .5 of 100,000 there
    seldom = SMOOTHING / REFERENCE
    rest = (50.5 / 101.5 - 0.5) * math.log(50.5 / 101.5 / 0.5)
    assert compute_psi([50, 50, 0], [0.5, 0.5 - seldom, seldom]) == pytest.approx(2 * rest, rel=1e-2)
    assert compute_psi([50, 49, 1], [0.5, 0.5 - seldom, seldom]) > 20 * rest
    assert compute_psi([50, 50, 0], [0.4, 0.4, 0.2]) > 0.5


@given(COUNTS, st.data())
def test_index_is_no_less_than_nothing_and_finite(counts: list[int], data: st.DataObject) -> None:
    reference = data.draw(
        st.lists(st.integers(0, 10_000), min_size=len(counts), max_size=len(counts)), label="reference"
    )
    total = sum(reference) + SMOOTHING * len(reference)
    found = compute_psi(counts, [(count + SMOOTHING) / total for count in reference])
    assert 0 <= found + 1e-12 < math.inf


def test_threshold_falls_with_the_rows_down_to_what_matters() -> None:
    policy = DriftPolicy(practical_psi=0.1, false_alarm_rate=0.05)
    limits = [
        compute_threshold(bins=10, rows=rows, reference_rows=REFERENCE, columns=22, policy=policy)
        for rows in (50, 200, 100_000)
    ]
    expected = float(chi2.ppf(1 - 0.05 / 22, 9)) * (1 / 50 + 1 / REFERENCE)
    assert limits[0] == pytest.approx(expected, rel=0.03)
    assert limits[0] > limits[1] > limits[2] == 0.1


def test_few_reference_rows_ask_for_more() -> None:
    found = compute_threshold(bins=10, rows=1000, reference_rows=50, columns=1, policy=DriftPolicy())
    assert found == pytest.approx(float(chi2.ppf(0.95, 9)) * (1 / 1000 + 1 / 50), rel=0.03)


def test_more_columns_ask_for_more() -> None:
    one, many = (
        compute_threshold(bins=10, rows=100, reference_rows=REFERENCE, columns=columns, policy=DriftPolicy())
        for columns in (1, 22)
    )
    assert one < many


def test_rows_that_have_something_in_common_ask_for_more() -> None:
    alone, alike = (
        compute_threshold(
            bins=10, rows=100, reference_rows=REFERENCE, columns=1, policy=DriftPolicy(design_effect=effect)
        )
        for effect in (1.0, 6.0)
    )
    assert alike == pytest.approx(6 * alone)


@pytest.mark.parametrize(
    ("counts", "drifted"),
    [
        pytest.param([505, 295, 152, 48], False, id="as before"),
        pytest.param([5, 3, 1, 1], False, id="as before, few"),
        pytest.param([50, 150, 300, 500], True, id="turned round"),
        pytest.param([2, 3, 2, 3], False, id="too few for a decision"),
    ],
)
def test_verdict(counts: list[int], *, drifted: bool) -> None:
    found = measure_drift(counts, SHARES, reference_rows=REFERENCE, columns=1, policy=DriftPolicy())
    assert found is not None
    assert found.drifted is drifted


def test_window_without_rows_has_no_verdict() -> None:
    assert (
        measure_drift([0, 0, 0, 0], SHARES, reference_rows=REFERENCE, columns=1, policy=DriftPolicy()) is None
    )


def test_what_is_no_number_is_drift() -> None:
    found = measure_drift([5, 5], [math.nan, 0.5], reference_rows=REFERENCE, columns=1, policy=DriftPolicy())
    assert found is not None
    assert found.drifted
