"""Limits of fairness in a promotion policy."""

from collections.abc import Mapping
from dataclasses import dataclass

from servicio_ml.domain.checks.attributes import Count, Share, check_attributes

CALIBRATION = "calibration_error"
SELECTION, TRUE_POSITIVES, FALSE_POSITIVES = "selection_rate", "tpr", "fpr"
RATES = (SELECTION, TRUE_POSITIVES, FALSE_POSITIVES)
"""Rates of a group: the share that is answered positive of all rows, of positive, and of negative ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FairnessLimits:
    """Limits of the differences between groups of each protected attribute; None for no limit.

    A difference is the greatest rate of a group less the smallest, a ratio the smallest over the greatest
    (Bird et al., "Fairlearn", 2020). Equal selection rates are demographic parity; equal true and false
    positive rates are equalized odds (Hardt, Price and Srebro 2016).

    Attributes:
        max_selection_rate_difference: Maximum difference of selection rates (0–1).
        min_selection_rate_ratio: Minimum ratio of selection rates (0–1); 0.8 is the four-fifths rule.
        max_tpr_difference: Maximum difference of true positive rates (0–1).
        min_tpr_ratio: Minimum ratio of true positive rates (0–1).
        max_fpr_difference: Maximum difference of false positive rates (0–1).
        min_fpr_ratio: Minimum ratio of false positive rates (0–1).
        max_calibration_error: Maximum |mean probability - share of positives| of any group (0–1).
        min_rows: Minimum number of rows that a rate of a group is computed from; groups with fewer are named
            and not judged.
    """

    max_selection_rate_difference: Share | None = None
    min_selection_rate_ratio: Share | None = None
    max_tpr_difference: Share | None = None
    min_tpr_ratio: Share | None = None
    max_fpr_difference: Share | None = None
    min_fpr_ratio: Share | None = None
    max_calibration_error: Share | None = None
    min_rows: Count = 100

    def __post_init__(self) -> None:
        check_attributes(self, "fairness limits")

    @property
    def differences(self) -> Mapping[str, float]:
        """Maximum difference by rate, of those that have one."""
        return self._select("max_{}_difference")

    @property
    def ratios(self) -> Mapping[str, float]:
        """Minimum ratio by rate, of those that have one."""
        return self._select("min_{}_ratio")

    def _select(self, pattern: str) -> dict[str, float]:
        given = {rate: getattr(self, pattern.format(rate)) for rate in RATES}
        return {rate: limit for rate, limit in given.items() if limit is not None}

    @property
    def has_limit(self) -> bool:
        """Whether anything is judged."""
        return bool(self.differences or self.ratios) or self.max_calibration_error is not None
