"""Rates of the groups of a protected attribute, and how far they are apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan, nan

from servicio_ml.domain.fairness.limits import CALIBRATION, FALSE_POSITIVES, SELECTION, TRUE_POSITIVES


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRates:
    """Rates of the rows of one group; NaN where there is no row to compute one from.

    Attributes:
        field: Protected attribute.
        group: Name of the group.
        rows: Number of rows.
        positives: Number of rows whose truth is positive.
        selection_rate: Share of the rows that is answered positive.
        tpr: Share of the positive rows that is answered positive.
        fpr: Share of the negative rows that is answered positive.
        calibration_error: |mean probability of the positive label - share of positive rows|.
    """

    field: str
    group: str
    rows: int
    positives: int
    selection_rate: float
    tpr: float
    fpr: float
    calibration_error: float

    def count_rows(self, rate: str) -> int:
        """Count the rows that a rate is computed from."""
        numbers = {
            SELECTION: self.rows,
            CALIBRATION: self.rows,
            TRUE_POSITIVES: self.positives,
            FALSE_POSITIVES: self.rows - self.positives,
        }
        return numbers[rate]

    def get_rate(self, rate: str) -> float:
        value: float = getattr(self, rate)
        return value


def compute_difference(rate: str, groups: Sequence[GroupRates]) -> float:
    """Compute the greatest rate of at least one group less the smallest; NaN if one is NaN."""
    low, high = _find_range(rate, groups)
    return high - low


def compute_rate_ratio(rate: str, groups: Sequence[GroupRates]) -> float:
    """Compute the smallest rate of at least one group over the greatest; 1 where all are 0, NaN if one is."""
    low, high = _find_range(rate, groups)
    return 1.0 if high == 0 else low / high


def _find_range(rate: str, groups: Sequence[GroupRates]) -> tuple[float, float]:
    values = [each.get_rate(rate) for each in groups]
    # the order of NaN and numbers would decide about the least and the greatest
    return (nan, nan) if any(map(isnan, values)) else (min(values), max(values))
