"""Outcomes of an experiment as sums: all that its intervals and its bandit need."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from servicio_ml.domain.experiments.design import ExperimentMetric
from servicio_ml.domain.prediction import LabelledPrediction


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


def compute_value(metric: ExperimentMetric, labelled: LabelledPrediction) -> float:
    """Compute the value of a row, whose mean is compared."""
    if metric is ExperimentMetric.TRUTH:
        return labelled.actual
    prediction = labelled.prediction
    if metric is ExperimentMetric.ERROR:
        return float(prediction.outcome != labelled.actual)
    if not prediction.probabilities:
        return abs(prediction.outcome - labelled.actual)
    # halved, as the metric `brier` of a training
    pairs = enumerate(prediction.probabilities)
    return math.fsum((each - (code == labelled.actual)) ** 2 for code, each in pairs) / 2
