"""Ranges of numbers with head-room beyond those of a file, and examples."""

import math
from collections.abc import Callable

import polars as pl

from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds

SCALE_STEPS = 10
"""Maximum number of different whole numbers of a scale, which gets no head-room; a scale begins above 0."""
FULL_SCALES = (1.0, 10.0, 100.0)
"""Maxima of shares, marks and percentages, beyond which there is nothing."""
TEN, MIN_AT_TEN = 10.0, 0.01
"""Minimum share of the numbers that are ten where that is the end of a scale."""
TAIL_FROM = 0.99
EXAMPLE_DIGITS = 4
LONG_NUMBER = 1e15
"""Number from which whole numbers are written with an exponent."""


def find_range(numbers: pl.Series, *, is_whole: bool) -> tuple[float, float]:
    """Find the range of a field: that of the file, and half its width more on both sides.

    A long tail has its full width more. A range of the file that is not negative stays so.
    """
    low, high = find_bounds(numbers)
    # counts begin at 0, such as a number of children: more of them than in the file are possible
    if is_whole and low != 0 and numbers.n_unique() <= SCALE_STEPS:
        return _drop_fraction(low), _drop_fraction(high)
    room = (high - low) / 2 or max(abs(high) / 2, 1.0)
    lower = low - room
    if low >= 0 > lower:
        lower = 0.0
    upper = high if _is_full_scale(numbers, low, high) else high + room
    if upper > high and _has_long_tail(numbers, low, high):
        upper += room
    exponent = math.floor(math.log10(room)) - 1
    # whole numbers have whole bounds
    exponent = max(exponent, 0) if is_whole else exponent
    return _round_outward(lower, exponent, math.floor), _round_outward(upper, exponent, math.ceil)


def _is_full_scale(numbers: pl.Series, low: float, high: float) -> bool:
    # a count reaches ten by chance, unlike a mark
    is_reached = high != TEN or compute_share(numbers == high) >= MIN_AT_TEN
    return low >= 0 and high in FULL_SCALES and is_reached


def _has_long_tail(numbers: pl.Series, low: float, high: float) -> bool:
    """Whether the greatest hundredth of the numbers takes more room than the others."""
    bulk = float(numbers.quantile(TAIL_FROM) or low)
    return high - bulk > bulk - low


def round_example(numbers: pl.Series, *, is_whole: bool) -> float | int:
    """Round the median to be shown as an example."""
    median = float(numbers.median() or 0)  # type: ignore[arg-type]  # a series of numbers
    if is_whole:
        return int(median)
    rounded = float(f"{median:.{EXAMPLE_DIGITS}g}")
    low, high = find_bounds(numbers)
    return _drop_fraction(rounded if low <= rounded <= high else median)


def _round_outward(value: float, exponent: int, round_step: Callable[[float], int]) -> float:
    step = 10.0**exponent
    return _drop_fraction(round(round_step(round(value / step, 6)) * step, max(0, -exponent)))


def _drop_fraction(value: float) -> float:
    """Return a whole number as an integer, so that it is written without a fraction."""
    return int(value) if value == int(value) and abs(value) < LONG_NUMBER else value
