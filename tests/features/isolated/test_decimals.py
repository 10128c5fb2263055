"""A decimal of a client is found again from its float32."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.features.isolated import decimals


def recover(numbers: list[float]) -> list[float]:
    """Recover a few numbers, and the same ones among many, which is another way."""
    values = np.array(numbers, dtype=np.float32)
    few = np.concatenate([decimals.recover_decimals(values[i : i + 1]) for i in range(len(values))])
    many = decimals.recover_decimals(np.tile(values, decimals.FEW + 1))
    np.testing.assert_array_equal(many[: len(values)], few)
    return [float(each) for each in few]


@pytest.mark.parametrize(
    "number",
    [12.1, 0.1, -0.3, 1e-3, 123456, 132_000, 1e10, 1.5e-30, 3.4e38, 16777216, 0.000123, 9.9, 999999, 20.05],
)
def test_a_decimal_of_six_digits_is_found_again(number: float) -> None:
    assert recover([number]) == [number]


def test_what_has_no_digits_stays() -> None:
    found = recover([0, -0.0, np.nan, np.inf, -np.inf])
    assert found[:2] == [0, 0]
    assert np.isnan(found[2])
    assert found[3:] == [np.inf, -np.inf]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_subnormal=False), min_size=1))
def test_the_same_float32_comes_back(numbers: list[float]) -> None:
    values = np.array(numbers, dtype=np.float32)
    np.testing.assert_array_equal(np.array(recover(numbers)).astype(np.float32), values)


@given(st.integers(-999_999, 999_999), st.integers(-20, 20))
def test_any_decimal_of_six_digits_is_found_again(digits: int, exponent: int) -> None:
    number = float(f"{digits}e{exponent}")
    assert recover([number]) == [number]
