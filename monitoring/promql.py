"""PromQL expressions that the rules share."""

from monitoring.rule import format_duration, multiply_duration, parse_milliseconds
from monitoring.thresholds import MEMORY_STEPS

VERSION = "model, version"
SEGMENT = f"{VERSION}, segment, value"
DESIGN_EFFECT = f"on ({VERSION}) group_left () max by ({VERSION}) (servicio_ml_design_effect)"
"""Expression for the design effect: the factor by which dependence of rows increases their variance."""


def compute_growth(metric: str, step: str) -> str:
    """Compute the growth of a counter in a step, by series, including new and reset series.

    `increase` extrapolates and misses the first value of a series, so that a batch of labels would be counted
    one twentieth too high, or not at all. The sum of these differences is exact. A target's counts from
    before its first scrape are left out.
    """
    known = f"and on (job, instance) (up offset {step} == 1)"
    return f"((({metric} - {metric} offset {step}) >= 0) or ({metric} {known}))"


def sum_over_window(base: str, window: str, step: str, before: str = "") -> str:
    """Sum a base record, whose samples count one step each, over a window.

    The range is half a step shorter than the window: it then contains exactly the window's samples, whether
    ranges include their left end (Prometheus 2) or not (Prometheus 3). Another group of rules may read the
    sum, unlike a single sample, because the range has samples while that group is evaluated.

    Args:
        base: Name of the base record.
        window: Length of the window.
        step: Step of the base record.
        before: Time by which the window ends before now; empty for a window that ends now.
    """
    length = format_duration(
        max(parse_milliseconds(window), parse_milliseconds(step)) - parse_milliseconds(step) // 2
    )
    earlier = f" offset {before}" if before else ""
    return f"sum_over_time({base}[{length}]{earlier})"


def read_last_sample(record: str, step: str) -> str:
    """Read the last sample of a record within the rule that writes it."""
    return f"last_over_time({record}[{multiply_duration(step, MEMORY_STEPS)}])"


def filter_champions(expression: str) -> str:
    """Restrict an expression to the present champions."""
    return f"({expression}) and on ({VERSION}) max by ({VERSION}) (servicio_ml_model_info)"


def compute_ratio(numerator: str, denominator: str) -> str:
    """Compute a ratio that is 0 without a numerator and empty without a positive denominator."""
    return f"({numerator} or 0 * {denominator}) / ({denominator} > 0)"


def compute_quantile(share: float, buckets: str) -> str:
    """Compute a quantile of a histogram; empty instead of NaN without observations."""
    return f"histogram_quantile({share}, {buckets}) >= 0"
