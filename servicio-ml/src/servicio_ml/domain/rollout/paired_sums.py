"""Sums over rows that two versions have scored: all that a test of their means and their ratio needs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from servicio_ml.domain.rollout.sequential import compute_half_width

ROUNDING = 1e-12
"""Variance that rounding of the sums may hide, as a share of the mean square."""


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

        Both are infinite where the challenger's sum is no finite number: its mean is beyond every limit.

        Args:
            ratio: Factor of the champion's values.
            low_error: Error rate of the lower bound.
            high_error: Error rate of the upper bound.
            design_effect: Variance of the mean relative to that of independent rows.
        """
        mean = (self.first - ratio * self.second) / self.rows if self.rows else math.nan
        if not math.isfinite(mean):
            is_broken = math.isfinite(self.second) and not math.isfinite(self.first)
            return math.inf if is_broken else -math.inf, math.inf
        sizes = self.first_squares + ratio * ratio * self.second_squares
        squares = sizes - 2 * ratio * self.products
        deviation = math.sqrt(_compute_variance(mean, squares / self.rows, sizes / self.rows))
        # correlated rows weigh less: n rows count as n / design effect
        weighed = self.rows / design_effect
        low, high = (compute_half_width(weighed, error) for error in (low_error, high_error))
        # rows of zeros have no deviation, and too few rows no bound: their product is no number
        return (
            mean - (low * deviation if math.isfinite(low) else math.inf),
            mean + (high * deviation if math.isfinite(high) else math.inf),
        )

    def compute_pooled_deviation(self) -> float:
        """Compute the square root of the mean variance of both versions' values; 0 without rows."""
        if not self.rows:
            return 0.0
        moments = ((self.first, self.first_squares), (self.second, self.second_squares))
        variances = [
            _compute_variance(total / self.rows, squares / self.rows, squares / self.rows)
            for total, squares in moments
        ]
        return math.sqrt(sum(variances) / len(variances))


def _compute_variance(mean: float, square: float, size: float) -> float:
    """Compute a variance from the mean and the mean square, not below what rounding may hide.

    It is infinite where it is no finite number.
    """
    variance = max(square - mean * mean, 0.0) + ROUNDING * size
    return variance if math.isfinite(variance) else math.inf


def sum_pairs(pairs: Iterable[tuple[float, float]]) -> PairedSums:
    """Sum pairs of a challenger's and a champion's value.

    A pair whose champion's value is no finite number is left out, as there is nothing to compare with.
    """
    values = [(a, b) for a, b in pairs if math.isfinite(b)]
    # `math.fsum` refuses what is not finite
    return PairedSums(
        rows=len(values),
        first=sum(a for a, _ in values),
        second=sum(b for _, b in values),
        first_squares=sum(a * a for a, _ in values),
        second_squares=sum(b * b for _, b in values),
        products=sum(a * b for a, b in values),
    )
