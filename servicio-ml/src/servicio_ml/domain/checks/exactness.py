"""Exactness of float32, in which every value of a field reaches a model."""

import math

from servicio_ml.domain.values import MAX_NUMBER

FLOAT32_BITS = 24
MIN_STEPS = 1000
"""Minimum number of float32 steps within the bounds of a number."""


def has_exact_range(low: float | None, high: float | None) -> bool:
    """Whether float32 separates the numbers of a range: steps of at most 1 and 1/1000 of its width."""
    lower, upper = -math.inf if low is None else low, math.inf if high is None else high
    if any(math.isfinite(bound) and abs(bound) > MAX_NUMBER for bound in (lower, upper)):
        return False
    if lower <= 0 <= upper:
        return True
    step = compute_float32_step(min(abs(lower), abs(upper)))
    # a single value needs no steps
    return step <= 1 and (lower == upper or step * MIN_STEPS <= upper - lower)


def compute_float32_step(value: float) -> float:
    """Compute the distance between a number and the next in float32."""
    return 2.0 ** (math.frexp(value)[1] - FLOAT32_BITS)
