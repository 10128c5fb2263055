"""Drift test of one column: population stability index, its threshold, and a drift that people accept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from servicio_ml.domain.policy import DriftPolicy

# Jeffreys' half a row: without it an empty bin makes the logarithm infinite
SMOOTHING = 0.5
"""Number of rows added to every bin, so that an empty bin neither hides nor dominates the index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftResult:
    """Drift of one column.

    Attributes:
        psi: Population stability index.
        threshold: Minimum index that counts as drift.
        drifted: True when the index reaches the threshold.
    """

    psi: float
    threshold: float
    drifted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Drift of a feature that people know of and accept for some time; an end replaces it by an ended one.

    Attributes:
        model: Name of the model.
        feature: Field, or `prediction`.
        reason: Explanation for people.
        by: Who acknowledged it, or ended it.
        at: Time of the decision, in seconds since 1970.
        until: Time from which it does not hold any more, in seconds since 1970.
        psi: Population stability index at that time, the largest of the alerts' windows.
        missing_excess: Share of missing values above that of the reference at that time (0–1), likewise.
    """

    model: str
    feature: str
    reason: str
    by: str
    at: float
    until: float
    psi: float
    missing_excess: float

    def is_held_at(self, now: float) -> bool:
        """Check whether it holds at a time, in seconds since 1970."""
        return self.at <= now < self.until

    @property
    def is_end(self) -> bool:
        """Whether it is the end of an earlier acknowledgement."""
        return self.until <= self.at


def select_held(history: Sequence[Acknowledgement], now: float) -> list[Acknowledgement]:
    """Select the acknowledgements that hold, of each feature the newest; `history` has the newest first."""
    newest = {each.feature: each for each in reversed(history)}
    return sorted((each for each in newest.values() if each.is_held_at(now)), key=lambda each: each.feature)


def measure_drift(
    counts: Sequence[int], shares: Sequence[float], *, reference_rows: float, columns: int,
    policy: DriftPolicy,
) -> DriftResult | None:  # fmt: skip
    """Test one column for drift; None when the window has no rows.

    Args:
        counts: Number of rows of the window in each bin.
        shares: Smoothed reference share of each bin.
        reference_rows: Number of rows behind the shares; for a mixture of seasons the effective number.
        columns: Number of columns that share the rate of false alarms.
        policy: Thresholds.
    """
    rows = sum(counts)
    # an empty window says nothing, and its smoothed shares would be uniform and look like drift
    if not rows:
        return None
    psi = compute_psi(counts, shares)
    limit = compute_threshold(
        bins=len(counts), rows=rows, reference_rows=reference_rows, columns=columns, policy=policy
    )
    # written so that NaN is drift
    return DriftResult(psi=psi, threshold=limit, drifted=not psi < limit)


def compute_psi(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Sum (current - reference) ln(current / reference) over the bins, with smoothed current shares.

    An empty bin is no surplus: where smoothing alone lifts it above the reference, it adds nothing.
    """
    total = sum(counts) + SMOOTHING * len(counts)
    bins = ((count, (count + SMOOTHING) / total, share) for count, share in zip(counts, shares, strict=True))
    # written so that NaN is not left out
    return sum((now - then) * math.log(now / then) for count, now, then in bins if count or not now >= then)


def compute_threshold(
    *, bins: int, rows: int, reference_rows: float, columns: int, policy: DriftPolicy
) -> float:
    """Compute the minimum index that counts as drift in a window of `rows` rows.

    Without drift, index / (1/rows + 1/reference_rows) is close to chi-squared with bins - 1 degrees of
    freedom (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"). Each
    column gets an equal share of the rate of false alarms (Bonferroni).
    """
    quantile = compute_null_quantile(bins=bins, columns=columns, policy=policy)
    # with many rows every tiny shift is significant, so the practical limit takes over
    return max(policy.practical_psi, quantile * (1 / rows + 1 / reference_rows))


def compute_null_quantile(*, bins: int, columns: int, policy: DriftPolicy) -> float:
    """Compute the quantile of index / (1/rows + 1/reference_rows) without drift.

    The design effect scales the statistic for rows that are not independent (Rao and Scott 1981).
    """
    # bins - 1: the shares add up to 1, which takes one degree of freedom
    quantile = compute_chi_squared_quantile(1 - policy.false_alarm_rate / columns, bins - 1)
    return policy.design_effect * quantile


def compute_chi_squared_quantile(probability: float, freedom: int) -> float:
    """Approximate by the cube root of Wilson and Hilferty (1931): within 3 % for tails of 5 % down to .2 %.

    Args:
        probability: Probability, strictly between 0 and 1.
        freedom: Degrees of freedom, at least 1.
    """
    # approximated here because `statistics` has no chi-squared and the domain imports no SciPy
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3
