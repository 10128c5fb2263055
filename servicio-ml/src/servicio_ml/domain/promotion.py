"""Promotion: the gates between a challenger and the alias `champion`, and the record of each decision."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from servicio_ml.domain.metric import Metric
from servicio_ml.domain.policy import PromotionPolicy

CHAMPION, CHALLENGER = "champion", "challenger"
"""The aliases that promotion moves."""


class Decision(StrEnum):
    """What was decided."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One level of one field.

    Attributes:
        field: Its name.
        level: Its text.
        rows: Rows of that level.
        gain: Of the challenger over the champion (see `Metric.gain`).
    """

    field: str
    level: str
    rows: int
    gain: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured on the same rows.

    Attributes:
        rows: How many.
        challenger: The metric of the challenger.
        champion: The metric of the champion; None where there is none.
        gain: Of the challenger (see `Metric.gain`); None without a champion.
        interval: 95 % interval of the gain; None without a champion.
        slices: Judged levels; empty without a champion.
        calibration_error: Expected calibration error of the challenger; None in a regression.
        latency_seconds: Median time of one row of the challenger.
    """

    rows: int
    challenger: float
    latency_seconds: float
    champion: float | None = None
    gain: float | None = None
    interval: tuple[float, float] | None = None
    slices: Sequence[Slice] = ()
    calibration_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The whole record of one decision.

    Attributes:
        use_case: Its name.
        decision: What was decided.
        reason: In one sentence.
        challenger: Version judged, or put back.
        champion: Version that was champion before; None where there was none.
        by: Who decided.
        at: Seconds since 1970.
        evidence: Period, data digest, comparison, gates.
    """

    use_case: str
    decision: Decision
    reason: str
    challenger: int
    champion: int | None
    by: str
    at: float
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reign:
    """A time during which one version was champion; `until` is None while it is. Seconds since 1970."""

    version: int
    since: float
    until: float | None
    reason: str
    by: str


def gates(policy: PromotionPolicy, metric: Metric, comparison: Comparison) -> list[Gate]:
    """Judge a comparison; a number that is NaN fails its gate.

    Args:
        policy: The thresholds.
        metric: Of the policy.
        comparison: What was measured.
    """
    sign = ">=" if metric.greater_is_better else "<="
    taken, most = comparison.latency_seconds * 1000, policy.max_latency_seconds * 1000
    found = [
        Gate(
            name="floor",
            passed=metric.reaches(comparison.challenger, policy.floor),
            detail=f"{metric.name} {comparison.challenger:.5g} {sign} {policy.floor:g}",
        ),
        Gate(
            name="latency",
            passed=comparison.latency_seconds <= policy.max_latency_seconds,
            detail=f"one row {taken:.3g} ms <= {most:g} ms",
        ),
    ]  # fmt: skip
    if comparison.calibration_error is not None:
        error, limit = comparison.calibration_error, policy.max_calibration_error
        found.append(
            Gate(name="calibration", passed=error <= limit, detail=f"error {error:.4f} <= {limit:g}")
        )
    if comparison.champion is not None:
        found += [_better(policy, comparison), _slices(policy, comparison)]
    return found


def _better(policy: PromotionPolicy, comparison: Comparison) -> Gate:
    gain = comparison.gain if comparison.gain is not None else float("nan")
    low, high = comparison.interval or (float("nan"), float("nan"))
    return Gate(
        name="not worse than the champion",
        passed=gain > 0 and low >= -policy.margin,
        detail=f"gain {gain:+.5f} > 0, its interval [{low:+.5f}, {high:+.5f}] above {-policy.margin:+g}",
    )


def _slices(policy: PromotionPolicy, comparison: Comparison) -> Gate:
    if not comparison.slices:
        return Gate(name="slices", passed=True, detail="no slice is large enough to be judged")
    # NaN first, so that an undefined slice is the worst
    worst = min(comparison.slices, key=lambda each: (each.gain == each.gain, each.gain))
    return Gate(
        name="slices",
        passed=worst.gain >= -policy.max_slice_loss,
        detail=f"worst {worst.field}={worst.level} {worst.gain:+.4f} >= {-policy.max_slice_loss:g} "
        f"({len(comparison.slices)} judged)",
    )


def verdict(found: Sequence[Gate]) -> tuple[Decision, str]:
    """Promoted where every gate is passed, else rejected with what failed."""
    failed = [gate for gate in found if not gate.passed]
    if failed:
        return Decision.REJECTED, "; ".join(f"{gate.name}: not {gate.detail}" for gate in failed)
    return Decision.PROMOTED, "; ".join(f"{gate.name}: {gate.detail}" for gate in found)
