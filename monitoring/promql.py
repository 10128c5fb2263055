"""Expressions that the rules have in common."""

from monitoring.rule import duration, milliseconds, times
from monitoring.thresholds import MEMORY_STEPS

VERSION = "model, version"
DESIGN_EFFECT = f"on ({VERSION}) group_left () max by ({VERSION}) (servicio_ml_design_effect)"
"""What the variance of independent rows is multiplied by."""


def growth(metric: str, step: str) -> str:
    """By how much a counter has grown in a step, by series, also when it was born or reset within it.

    `increase` extrapolates, and misses what a series is born with: a batch of labels would be counted one
    twentieth too high, or not at all. These differences add up to what was counted. What a target counted
    before Prometheus knew it is left out.
    """
    known = f"and on (job, instance) (up offset {step} == 1)"
    return f"((({metric} - {metric} offset {step}) >= 0) or ({metric} {known}))"


def total(base: str, window: str, step: str, before: str = "") -> str:
    """Sum over a window of a base record, each of whose samples stands for one step.

    Half a step less than the window holds exactly its samples, whether or not a range has its left end in it
    (Prometheus 2 does, Prometheus 3 does not). A sum, unlike a single sample, may be read by another group of
    rules too: it is there while that one is being evaluated.

    Args:
        base: The record.
        window: Up to now.
        step: Of the base.
        before: By how much the window ends earlier.
    """
    length = duration(max(milliseconds(window), milliseconds(step)) - milliseconds(step) // 2)
    earlier = f" offset {before}" if before else ""
    return f"sum_over_time({base}[{length}]{earlier})"


def remembered(record: str, step: str) -> str:
    """The last sample of a record, as a part of its own rule."""
    return f"last_over_time({record}[{times(step, MEMORY_STEPS)}])"


def of_champions(expression: str) -> str:
    """Those samples that are about a version that answers now."""
    return f"({expression}) and on ({VERSION}) max by ({VERSION}) (servicio_ml_model_info)"


def ratio(part: str, whole: str) -> str:
    """A share of something, 0 where there is none of the part, nothing where there is nothing at all."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(share: float, buckets: str) -> str:
    """A quantile of a histogram, nothing (rather than NaN) where nothing was observed."""
    return f"histogram_quantile({share}, {buckets}) >= 0"
