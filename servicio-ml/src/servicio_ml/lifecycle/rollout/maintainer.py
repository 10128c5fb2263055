"""Judges the evidence of rollouts and carries out what it decides, on one replica at a time."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.rollout.guardrails import judge_guardrails
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.rollout import Rollout, RolloutState
from servicio_ml.domain.rollout.transitions import (
    CHANGEABLE,
    PROGRAM,
    abort_superseded,
    confirm_promotion,
    confirm_rollback,
    judge_rollout,
)
from servicio_ml.errors import PromotionError, ServicioError
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.lifecycle.rollout.actions import build_evidence, change_rollout, record_rollout

logger = logging.getLogger(__name__)
READ_SHARE = 5
"""Interval between two evaluations, as a multiple of the time that one takes: the evidence grows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownChampion:
    """Champion of the registry, and when it was looked up, in seconds since 1970."""

    version: int
    checked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEvidence:
    """Losses on labelled rows that both versions have scored.

    Attributes:
        sums: Losses of challenger and champion.
        design_effect: Variance of a mean relative to that of independent rows.
    """

    sums: PairedSums
    design_effect: float = 1.0


ReadLosses = Callable[[Rollout, float], LossEvidence]
"""Reads the losses of a rollout until a time from the prediction log; raises `ServicioError`."""


class RolloutMaintainer:
    """Judges rollouts and moves champions for them.

    Args:
        plans: Store of the traffic plans.
        history: Moves champions and keeps the records.
        read_losses: Reads the evidence on the loss.
        clock: Returns the time in seconds since 1970.
        judge_seconds: Minimum time between two evaluations.
        lead_seconds: Time in which all replicas hear of a new step.
    """

    def __init__(
        self,
        plans: TrafficPlanStore,
        history: ModelHistoryReader,
        read_losses: ReadLosses,
        clock: Clock,
        *,
        judge_seconds: float,
        lead_seconds: float,
    ) -> None:
        self._plans, self._history, self._read_losses, self._clock = plans, history, read_losses, clock
        self._min_judge_seconds, self._lead_seconds = judge_seconds, lead_seconds
        self._judge_seconds: dict[str, float] = {}

    def maintain(self, model: str, champion: KnownChampion) -> None:
        """Take the next action of the newest rollout of a model, if there is one to take.

        Whatever cannot be reached now is tried at the next call.
        """
        try:
            rollout = next(iter(self._plans.load(model)), None)
            if not isinstance(rollout, Rollout):
                return
            if not rollout.has_ended:
                rollout = self._take_action(rollout, champion)
            record_rollout(self._plans, rollout, self._history)
        except PromotionError as error:
            # another replica has moved the champion, or is about to
            logger.info("the champion of %s is left to another replica: %s", model, error)
        except ServicioError as error:
            logger.warning("the rollout of %s waits: %s", model, error)

    def _take_action(self, rollout: Rollout, champion: KnownChampion) -> Rollout:
        if self._is_changed_outside(rollout, champion):
            return self._change(
                rollout, lambda newest: abort_superseded(newest, champion.version, self._clock())
            )
        if rollout.state is RolloutState.PROMOTING:
            return self._promote(rollout, champion)
        if rollout.state is RolloutState.ROLLING_BACK:
            return self._restore(rollout, champion)
        interval = max(self._min_judge_seconds, self._judge_seconds.get(rollout.model, 0.0))
        # a time in the future is of a replica whose clock is ahead
        if 0 <= self._clock() - rollout.judged_at < interval:
            return rollout
        return self._judge(rollout)

    def _is_changed_outside(self, rollout: Rollout, champion: KnownChampion) -> bool:
        if champion.checked_at <= rollout.started_at:
            return False
        if champion.version not in {rollout.champion, rollout.challenger}:
            return True
        if rollout.state is RolloutState.WATCHING:
            # what was looked up before the alias moved, or a little later by another clock, is no evidence
            is_known = champion.checked_at > rollout.since + self._lead_seconds
            return is_known and champion.version == rollout.champion
        return rollout.state in CHANGEABLE and champion.version == rollout.challenger

    def _promote(self, rollout: Rollout, champion: KnownChampion) -> Rollout:
        if champion.version != rollout.challenger:
            self._set_champion(rollout, rollout.challenger, rollout.champion)
        return self._change(rollout, lambda newest: confirm_promotion(newest, self._clock()))

    def _restore(self, rollout: Rollout, champion: KnownChampion) -> Rollout:
        if champion.version != rollout.champion:
            self._set_champion(rollout, rollout.champion, rollout.challenger)
            return rollout
        # the shares of the rollout hold until all replicas have read the registry
        if self._clock() < rollout.events[-1].at + self._lead_seconds:
            return rollout
        return self._change(rollout, lambda newest: confirm_rollback(newest, self._clock()))

    def _set_champion(self, rollout: Rollout, version: int, instead_of: int) -> None:
        reason = f"rollout: {rollout.events[-1].reason}"
        evidence = build_evidence(rollout)
        self._history.set_champion(rollout.model, version, reason, PROGRAM, instead_of, evidence)

    def _judge(self, rollout: Rollout) -> Rollout:
        started, judged_at = self._clock(), rollout.judged_at

        def claim(newest: Rollout) -> Rollout:
            return replace(newest, judged_at=started) if newest.judged_at == judged_at else newest

        # claimed first: one process reads the evidence, which may take seconds
        claimed = self._change(rollout, claim)
        if claimed.judged_at != started:
            return claimed
        losses = self._read_losses(rollout, started)
        counts = self._plans.sum_counts(rollout.model, rollout.evidence_id)
        findings = judge_guardrails(rollout.ramp, losses.sums, counts, losses.design_effect)
        now = self._clock()
        self._judge_seconds[rollout.model] = READ_SHARE * (now - started)
        return self._change(
            claimed, lambda newest: judge_rollout(newest, findings, counts.rows, now, self._lead_seconds)
        )

    def _change(self, seen: Rollout, transition: Callable[[Rollout], Rollout]) -> Rollout:
        """Change a rollout that is in the state in which it was seen; else leave it as it is."""

        def change(newest: Rollout) -> Rollout:
            if (newest.id, newest.events) != (seen.id, seen.events):
                return newest
            changed = transition(newest)
            if len(changed.events) > len(newest.events):
                last = changed.events[-1]
                logger.info("rollout of %s: %s: %s", seen.model, last.state, last.reason)
            return changed

        return change_rollout(self._plans, seen.model, change)
