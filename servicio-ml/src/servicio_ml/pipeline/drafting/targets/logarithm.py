"""Whether a regression is fitted to the logarithm of its target."""

import polars as pl

MIN_SKEWNESS = 1.0
"""Minimum skewness (third standardized moment) of a target that wants a logarithm."""


def wants_logarithm(numbers: pl.Series) -> bool:
    """Whether numbers are positive, skewed to the right, and less skewed as logarithms."""
    if not bool((numbers > 0).all()):
        return False
    skewness, of_logarithm = numbers.skew() or 0.0, numbers.log().skew() or 0.0
    return skewness > MIN_SKEWNESS and abs(of_logarithm) < skewness / 2
