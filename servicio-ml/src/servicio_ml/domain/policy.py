"""Policies of a use case: promotion, drift and leaks, each threshold with its unit."""

from dataclasses import dataclass
from enum import StrEnum

JUDGED_ROWS = 100
"""From so many on, of the rarest class where it is F1, a performance is held against its limit."""
JUDGED_DEVIATIONS = 3.09
"""Standard deviations by which accuracy must be beyond it: a one-sided bound at 99.9 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionPolicy:
    """When a challenger becomes champion.

    Attributes:
        metric: By which the two are compared on the same rows (see `domain.metric`).
        floor: The metric must be at least this good, also without a champion.
        margin: How much worse than the champion the lower end of the paired interval may be, in the
            metric's unit (of an error, a share of the champion's error).
        slices: Fields whose levels are looked at one by one.
        max_slice_loss: How much worse than the champion the worst slice may be, in the metric's unit
            (of an error, a share of the champion's).
        min_slice_rows: Smaller slices are not judged.
        max_calibration_error: Greatest expected calibration error (0–1) of a classifier.
        max_latency_seconds: Greatest median time of one row.
    """

    metric: str
    floor: float
    margin: float = 0.005
    slices: tuple[str, ...] = ()
    max_slice_loss: float = 0.05
    min_slice_rows: int = 200
    max_calibration_error: float = 0.05
    max_latency_seconds: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """How the reference is made, and from when on a shift of rows or a loss of performance is told.

    Attributes:
        bins: Quantile bins of a number (missing has one of its own).
        practical_psi: A population stability index below this is not worth a ticket at any size.
        false_alarm_rate: Of the whole family of features, per window without drift (0–1).
        design_effect: How many times more than those of independent rows the shares and the performance of
            a window vary (Kish 1965): rows of one day, say, have their circumstances in common.
        season: The date field whose calendar month picks the reference; empty for one reference.
        season_rows: Least training rows, and least rows that the model had not seen, of a month with a
            reference of its own.
        max_accuracy_loss: How far accuracy may fall below that on unseen rows (0–1).
        max_f1_macro_loss: The same of the mean of the classes' F1 (0–1).
        max_mae_growth: How much greater than on unseen rows the absolute error may be, as a share of it.
    """

    bins: int = 10
    practical_psi: float = 0.1
    false_alarm_rate: float = 0.05
    design_effect: float = 1.0
    season: str = ""
    season_rows: int = 500
    max_accuracy_loss: float = 0.05
    max_f1_macro_loss: float = 0.1
    max_mae_growth: float = 0.25

    def limit(self, metric: str, unseen: float) -> float:
        """What a metric is paged beyond, from its value on unseen rows.

        Args:
            metric: `accuracy`, `f1_macro` or `mae`.
            unseen: In the metric's unit.
        """
        if metric == "mae":
            return unseen * (1 + self.max_mae_growth)
        return unseen - (self.max_accuracy_loss if metric == "accuracy" else self.max_f1_macro_loss)


class LeakPolicy(StrEnum):
    """What is done about a feature that gives the target away by a single threshold."""

    DROP = "drop"
    FAIL = "fail"
