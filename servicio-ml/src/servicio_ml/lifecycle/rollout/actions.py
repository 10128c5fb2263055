"""Rollouts of a model: begin, change, and record in the history."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import ROLLOUT, Recorded, Rollout, RolloutState
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan, refuse_running
from servicio_ml.domain.rollout.transitions import start_rollout
from servicio_ml.errors import RolloutError
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader

ID_BYTES = 6


def begin_rollout(
    plans: TrafficPlanStore, model: str, versions: tuple[int, int], ramp: Ramp, by: str, now: float
) -> Rollout:
    """Begin a rollout; every server that reads the store takes part.

    Args:
        plans: Store of the traffic plans.
        model: Name of the model.
        versions: Champion and challenger.
        ramp: Steps, limits and deadlines.
        by: Name of the person or program that begins it.
        now: Time in seconds since 1970.

    Raises:
        RolloutError: The model has a rollout or an experiment that is not over, or the
            challenger is the champion.
        LogError: The store cannot be reached.
    """
    rollout = start_rollout(model, secrets.token_hex(ID_BYTES), versions, ramp, by, now)

    def add(newest: TrafficPlan | None) -> Rollout:
        refuse_running(newest)
        return rollout

    return plans.change(model, add)


def list_rollouts(plans: TrafficPlanStore, model: str, limit: int) -> list[Rollout]:
    """List the rollouts of a model, the newest first.

    Raises:
        LogError: The store cannot be reached.
    """
    return [each for each in plans.load(model, limit, ROLLOUT) if isinstance(each, Rollout)]


def change_rollout(plans: TrafficPlanStore, model: str, transition: Callable[[Rollout], Rollout]) -> Rollout:
    """Change the newest rollout of a model.

    Raises:
        RolloutError: The model never had one, or its state does not allow the change.
        LogError: The store cannot be reached.
    """

    def change(newest: TrafficPlan | None) -> Rollout:
        if not isinstance(newest, Rollout):
            found = "no rollout" if newest is None else "an experiment, and no rollout since"
            raise RolloutError(model, f"it has {found}; begin one: servicio-ml rollout {model} start")
        return transition(newest)

    return plans.change(model, change)


def refuse_running_plan(plans: TrafficPlanStore, model: str) -> None:
    """Refuse shares that are set by hand while a rollout or an experiment sets them.

    Raises:
        RolloutError: The model has one that is not over.
        LogError: The store cannot be reached.
    """
    for plan in plans.load(model):
        refuse_running(plan)


def record_rollout(plans: TrafficPlanStore, rollout: Rollout, history: ModelHistoryReader) -> Rollout:
    """Record the start of a rollout, and an end without a new champion, in the history of the model.

    What is recorded already is left out. A promotion and a rollback are recorded when the alias moves.

    Raises:
        ServicioError: The history or the store cannot be reached.
    """
    first = rollout.events[0]
    if rollout.recorded < Recorded.START:
        history.record_rollout(_build_record(rollout, PromotionDecision.ROLLOUT_STARTED, first.reason))
        rollout = _mark(plans, rollout, Recorded.START)
    if rollout.has_ended and rollout.recorded < Recorded.END:
        if not any(event.state is RolloutState.WATCHING for event in rollout.events) and (
            rollout.state is not RolloutState.FINISHED
        ):
            last = rollout.events[-1]
            history.record_rollout(_build_record(rollout, PromotionDecision.REJECTED, last.reason))
        rollout = _mark(plans, rollout, Recorded.END)
    return rollout


def build_evidence(rollout: Rollout) -> Mapping[str, Any]:
    """Build the evidence of a decision that a rollout makes."""
    return {ROLLOUT: rollout.to_json()}


def _build_record(rollout: Rollout, decision: PromotionDecision, reason: str) -> DecisionRecord:
    event = rollout.events[0 if decision is PromotionDecision.ROLLOUT_STARTED else -1]
    return DecisionRecord(
        use_case=rollout.model, decision=decision, reason=reason, challenger=rollout.challenger,
        champion=rollout.champion, by=event.by, at=event.at, evidence=build_evidence(rollout),
    )  # fmt: skip


def _mark(plans: TrafficPlanStore, rollout: Rollout, recorded: Recorded) -> Rollout:
    def mark(newest: TrafficPlan | None) -> TrafficPlan:
        if isinstance(newest, Rollout) and newest.id == rollout.id:
            return replace(newest, recorded=recorded)
        # a newer plan has started meanwhile
        return newest or rollout

    changed = plans.change(rollout.model, mark)
    return (
        changed
        if isinstance(changed, Rollout) and changed.id == rollout.id
        else replace(rollout, recorded=recorded)
    )
