"""Numbers that mean missing: they stand apart from all others of their column."""

import polars as pl

from servicio_ml.pipeline.drafting.columns.statistics import find_bounds

LARGE_CODES = (-999999.0, -99999.0, -9999.0, -999.0, -99.0, -9.0, 999.0, 9999.0, 99999.0, 999999.0)
MINUS_ONE = -1.0
MIN_COUNT, MIN_SHARE = 2, 0.005
"""Minimum number and share of the rows with a code: a single far value is an outlier."""
MIN_DISTINCT = 10
"""Minimum number of other values, among which -1 as the only negative one is a code."""


def find_missing_numbers(numbers: pl.Series) -> tuple[float, ...]:
    """Find the codes of missing values among the numbers of a column."""
    needed = max(MIN_COUNT, MIN_SHARE * len(numbers))
    found = [code for code in LARGE_CODES if _is_apart(numbers, code, needed)]
    if _is_minus_one_code(numbers, needed):
        found.append(MINUS_ONE)
    return tuple(int(code) for code in found)


def _is_apart(numbers: pl.Series, code: float, needed: float) -> bool:
    others = numbers.filter(~numbers.is_in([*LARGE_CODES]))
    if (numbers == code).sum() < needed or others.n_unique() < MIN_DISTINCT:
        return False
    low, high = find_bounds(others)
    gap = low - code if code < low else code - high
    # one of the same order as the others may be a value
    return bool(gap > high - low) and (code > 0 or low >= 0 or gap > 2 * (high - low))


def _is_minus_one_code(numbers: pl.Series, needed: float) -> bool:
    others = numbers.filter(numbers != MINUS_ONE)
    if (numbers == MINUS_ONE).sum() < needed or others.n_unique() < MIN_DISTINCT:
        return False
    return bool((others >= 0).all()) and bool((others == others.floor()).all())
