"""Whether the rows of a window still fall into the reference's bins as the training rows did."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from servicio_ml.domain.policy import DriftPolicy

SMOOTHING = 0.5
"""Rows added to every bin, so that an empty one neither hides nor dominates an index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a column has moved.

    Attributes:
        psi: Population stability index.
        threshold: From which it is drift.
        drifted: Whether it is.
    """

    psi: float
    threshold: float
    drifted: bool


def shift(
    counts: Sequence[int], shares: Sequence[float], *, reference_rows: float, columns: int,
    policy: DriftPolicy,
) -> Shift | None:  # fmt: skip
    """Judge one column; None when the window has no rows.

    Args:
        counts: Rows of the window in each bin.
        shares: Smoothed reference share of each bin.
        reference_rows: That the shares were made of (of a mixture of seasons, as many as tell as much).
        columns: How many are judged together, and share the rate of false alarms.
        policy: The thresholds.
    """
    rows = sum(counts)
    if not rows:
        return None
    psi = stability_index(counts, shares)
    limit = threshold(
        bins=len(counts), rows=rows, reference_rows=reference_rows, columns=columns, policy=policy
    )
    # written so that NaN is drift
    return Shift(psi=psi, threshold=limit, drifted=not psi < limit)


def stability_index(counts: Sequence[int], shares: Sequence[float]) -> float:
    """Sum over the bins of (current - reference) ln(current / reference), the current shares smoothed.

    An empty bin is no sign of a surplus: where smoothing alone puts it above the reference, it adds nothing.
    """
    total = sum(counts) + SMOOTHING * len(counts)
    parts = ((count, (count + SMOOTHING) / total, share) for count, share in zip(counts, shares, strict=True))
    # written so that NaN is not left out
    return sum((now - then) * math.log(now / then) for count, now, then in parts if count or not now >= then)


def threshold(*, bins: int, rows: int, reference_rows: float, columns: int, policy: DriftPolicy) -> float:
    """The index that is drift in a window of so many rows.

    Without drift, index / (1/rows + 1/reference_rows) is close to chi-squared with bins - 1 degrees of
    freedom (Yurdakul and Naranjo 2020, "Statistical properties of the population stability index"). Each
    column gets its part of the rate of false alarms (Bonferroni).
    """
    quantile = null_quantile(bins=bins, columns=columns, policy=policy)
    return max(policy.practical_psi, quantile * (1 / rows + 1 / reference_rows))


def null_quantile(*, bins: int, columns: int, policy: DriftPolicy) -> float:
    """What index / (1/rows + 1/reference_rows) exceeds without drift no more often than the policy allows.

    Of rows that are not independent, the statistic is greater by the design effect (Rao and Scott 1981).
    """
    quantile = chi_squared_quantile(1 - policy.false_alarm_rate / columns, bins - 1)
    return policy.design_effect * quantile


def chi_squared_quantile(probability: float, freedom: int) -> float:
    """The cube-root approximation of Wilson and Hilferty (1931): within 3 % for tails of 5 % down to .2 %.

    Args:
        probability: Strictly between 0 and 1.
        freedom: Degrees of freedom, at least 1.
    """
    spread = 2 / (9 * freedom)
    return freedom * (1 - spread + NormalDist().inv_cdf(probability) * math.sqrt(spread)) ** 3
