"""Sequential tests whose error rates hold however often the evidence is looked at.

Means: asymptotic confidence sequences (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform
central limit theory and asymptotic confidence sequences", Annals of Statistics 52(6)). Rates: a mixture of
likelihood ratios and Ville's inequality (Ville 1939; Robbins 1970), exact for every number of trials.
"""

import math
from dataclasses import dataclass

TIGHTEST_ROWS = 2_000
"""Number of rows at which the bounds of a mean are tightest; elsewhere they are slightly wider."""
MIN_ROWS = 200
"""Minimum number of rows for bounds of a mean, which rest on the central limit theorem.

Enough for differences of the losses of two models; sums of one rare event need more.
"""
HIGHER_RATES = (1.5, 2.0, 4.0, 16.0)
"""Alternatives above a limit, as odds relative to those of the limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trials:
    """Number of trials and how many of them were hits."""

    trials: int = 0
    hits: int = 0

    def __add__(self, other: "Trials") -> "Trials":
        return Trials(trials=self.trials + other.trials, hits=self.hits + other.hits)


def compute_half_width(rows: float, error_rate: float) -> float:
    """Compute the half-width of a one-sided bound of a mean, in standard deviations of a row (appendix B.1).

    The true mean lies beyond the bound at any number of rows with a probability of `error_rate` at most.
    It is infinite below `MIN_ROWS`.

    Args:
        rows: Number of rows.
        error_rate: Error rate, above 0 and below .5.
    """
    if rows < MIN_ROWS:
        return math.inf
    variance = compute_mixture_variance(error_rate)
    spread = rows * variance + 1
    odds = 1 + math.sqrt(spread) / (2 * error_rate)
    return math.sqrt(2 * spread / (rows * rows * variance) * math.log(odds))


def compute_mixture_variance(error_rate: float) -> float:
    """Compute the variance of the mixture with which the bounds are tightest at `TIGHTEST_ROWS`.

    Closed form of appendix B.2 for the two-sided bounds at twice the error rate, which are nearly equal.
    """
    logarithm = -2 * math.log(2 * error_rate)
    return (logarithm + math.log(1 + logarithm)) / TIGHTEST_ROWS


def compute_rate_evidence(counts: Trials, limit: float, *, above: bool) -> float:
    """Compute an e-value against the rate being on the other side of a limit.

    It exceeds 1 / x with a probability of x at most, at any number of trials.

    Args:
        counts: Trials and hits.
        limit: Rate, above 0 and below 1.
        above: Whether large values mean a rate above the limit; else below it.
    """
    odds = limit / (1 - limit)
    factors = HIGHER_RATES if above else (0.0, *(1 / each for each in HIGHER_RATES))
    rates = [odds * factor / (1 + odds * factor) for factor in factors]
    return sum(math.exp(min(_compute_log_ratio(counts, rate, limit), 700)) for rate in rates) / len(rates)


def _compute_log_ratio(counts: Trials, rate: float, limit: float) -> float:
    if not rate and counts.hits:
        return -math.inf
    hits = counts.hits * math.log(rate / limit) if counts.hits else 0.0
    return hits + (counts.trials - counts.hits) * math.log((1 - rate) / (1 - limit))
