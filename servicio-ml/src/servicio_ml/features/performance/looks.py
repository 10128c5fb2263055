"""Limit of a mean that is looked at all year in sliding windows, for several groups of rows."""

import math
from collections.abc import Sequence

FALSE_ALARM_RATE = 0.05
"""Maximum probability of a false alarm in any value of any segment of a model within a year."""
WINDOW_DAYS = (7, 30)
"""Lengths of the windows that are looked at."""
YEAR_DAYS = 365
MAX_DEVIATIONS = 20.0
PRECISION = 1e-9


def compute_deviations(
    groups: int, windows: Sequence[float] = WINDOW_DAYS, rate: float = FALSE_ALARM_RATE
) -> float:
    """Compute how many standard errors a mean may lie beyond its reference before that is no chance.

    The standardised mean of a sliding window of w days exceeds z about z φ(z) / w times a day, however often
    it is looked at (Slepian process; Aldous, "Probability Approximations via the Poisson Clumping Heuristic"
    (1989), section C). These rates add up over windows and groups, as Bonferroni's do: z is where their sum
    over a year is `rate`.

    Args:
        groups: Number of groups of rows that are compared, at least 1.
        windows: Lengths of the windows in days.
        rate: Probability of a false alarm in any group within a year.
    """
    share = rate / groups / sum(YEAR_DAYS / days for days in windows)
    # z φ(z) falls from 1 on
    low, high = 1.0, MAX_DEVIATIONS
    while high - low > PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if _compute_crossings(middle) > share else (low, middle)
    return high


def _compute_crossings(deviations: float) -> float:
    return deviations * math.exp(-(deviations**2) / 2) / math.sqrt(2 * math.pi)
