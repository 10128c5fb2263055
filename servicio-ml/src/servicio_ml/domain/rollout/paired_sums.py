"""Sums over rows that two versions have scored: all that a test of their means and their ratio needs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from servicio_ml.domain.rollout.sequential import compute_half_width


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedSums:
    """Sums over the rows that both versions have scored.

    Attributes:
        rows: Number of rows.
        first: Sum of the values of the challenger.
        second: Sum of the values of the champion.
        first_squares: Sum of the squares of the challenger.
        second_squares: Sum of the squares of the champion.
        products: Sum of the products of both.
    """

    rows: int = 0
    first: float = 0.0
    second: float = 0.0
    first_squares: float = 0.0
    second_squares: float = 0.0
    products: float = 0.0

    def __add__(self, other: "PairedSums") -> "PairedSums":
        return PairedSums(
            rows=self.rows + other.rows,
            first=self.first + other.first,
            second=self.second + other.second,
            first_squares=self.first_squares + other.first_squares,
            second_squares=self.second_squares + other.second_squares,
            products=self.products + other.products,
        )

    def compute_growth(self) -> float:
        """Compute the growth of the mean from champion to challenger, as a share of the champion's.

        NaN without rows, infinite where the champion's mean is 0.
        """
        if not self.rows:
            return math.nan
        if self.second:
            return self.first / self.second - 1
        return math.inf if self.first else 0.0

    def compute_bounds(
        self, ratio: float, low_error: float, high_error: float, design_effect: float = 1.0
    ) -> tuple[float, float]:
        """Compute bounds of the mean of `challenger - ratio * champion` that hold at all times.

        Args:
            ratio: Factor of the champion's values.
            low_error: Error rate of the lower bound.
            high_error: Error rate of the upper bound.
            design_effect: Variance of the mean relative to that of independent rows.
        """
        if not self.rows:
            return -math.inf, math.inf
        mean = (self.first - ratio * self.second) / self.rows
        squares = self.first_squares - 2 * ratio * self.products + ratio * ratio * self.second_squares
        deviation = math.sqrt(max(squares / self.rows - mean * mean, 0.0))
        # correlated rows weigh less: n rows count as n / design effect
        weighed = self.rows / design_effect
        low, high = (compute_half_width(weighed, error) for error in (low_error, high_error))
        # equal rows have no deviation, and too few rows no bound: their product is no number
        return (
            mean - (low * deviation if math.isfinite(low) else math.inf),
            mean + (high * deviation if math.isfinite(high) else math.inf),
        )

    def compute_second_deviation(self) -> float:
        """Compute the standard deviation of the champion's values; 0 without rows."""
        if not self.rows:
            return 0.0
        mean = self.second / self.rows
        return math.sqrt(max(self.second_squares / self.rows - mean * mean, 0.0))


def sum_pairs(pairs: Iterable[tuple[float, float]]) -> PairedSums:
    """Sum pairs of a challenger's and a champion's value."""
    values = list(pairs)
    return PairedSums(
        rows=len(values),
        first=math.fsum(a for a, _ in values),
        second=math.fsum(b for _, b in values),
        first_squares=math.fsum(a * a for a, _ in values),
        second_squares=math.fsum(b * b for _, b in values),
        products=math.fsum(a * b for a, b in values),
    )
