"""Policies of a use case for promotion, drift and leakage, each threshold with its unit."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from servicio_ml.domain.checks.attributes import (
    Count,
    InnerShare,
    Limits,
    NotNegative,
    Positive,
    Share,
    check_attributes,
)
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.metric import METRICS
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.errors import UseCaseError, format_names

# below it the standard error of an accuracy alone is about as large as its limit
MIN_EVALUATED_ROWS = 100
"""Minimum number of labelled rows (of the rarest class for F1) to compare a performance with its limit."""
MAX_MISSING_EXCESS = 0.05
"""Maximum excess of a feature's share of missing values over that of the reference (0–1)."""
MAX_BINS = 1000
"""Maximum number of quantile bins: each is a series of metrics."""
MIN_DEVIATIONS = 3.09
"""Minimum distance of accuracy beyond its limit, in standard deviations: a one-sided bound at 99.9 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPolicy:
    """Conditions under which a challenger becomes champion.

    Attributes:
        metric: Metric that compares the two on the same rows (see `domain.metric`).
        floor: Minimum of the metric (maximum of an error), also without a champion.
        margin: Maximum loss at the lower end of the paired interval, in the metric's unit (as a share of the
            champion's error for an error).
        slices: Fields whose levels are compared one by one.
        max_slice_loss: Maximum loss of the worst slice, in the metric's unit (as a share of the champion's
            error for an error).
        min_slice_rows: Minimum number of rows of a compared slice.
        max_calibration_error: Maximum expected calibration error (0–1) of a classifier.
        max_latency_seconds: Maximum median time to score one row.
        fairness: Limits of the differences between the groups of protected attributes; None for none.
        rollout: Steps in which a challenger that passes the gates replaces a champion; None for at once.
    """

    metric: str
    floor: float
    # not zero: on the same rows two equal models still differ by chance
    margin: Share = 0.005
    slices: tuple[str, ...] = ()
    max_slice_loss: Share = 0.05
    min_slice_rows: Count = 200
    max_calibration_error: Share = 0.05
    max_latency_seconds: Positive = 0.02
    fairness: FairnessLimits | None = None
    rollout: Ramp | None = None

    def __post_init__(self) -> None:
        check_attributes(self, "promotion policy")
        if self.metric not in METRICS:
            raise UseCaseError(
                "promotion policy", f"unknown metric {self.metric!r}; metrics are {format_names(METRICS)}"
            )
        low, high = METRICS[self.metric].limits
        if not low <= self.floor <= high:
            raise UseCaseError(
                "promotion policy", f"floor is {self.floor:g}; {self.metric} lies from {low:g} to {high:g}"
            )
        if len(set(self.slices)) != len(self.slices):
            raise UseCaseError("promotion policy", f"slices name a field twice: {format_names(self.slices)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """Construction of the reference, and thresholds for drift and for a loss of performance.

    Attributes:
        bins: Number of quantile bins of a number; missing values have another bin.
        practical_psi: Minimum population stability index that is worth a ticket at any number of rows.
        false_alarm_rate: Probability of a false alarm in any feature, per window without drift (0–1).
        design_effect: Variance of the shares and of the performance of a window, relative to independent
            rows (Kish 1965): rows of one day, for example, share their circumstances.
        season: Date field whose calendar month selects the reference; empty for a single reference.
        season_rows: Minimum number of training rows, and of rows that the model was not trained on, of a
            month with its own reference.
        max_accuracy_loss: Maximum loss of accuracy against that on unseen rows (0–1).
        max_f1_macro_loss: Maximum loss of the mean F1 of the classes against that on unseen rows (0–1).
        max_mae_growth: Maximum growth of the mean absolute error, as a share of that on unseen rows.
    """

    bins: Annotated[int, Limits(minimum=2, maximum=MAX_BINS)] = 10
    practical_psi: Positive = 0.1
    false_alarm_rate: InnerShare = 0.05
    design_effect: Annotated[float, Limits(minimum=1)] = 1.0
    season: str = ""
    season_rows: Count = 500
    max_accuracy_loss: Share = 0.05
    max_f1_macro_loss: Share = 0.1
    max_mae_growth: NotNegative = 0.25

    def __post_init__(self) -> None:
        check_attributes(self, "drift policy")

    def compute_limit(self, metric: str, unseen: float) -> float:
        """Compute the limit beyond which a metric raises an alert.

        Args:
            metric: `accuracy`, `f1_macro` or `mae`.
            unseen: Value of the metric on unseen rows, in its unit.
        """
        if metric == "mae":
            # relative for an error, whose unit depends on the target; absolute for shares
            return unseen * (1 + self.max_mae_growth)
        return unseen - (self.max_accuracy_loss if metric == "accuracy" else self.max_f1_macro_loss)


class LeakagePolicy(StrEnum):
    """Action on a feature that predicts the target by a single threshold."""

    DROP = "drop"
    FAIL = "fail"
