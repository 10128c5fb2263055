"""Outcomes of an experiment as sums: all that its intervals and its bandit need."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class OutcomeSums:
    """Sums over rows with ground truth.

    Attributes:
        rows: Number of rows.
        total: Sum of the values.
        squares: Sum of their squares.
    """

    rows: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Add the value of a row."""
        self.rows += 1
        self.total += value
        self.squares += value * value

    def __add__(self, other: "OutcomeSums") -> "OutcomeSums":
        return OutcomeSums(
            rows=self.rows + other.rows,
            total=self.total + other.total,
            squares=self.squares + other.squares,
        )

    @property
    def mean(self) -> float:
        """Mean; NaN without rows."""
        return self.total / self.rows if self.rows else math.nan

    @property
    def deviations(self) -> float:
        """Sum of the squared deviations from the mean; 0 without rows."""
        return max(self.squares - self.total * self.total / self.rows, 0.0) if self.rows else 0.0


@dataclass(slots=True, kw_only=True)
class OutcomeTable:
    """Outcomes by version and phase, in which the shares are the same.

    Attributes:
        phases: Sums by version, for each phase.
    """

    phases: Sequence[Mapping[int, OutcomeSums]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Number of rows with ground truth."""
        return sum(sums.rows for phase in self.phases for sums in phase.values())

    def list_sums(self, version: int) -> list[OutcomeSums]:
        """List the sums of a version in each phase."""
        return [phase.get(version, OutcomeSums()) for phase in self.phases]

    def sum_version(self, version: int) -> OutcomeSums:
        """Return the sums of a version over all phases."""
        return sum(self.list_sums(version), OutcomeSums())
