"""Rollouts of a model: begin, change, and record in the history."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import ROLLOUT, Recorded, Rollout, RolloutState
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan
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
        RolloutError: The model has a rollout that is not over, or the challenger is the champion.
        LogError: The store cannot be reached.
    """
    rollout = start_rollout(model, secrets.token_hex(ID_BYTES), versions, ramp, by, now)

    def add(newest: TrafficPlan | None) -> TrafficPlan:
        if newest is not None and not newest.has_ended:
            state = newest.state.replace("_", " ")
            problem = (
                f"the rollout of version {newest.challenger} is {state}; wait for its end, or end it: "
                f"servicio-ml rollout {model} abort"
            )
            raise RolloutError(model, problem)
        return rollout

    return plans.change(model, add)


def change_rollout(plans: TrafficPlanStore, model: str, transition: Callable[[Rollout], Rollout]) -> Rollout:
    """Change the newest rollout of a model.

    Raises:
        RolloutError: The model never had one, or its state does not allow the change.
        LogError: The store cannot be reached.
    """

    def change(newest: TrafficPlan | None) -> TrafficPlan:
        if newest is None:
            raise RolloutError(model, f"it has no rollout; begin one: servicio-ml rollout {model} start")
        return transition(newest)

    return plans.change(model, change)


def refuse_during_rollout(plans: TrafficPlanStore, model: str) -> None:
    """Refuse shares that are set by hand while a rollout sets them.

    Raises:
        RolloutError: The model has a rollout that is not over.
        LogError: The store cannot be reached.
    """
    for rollout in plans.load(model):
        if not rollout.has_ended:
            problem = (
                f"the rollout of version {rollout.challenger} sets the traffic; wait for its end, or end it: "
                f"servicio-ml rollout {model} abort"
            )
            raise RolloutError(model, problem)


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
        # a newer rollout may have started meanwhile
        found = newest if newest is not None and newest.id == rollout.id else None
        return replace(found, recorded=recorded) if found else newest or rollout

    changed = plans.change(rollout.model, mark)
    return changed if changed.id == rollout.id else replace(rollout, recorded=recorded)
