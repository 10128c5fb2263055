"""Policies of a use case: promotion, drift and leaks, each threshold with its unit."""

from dataclasses import dataclass
from enum import StrEnum


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
    """How the reference is binned and when a shift of it is worth a ticket.

    Attributes:
        bins: Quantile bins of a number (missing has one of its own).
        practical_psi: A population stability index below this is not worth a ticket at any size.
        false_alarm_rate: Of the whole family of features, per window without drift (0–1).
    """

    bins: int = 10
    practical_psi: float = 0.1
    false_alarm_rate: float = 0.05


class LeakPolicy(StrEnum):
    """What is done about a feature that gives the target away by a single threshold."""

    DROP = "drop"
    FAIL = "fail"
