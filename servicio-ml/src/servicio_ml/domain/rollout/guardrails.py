"""Guardrails of a rollout: for each, whether the evidence shows a breach, shows that it holds, or neither."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.sequential import Trials, compute_rate_evidence

MAX_SLOWER_RATE = 0.5
"""Share of trials (0–1) that take longer than the limit at most, where the median time is within it."""


class Guardrail(StrEnum):
    """Guardrails; their values are public: labels of metrics, and words of the API."""

    LOSS = "loss"
    EXPECTED_LOSS = "expected_loss"
    SHIFT = "shift"
    FAILURES = "failures"
    LATENCY = "latency"


class Verdict(StrEnum):
    """What the evidence shows about a guardrail."""

    BREACHED = "breached"
    HOLDS = "holds"
    OPEN = "open"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Measurements of a rollout that the servers take while they score.

    Attributes:
        rows: Number of rows that the challenger has scored or failed to score.
        failed: Number of rows that it failed to score.
        timed: Trials in which both versions scored the same rows, one after the other.
        slower: Number of trials in which the challenger took longer than its limit allows.
        expected_loss: Losses that the versions expect of themselves.
        scores: Scores of both: the number, or the probability of each class but the first.
    """

    rows: int = 0
    failed: int = 0
    timed: int = 0
    slower: int = 0
    expected_loss: PairedSums = field(default_factory=PairedSums)
    scores: tuple[PairedSums, ...] = ()

    def __add__(self, other: "ArmCounts") -> "ArmCounts":
        longer, shorter = sorted((self.scores, other.scores), key=len, reverse=True)
        padded = (*shorter, *(PairedSums(),) * (len(longer) - len(shorter)))
        return ArmCounts(
            rows=self.rows + other.rows,
            failed=self.failed + other.failed,
            timed=self.timed + other.timed,
            slower=self.slower + other.slower,
            expected_loss=self.expected_loss + other.expected_loss,
            scores=tuple(one + another for one, another in zip(longer, padded, strict=True)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailFinding:
    """Evidence on one guardrail.

    Attributes:
        guardrail: Guardrail.
        verdict: What the evidence shows.
        rows: Number of rows, or of timed trials, behind it.
        value: Measured value in the unit of the limit; None without rows, and where it is not finite.
        limit: Limit.
    """

    guardrail: Guardrail
    verdict: Verdict
    rows: int
    value: float | None
    limit: float

    def __str__(self) -> str:
        name = self.guardrail.replace("_", " ")
        limit = _describe(self.guardrail, self.limit)
        if not self.rows:
            return f"{name}: nothing measured yet (limit {limit})"
        if self.guardrail is Guardrail.LATENCY:
            slower = f"slower than its limit in {self.value:.0%} of {self.rows:,} timed trials"
            return f"{name}: {slower} (limit {limit})"
        value = "no finite value" if self.value is None else _describe(self.guardrail, self.value)
        unit = " standard deviations" if self.guardrail is Guardrail.SHIFT else ""
        return f"{name}: {value}{unit} (limit {limit}) on {self.rows:,} rows"


def judge_guardrails(
    ramp: Ramp, loss: PairedSums, counts: ArmCounts, design_effect: float = 1.0
) -> list[GuardrailFinding]:
    """Judge all guardrails.

    The error rate is divided among the guardrails for a breach. That a guardrail holds is tested at the full
    rate, since all must hold at once (intersection-union test, Berger 1982).

    Args:
        ramp: Limits and error rate.
        loss: Losses on labelled rows that both versions have scored.
        counts: Measurements of the servers.
        design_effect: Variance of a mean of one version relative to that of independent rows.
    """
    design_effect = compute_paired_effect(design_effect, ramp.shadow)
    return [
        _judge_growth(Guardrail.LOSS, loss, ramp.max_loss_growth, ramp, design_effect),
        _judge_growth(
            Guardrail.EXPECTED_LOSS, counts.expected_loss, ramp.max_expected_loss_growth, ramp, design_effect
        ),
        _judge_shift(counts.scores, ramp, design_effect),
        _judge_rate(
            Guardrail.FAILURES, Trials(trials=counts.rows, hits=counts.failed), ramp.max_failure_rate, ramp
        ),
        _judge_rate(
            Guardrail.LATENCY, Trials(trials=counts.timed, hits=counts.slower), MAX_SLOWER_RATE, ramp
        ),
    ]


def compute_paired_effect(design_effect: float, share: float) -> float:
    """Compute the design effect of differences between two versions, on a share (0–1) of the rows.

    Rows of a day have less in common in what two versions do differently than in what each does: the root
    lies above the effects that `benchmarks.rollout` measures. A sample of the rows of each day has a part of
    what the effect exceeds 1 by (Kish 1965: 1 + (rows - 1) * correlation).
    """
    return 1 + share * (math.sqrt(design_effect) - 1)


def _divide_error(ramp: Ramp) -> float:
    return ramp.error_rate / len(Guardrail)


def _judge_growth(
    guardrail: Guardrail, sums: PairedSums, limit: float, ramp: Ramp, design_effect: float
) -> GuardrailFinding:
    low, high = sums.compute_bounds(1 + limit, _divide_error(ramp), ramp.error_rate, design_effect)
    verdict = Verdict.BREACHED if low > 0 else Verdict.HOLDS if high <= 0 else Verdict.OPEN
    growth = sums.compute_growth()
    value = growth if math.isfinite(growth) else None
    return GuardrailFinding(guardrail=guardrail, verdict=verdict, rows=sums.rows, value=value, limit=limit)


def _judge_shift(scores: Sequence[PairedSums], ramp: Ramp, design_effect: float) -> GuardrailFinding:
    verdicts = [_judge_score(sums, len(scores), ramp, design_effect) for sums in scores]
    shifts = [shift for sums in scores if (shift := _compute_shift(sums)) is not None]
    worst = (Verdict.BREACHED, Verdict.OPEN, Verdict.HOLDS)
    return GuardrailFinding(
        guardrail=Guardrail.SHIFT,
        verdict=min(verdicts, key=worst.index, default=Verdict.OPEN),
        rows=scores[0].rows if scores else 0,
        value=max(shifts, key=abs, default=None),
        limit=ramp.max_shift,
    )


def _judge_score(sums: PairedSums, number: int, ramp: Ramp, design_effect: float) -> Verdict:
    # each of the scores may be shifted to two sides
    error, room = _divide_error(ramp) / (2 * number), ramp.max_shift * sums.compute_pooled_deviation()
    low, high = sums.compute_bounds(1.0, error, error, design_effect)
    if low > room or high < -room or low == math.inf:
        return Verdict.BREACHED
    low, high = sums.compute_bounds(1.0, ramp.error_rate, ramp.error_rate, design_effect)
    holds = math.isfinite(room) and -room <= low and high <= room
    return Verdict.HOLDS if holds else Verdict.OPEN


def _compute_shift(sums: PairedSums) -> float | None:
    deviation = sums.compute_pooled_deviation()
    shift = (sums.first - sums.second) / sums.rows / deviation if deviation else math.nan
    return shift if math.isfinite(shift) else None


def _judge_rate(guardrail: Guardrail, counts: Trials, limit: float, ramp: Ramp) -> GuardrailFinding:
    breached = compute_rate_evidence(counts, limit, above=True) >= 1 / _divide_error(ramp)
    holds = compute_rate_evidence(counts, limit, above=False) >= 1 / ramp.error_rate
    return GuardrailFinding(
        guardrail=guardrail,
        verdict=Verdict.BREACHED if breached else Verdict.HOLDS if holds else Verdict.OPEN,
        rows=counts.trials,
        value=counts.hits / counts.trials if counts.trials else None,
        limit=limit,
    )


def _describe(guardrail: Guardrail, value: float) -> str:
    formats = {Guardrail.SHIFT: "+.3f", Guardrail.LATENCY: ".0%", Guardrail.FAILURES: ".2%"}
    return format(value, formats.get(guardrail, "+.1%"))
