"""Effects of versions: differences to the champion, with intervals that hold however often one looks.

Within a phase the shares are fixed, so that versions differ by chance and by their effect alone. The
differences of the phases are averaged with weights that depend on numbers of rows only. Pooled means would
mix up the effect with what else changed while a bandit moved the shares, and are biased by it (Nie, Tian,
Taylor and Zou 2018, "Why adaptively collected data have negative bias and how to correct for it").

The weighted sum is a martingale around the true effect, also when the shares follow earlier outcomes. Its
bounds are asymptotic confidence sequences, see `compute_half_width`.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from servicio_ml.domain.experiments.design import ExperimentDesign
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.rollout.sequential import compute_half_width


class ArmVerdict(StrEnum):
    """What the evidence shows about a version; the values are public.

    The improvement of a version is at least the minimum effect (`better`), below 0 (`worse`), or within the
    minimum effect on either side of 0 (`within`); else the evidence is open.
    """

    BETTER = "better"
    WORSE = "worse"
    WITHIN = "within"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFinding:
    """Evidence on one version.

    Attributes:
        version: Version.
        rows: Number of its rows with ground truth.
        mean: Mean of the metric; None without rows.
        improvement: Improvement over the champion, in the unit of the minimum effect, above 0 where the
            version is better; None for the champion itself, and where it cannot be computed.
        low: Lower bound of the improvement; None where there is no bound yet.
        high: Upper bound of the improvement; None where there is no bound yet.
        verdict: What the evidence shows; None for the champion.
    """

    version: int
    rows: int
    mean: float | None
    improvement: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: ArmVerdict | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightedMeans:
    """Means of a version and the champion, weighted alike in each phase.

    Attributes:
        weight: Sum of the weights; a phase weighs as much as its harmonic number of pairs, a · b / (a + b)
            with a and b rows.
        mean: Mean of the version.
        champion: Mean of the champion.
        variance: Part of the version in the variance of `weight` rows.
        champion_variance: Part of the champion.
    """

    weight: float
    mean: float
    champion: float
    variance: float
    champion_variance: float


def judge_arms(
    design: ExperimentDesign, champion: int, outcomes: OutcomeTable, *, is_share: bool
) -> tuple[ArmFinding, ...]:
    """Judge all versions, the champion first.

    The intervals of all versions hold together, at all times, with a probability of 1 - `error_rate`.

    Args:
        design: Design of the experiment.
        champion: Version that the others are compared with.
        outcomes: Rows with ground truth.
        is_share: Whether each value is 0 or 1.
    """
    control = outcomes.list_sums(champion)
    findings = [_build_finding(champion, outcomes)]
    for version in design.shares:
        found = weigh_means(outcomes.list_sums(version), control, is_share=is_share)
        low, high = compute_improvement_bounds(design, found)
        effect = _compute_improvement(design, found)
        finding = _build_finding(version, outcomes)
        findings.append(
            ArmFinding(
                version=version, rows=finding.rows, mean=finding.mean, improvement=_omit_infinite(effect),
                low=_omit_infinite(low), high=_omit_infinite(high),
                verdict=_choose_verdict(low, high, design.minimum_effect),
            )
        )  # fmt: skip
    return tuple(findings)


def weigh_means(
    arm: Sequence[OutcomeSums], control: Sequence[OutcomeSums], *, is_share: bool
) -> WeightedMeans:
    """Average the means of a version and of the champion over the phases, with the same weights."""
    both = _weigh_phases(arm, control)
    weight = math.fsum(pairs for pairs, _, _ in both)
    # without rows of both, all sums are 0
    scale = weight or 1.0
    spread, control_spread = (_compute_variance(sums, is_share=is_share) for sums in (arm, control))
    return WeightedMeans(
        weight=weight,
        mean=math.fsum(pairs * one.mean for pairs, one, _ in both) / scale,
        champion=math.fsum(pairs * other.mean for pairs, _, other in both) / scale,
        variance=spread * math.fsum(pairs**2 / one.rows for pairs, one, _ in both) / scale,
        champion_variance=control_spread
        * math.fsum(pairs**2 / other.rows for pairs, _, other in both)
        / scale,
    )


def _weigh_phases(
    arm: Sequence[OutcomeSums], control: Sequence[OutcomeSums]
) -> list[tuple[float, OutcomeSums, OutcomeSums]]:
    """Return the weight of each phase with rows of both, and their sums."""
    return [
        (one.rows * other.rows / (one.rows + other.rows), one, other)
        for one, other in zip(arm, control, strict=True)
        if one.rows and other.rows
    ]


def compute_improvement_bounds(design: ExperimentDesign, found: WeightedMeans) -> tuple[float, float]:
    """Compute bounds of the improvement that hold at all times; infinite with too few rows."""
    # both sides of each version besides the champion
    error = design.error_rate / (2 * len(design.shares))
    width = compute_half_width(found.weight / design.design_effect, error)
    if math.isinf(width):
        return -math.inf, math.inf
    low, high = (_limit_ratio if design.relative else _limit_difference)(found, width)
    return (low, high) if design.sign > 0 else (-high, -low)


def _limit_difference(found: WeightedMeans, width: float) -> tuple[float, float]:
    half = width * math.sqrt(found.variance + found.champion_variance)
    difference = found.mean - found.champion
    return difference - half, difference + half


def _limit_ratio(found: WeightedMeans, width: float) -> tuple[float, float]:
    """Bound the growth of the mean, as a share of the champion's (Fieller 1954)."""
    square = width * width
    # ratios r for which `mean - r * champion` is within its bounds: the roots of a quadratic equation
    leading = found.champion**2 - square * found.champion_variance
    if found.champion <= 0 or leading <= 0:
        return -math.inf, math.inf
    spread = found.champion**2 * found.variance + found.mean**2 * found.champion_variance
    root = width * math.sqrt(max(spread - square * found.variance * found.champion_variance, 0.0))
    middle = found.champion * found.mean
    return (middle - root) / leading - 1, (middle + root) / leading - 1


def _compute_improvement(design: ExperimentDesign, found: WeightedMeans) -> float:
    if not found.weight or (design.relative and found.champion <= 0):
        return math.nan
    scale = found.champion if design.relative else 1.0
    return design.sign * (found.mean - found.champion) / scale


def _compute_variance(phases: Sequence[OutcomeSums], *, is_share: bool) -> float:
    """Compute the variance of a row around the mean of its phase; over all phases, as one has few rows."""
    rows = sum(sums.rows for sums in phases)
    if is_share:
        # without any hit the variance would be 0, and a bound of no width wrong (Agresti and Coull 1998)
        share = (math.fsum(sums.total for sums in phases) + 1) / (rows + 2)
        return share * (1 - share)
    free = sum(sums.rows - 1 for sums in phases if sums.rows)
    return math.fsum(sums.deviations for sums in phases) / free if free else 0.0


def _build_finding(version: int, outcomes: OutcomeTable) -> ArmFinding:
    sums = outcomes.sum_version(version)
    return ArmFinding(version=version, rows=sums.rows, mean=sums.mean if sums.rows else None)


def _choose_verdict(low: float, high: float, effect: float) -> ArmVerdict:
    if low >= effect:
        return ArmVerdict.BETTER
    if high < 0:
        return ArmVerdict.WORSE
    return ArmVerdict.WITHIN if -effect < low and high < effect else ArmVerdict.OPEN


def _omit_infinite(value: float) -> float | None:
    return value if math.isfinite(value) else None
