"""Promotion: gates that a challenger must pass to become champion, and the record of each decision."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from servicio_ml.domain.fairness.gate import judge_fairness
from servicio_ml.domain.fairness.group_rates import GroupRates
from servicio_ml.domain.fairness.limits import FairnessLimits
from servicio_ml.domain.metric import Metric
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.errors import format_names

# aliases, not stages: MLflow has deprecated stages, and an alias moves atomically
CHAMPION, CHALLENGER = "champion", "challenger"
"""Aliases that promotion moves."""


class PromotionDecision(StrEnum):
    """Outcome of a promotion decision."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    # a rollback is an administrator's action and passes no gates
    ROLLED_BACK = "rolled back"
    # a rollout moves the alias later, if its evidence allows
    ROLLOUT_STARTED = "rollout started"
    # the alias was moved in MLflow itself
    SET_OUTSIDE = "set outside"


MOVES = frozenset({PromotionDecision.PROMOTED, PromotionDecision.ROLLED_BACK, PromotionDecision.SET_OUTSIDE})
"""Decisions after which another version is champion."""
NO_EVIDENCE: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceResult:
    """Comparison of challenger and champion on the rows of one level.

    Attributes:
        field: Name of the field.
        level: Text of the level.
        rows: Number of rows of the level.
        gain: Gain of the challenger over the champion (see `Metric.gain`).
    """

    field: str
    level: str
    rows: int
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionComparison:
    """Measurements of challenger and champion on the same rows.

    Attributes:
        rows: Number of rows.
        challenger: Metric of the challenger.
        champion: Metric of the champion; None without a champion.
        gain: Gain of the challenger (see `Metric.gain`); None without a champion.
        interval: 95 % interval of the gain; None without a champion.
        slices: Compared levels; empty without a champion.
        calibration_error: Expected calibration error of the challenger; None in a regression.
        latency_seconds: Median time in which the challenger scores one row.
        fairness: Rates of the challenger in the groups of protected attributes; empty without any.
        unmeasured: Protected attributes whose groups the challenger does not know, as it is older than them.
    """

    rows: int
    challenger: float
    latency_seconds: float
    champion: float | None = None
    gain: float | None = None
    interval: tuple[float, float] | None = None
    slices: Sequence[SliceResult] = ()
    calibration_error: float | None = None
    fairness: Sequence[GroupRates] = ()
    unmeasured: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionGate:
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """Complete record of one decision.

    Attributes:
        use_case: Name of the use case.
        decision: Outcome.
        reason: Explanation in one sentence.
        challenger: Version that was compared, or restored.
        champion: Version that was champion before; None without one.
        by: Name of the person or program that decided.
        at: Time of the decision, in seconds since 1970.
        evidence: Period, data digest, comparison and gates; empty for an action of an administrator.
    """

    use_case: str
    decision: PromotionDecision
    reason: str
    challenger: int
    champion: int | None
    by: str
    at: float
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionTenure:
    """Tenure of a champion, in seconds since 1970; `until` is None for the present champion."""

    version: int
    since: float
    until: float | None
    reason: str
    by: str


def evaluate_gates(
    policy: PromotionPolicy, metric: Metric, comparison: PromotionComparison
) -> list[PromotionGate]:
    """Evaluate the gates of a comparison; a measurement of NaN fails its gate.

    Args:
        policy: Thresholds.
        metric: Metric that the policy names.
        comparison: Measurements.
    """
    sign = ">=" if metric.greater_is_better else "<="
    latency, max_latency = comparison.latency_seconds * 1000, policy.max_latency_seconds * 1000
    found = [
        PromotionGate(
            name="floor",
            passed=metric.has_reached(comparison.challenger, policy.floor),
            detail=f"{metric.name} {comparison.challenger:.5g} {sign} {policy.floor:g}",
        ),
        PromotionGate(
            name="latency",
            passed=comparison.latency_seconds <= policy.max_latency_seconds,
            detail=f"one row {latency:.3g} ms <= {max_latency:g} ms",
        ),
    ]  # fmt: skip
    # a regression has no probabilities to calibrate
    if comparison.calibration_error is not None:
        error, limit = comparison.calibration_error, policy.max_calibration_error
        found.append(
            PromotionGate(name="calibration", passed=error <= limit, detail=f"error {error:.4f} <= {limit:g}")
        )
    if policy.fairness is not None:
        found.append(_evaluate_fairness(policy.fairness, comparison))
    # the first champion has nothing to compare with, but the absolute gates still hold
    if comparison.champion is not None:
        found += [_evaluate_gain(policy, comparison), _evaluate_slices(policy, comparison)]
    return found


def _evaluate_gain(policy: PromotionPolicy, comparison: PromotionComparison) -> PromotionGate:
    # NaN instead of an error: a comparison without a gain fails the gate with a readable detail
    gain = comparison.gain if comparison.gain is not None else float("nan")
    low, high = comparison.interval or (float("nan"), float("nan"))
    return PromotionGate(
        name="not worse than the champion",
        # a gain whose interval lies below zero by more than the margin may be luck on these rows
        passed=gain > 0 and low >= -policy.margin,
        detail=f"gain {gain:+.5f} > 0, its interval [{low:+.5f}, {high:+.5f}] above {-policy.margin:+g}",
    )


def _evaluate_slices(policy: PromotionPolicy, comparison: PromotionComparison) -> PromotionGate:
    if not comparison.slices:
        return PromotionGate(name="slices", passed=True, detail="no slice is large enough to be compared")
    # NaN first, so that an undefined slice is the worst
    worst = min(comparison.slices, key=lambda each: (each.gain == each.gain, each.gain))
    return PromotionGate(
        name="slices",
        passed=worst.gain >= -policy.max_slice_loss,
        detail=f"worst {worst.field}={worst.level} {worst.gain:+.4f} >= {-policy.max_slice_loss:g} "
        f"({len(comparison.slices)} compared)",
    )


def _evaluate_fairness(limits: FairnessLimits, comparison: PromotionComparison) -> PromotionGate:
    if comparison.unmeasured:
        names = format_names(comparison.unmeasured)
        return PromotionGate(
            name="fairness",
            passed=False,
            detail=f"measured for {names}, which is newer than the version; train",
        )
    passed, detail = judge_fairness(limits, comparison.fairness)
    return PromotionGate(name="fairness", passed=passed, detail=detail)


def decide(found: Sequence[PromotionGate], *, by_rollout: bool = False) -> tuple[PromotionDecision, str]:
    """Promote when every gate is passed, else reject.

    Args:
        found: Evaluated gates.
        by_rollout: Whether to start a rollout instead of promoting at once.

    Returns:
        The decision, and the gates as its reason.
    """
    # all failed gates, not the first: whoever mends the challenger needs to see every reason
    failed = [gate for gate in found if not gate.passed]
    if failed:
        return PromotionDecision.REJECTED, "; ".join(f"{gate.name}: not {gate.detail}" for gate in failed)
    passed = PromotionDecision.ROLLOUT_STARTED if by_rollout else PromotionDecision.PROMOTED
    return passed, "; ".join(f"{gate.name}: {gate.detail}" for gate in found)
