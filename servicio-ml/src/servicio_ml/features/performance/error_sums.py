"""Sums of a regression's errors: the mean absolute error of any rows, its variance, and their RMSE."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSums:
    """Sums over rows, realised or expected.

    Attributes:
        rows: Number of rows.
        absolute: Sum of the absolute errors, in the target's unit.
        squared: Sum of the squared errors, in the square of the target's unit.
    """

    rows: float
    absolute: float
    squared: float

    def add(self, other: "ErrorSums | None") -> "ErrorSums":
        """Add the sums over other rows, if any."""
        if other is None:
            return self
        return ErrorSums(
            rows=self.rows + other.rows,
            absolute=self.absolute + other.absolute,
            squared=self.squared + other.squared,
        )

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return self.absolute / self.rows

    @property
    def rmse(self) -> float:
        """Root of the mean squared error."""
        return float((self.squared / self.rows) ** 0.5)

    @property
    def mae_variance(self) -> float:
        """Variance of `mae` for independent rows: (mean of the squares - square of the mean) / rows."""
        # sums of floats may differ by rounding where all errors are the same
        return max(self.squared / self.rows - self.mae**2, 0.0) / self.rows
