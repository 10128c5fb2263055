"""Simulated rollouts: real answers in a stream, judged by the real rules after every batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.rollout.contenders import Array, Version

from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.domain.rollout.guardrails import ArmCounts, Verdict, judge_guardrails
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import SWITCHED, Rollout, RolloutState
from servicio_ml.domain.rollout.transitions import (
    confirm_promotion,
    confirm_rollback,
    judge_rollout,
    start_rollout,
)

CHAMPION, CHALLENGER = 1, 2
LEAD_SECONDS = 60.0
BLOCK_BATCHES = 48
"""Number of batches whose rows are drawn at once."""
COLUMNS = 5
"""Number of the sums of `PairedSums` besides the rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Traffic of a model.

    Attributes:
        rows_per_hour: Number of rows an hour.
        batch: Number of rows between two evaluations.
        label_hours: Time from a row to its label.
        in_order: Whether the rows come in their order from a random one on; else each is drawn at random.
    """

    rows_per_hour: float
    batch: int
    label_hours: float
    in_order: bool

    @property
    def batch_hours(self) -> float:
        return self.batch / self.rows_per_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is rolled out how.

    Attributes:
        pairs: Challenger and champion; a run takes one of the pairs by chance.
        ramp: Ramp.
        traffic: Traffic.
        design_effect: Variance of a mean of one version relative to that of independent rows.
        failure_rate: Share of rows (0–1) that the challenger fails to score.
        slower_rate: Share of the timed trials (0–1) that take longer than the limit.
    """

    pairs: Sequence[tuple[Version, Version]]
    ramp: Ramp
    traffic: Traffic
    design_effect: float
    failure_rate: float
    slower_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: Last state.
        has_switched: Whether the challenger became champion.
        hours: Time from the start to the rollback, to 100 % of the clients, or to the end.
        rows: Number of rows that the challenger had scored by then.
        breaches: Guardrails in breach.
    """

    state: RolloutState
    has_switched: bool
    hours: float
    rows: int
    breaches: tuple[str, ...]


def build_columns(challenger: Version, champion: Version) -> Array:
    """Build what `PairedSums` sums of each row, `[n, 15]`: losses, expected losses and scores."""
    sides = (
        (challenger.losses, champion.losses),
        (challenger.expected, champion.expected),
        (challenger.scores, champion.scores),
    )
    return np.stack([each for a, b in sides for each in (a, b, a * a, b * b, a * b)], axis=1)


def draw_sums(rng: np.random.Generator, columns: Array, traffic: Traffic, shadow: float) -> Iterator[Array]:
    """Draw the rows of each batch that both versions score, and yield their number and sums up to there."""
    total, position = np.zeros(columns.shape[1] + 1), int(rng.integers(len(columns)))
    while True:
        chosen = np.flatnonzero(rng.random(BLOCK_BATCHES * traffic.batch) < shadow)
        numbers = np.bincount(chosen // traffic.batch, minlength=BLOCK_BATCHES)
        rows = position + chosen if traffic.in_order else rng.integers(len(columns), size=len(chosen))
        position += BLOCK_BATCHES * traffic.batch
        sums = np.vstack([np.zeros(columns.shape[1]), columns[rows % len(columns)].cumsum(axis=0)])
        ends = numbers.cumsum()
        for end in ends:
            yield total + np.append(end, sums[end])
        total = total + np.append(ends[-1], sums[-1])


def build_sums(values: Array) -> tuple[PairedSums, ...]:
    """Build the sums of the losses, the expected losses and the scores."""
    rows, rest = int(values[0]), values[1:].tolist()
    return tuple(
        PairedSums(
            rows=rows, first=a, second=b, first_squares=c, second_squares=d, products=e
        )
        for a, b, c, d, e in (rest[i : i + COLUMNS] for i in range(0, len(rest), COLUMNS))
    )  # fmt: skip


def run_rollout(setting: Setting, columns: Sequence[Array], seed: int) -> Outcome:
    """Simulate one rollout to its end.

    Args:
        setting: What is rolled out how.
        columns: Columns of each of the setting's pairs.
        seed: Seed of the run.
    """
    rng = np.random.default_rng(seed)
    chosen, traffic = columns[int(rng.integers(len(columns)))], setting.traffic
    delay = round(traffic.label_hours / traffic.batch_hours)
    rollout = start_rollout("model", "run", (CHAMPION, CHALLENGER), setting.ramp, "benchmark", 0.0)
    counts, seen = ArmCounts(), [np.zeros(chosen.shape[1] + 1)]
    switched: tuple[float, int] | None = None
    for values in draw_sums(rng, chosen, traffic, setting.ramp.shadow):
        seen.append(values)
        now = (len(seen) - 1) * traffic.batch_hours * SECONDS_PER_HOUR
        timed = int(values[0] - seen[-2][0])
        counts += draw_counts(rng, setting, rollout, now, timed)
        loss = build_sums(seen[max(len(seen) - 1 - delay, 0)])[0]
        rollout = take_decision(setting, rollout, loss, add_sums(counts, values), now)
        if switched is None and rollout.state in SWITCHED | {RolloutState.FINISHED}:
            switched = now / SECONDS_PER_HOUR, counts.rows
        if rollout.has_ended:
            break
    return build_outcome(rollout, now, counts.rows, switched)


def draw_counts(
    rng: np.random.Generator, setting: Setting, rollout: Rollout, now: float, timed: int
) -> ArmCounts:
    """Draw what the challenger scores, fails to score, and scores too slowly in a batch."""
    share = 1.0 if rollout.state in SWITCHED else rollout.traffic.get_shares(now)[CHALLENGER]
    answered = rng.binomial(setting.traffic.batch, share)
    rows = answered + rng.binomial(setting.traffic.batch - answered, setting.ramp.shadow)
    return ArmCounts(
        rows=int(rows), failed=int(rng.binomial(rows, setting.failure_rate)), timed=timed,
        slower=int(rng.binomial(timed, setting.slower_rate)),
    )  # fmt: skip


def add_sums(counts: ArmCounts, values: Array) -> ArmCounts:
    _, expected, scores = build_sums(values)
    return counts + ArmCounts(expected_loss=expected, scores=(scores,))


def take_decision(
    setting: Setting, rollout: Rollout, loss: PairedSums, counts: ArmCounts, now: float
) -> Rollout:
    """Judge as the servers do, and carry out what was decided."""
    findings = judge_guardrails(rollout.ramp, loss, counts, setting.design_effect)
    judged = judge_rollout(rollout, findings, counts.rows, now, LEAD_SECONDS)
    if judged.state is RolloutState.PROMOTING:
        return confirm_promotion(judged, now)
    return confirm_rollback(judged, now) if judged.state is RolloutState.ROLLING_BACK else judged


def build_outcome(rollout: Rollout, now: float, rows: int, switched: tuple[float, int] | None) -> Outcome:
    hours = now / SECONDS_PER_HOUR
    if rollout.state is RolloutState.FINISHED and switched is not None:
        hours, rows = switched
    breaches = tuple(each.guardrail.value for each in rollout.findings if each.verdict is Verdict.BREACHED)
    return Outcome(
        state=rollout.state, has_switched=switched is not None, hours=hours, rows=rows, breaches=breaches
    )
