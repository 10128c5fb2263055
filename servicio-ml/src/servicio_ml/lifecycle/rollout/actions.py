"""Rollouts of a model: begin, change, and record in the history."""

import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.ramp import Ramp, build_ramp
from servicio_ml.domain.rollout.rollout import ROLLOUT, Recorded, Rollout, RolloutState
from servicio_ml.domain.rollout.traffic_plan import TrafficPlan, refuse_running
from servicio_ml.domain.rollout.transitions import start_rollout
from servicio_ml.errors import RolloutError, ServicioError
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
        RolloutError: A rollout or an experiment is not over, or the challenger is the champion.
        LogError: The store cannot be reached.
    """
    rollout = start_rollout(model, secrets.token_hex(ID_BYTES), versions, ramp, by, now)

    def add(newest: TrafficPlan | None) -> Rollout:
        refuse_running(newest)
        return rollout

    return plans.change(model, add)


def begin_decided_rollout(plans: TrafficPlanStore, record: DecisionRecord, now: float) -> Rollout:
    """Begin the rollout that a promotion decision starts, unless it has started already.

    Args:
        plans: Store of the traffic plans.
        record: Record of the decision, with the ramp in the policy of its evidence.
        now: Time in seconds since 1970.

    Raises:
        RolloutError: The model has another rollout or an experiment that is not over, or no champion.
        LogError: The store cannot be reached.
    """
    champion, model = record.champion, record.use_case
    if champion is None:
        raise RolloutError(model, f"version {record.challenger} has no champion to replace; judge it again")
    versions, ramp = (champion, record.challenger), build_ramp(record.evidence["policy"]["rollout"])
    # named by the decision: applied twice, the decision still begins one rollout
    identifier = blake2b(f"{record.challenger} {record.at!r}".encode(), digest_size=ID_BYTES).hexdigest()
    started = start_rollout(model, identifier, versions, ramp, record.by, now)
    rollout = replace(started, recorded=Recorded.START)

    def add(newest: TrafficPlan | None) -> Rollout:
        if isinstance(newest, Rollout) and _has_started(newest, rollout):
            return newest
        refuse_running(newest)
        return rollout

    return plans.change(model, add)


def _has_started(newest: Rollout, wanted: Rollout) -> bool:
    versions = newest.champion, newest.challenger
    is_running = not newest.has_ended and versions == (wanted.champion, wanted.challenger)
    return newest.id == wanted.id or is_running


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


def record_rollout(plans: TrafficPlanStore, rollout: Rollout, history: ModelHistoryReader) -> None:
    """Record the start of a rollout, and an end without a new champion, in the history of the model.

    What is recorded already is left out. A promotion and a rollback are recorded when the alias moves.

    Raises:
        ServicioError: The history or the store cannot be reached.
    """
    for recorded, decision in _list_unrecorded(rollout):
        # marked first, so that of all processes that see the change one records it
        before = Recorded(recorded - 1)
        if not _mark(plans, rollout, before, recorded):
            continue
        try:
            if decision is not None:
                history.record_rollout(_build_record(rollout, decision))
        except ServicioError:
            _mark(plans, rollout, recorded, before)
            raise


def _list_unrecorded(rollout: Rollout) -> Iterator[tuple[Recorded, PromotionDecision | None]]:
    """List what is not in the history yet, with the decision that says so where there is one."""
    if rollout.recorded < Recorded.START:
        yield Recorded.START, PromotionDecision.ROLLOUT_STARTED
    if rollout.has_ended and rollout.recorded < Recorded.END:
        moved = any(event.state is RolloutState.WATCHING for event in rollout.events)
        is_rejected = not moved and rollout.state is not RolloutState.FINISHED
        yield Recorded.END, PromotionDecision.REJECTED if is_rejected else None


def build_evidence(rollout: Rollout) -> Mapping[str, Any]:
    """Build the evidence of a decision that a rollout makes."""
    return {ROLLOUT: rollout.to_json()}


def _build_record(rollout: Rollout, decision: PromotionDecision) -> DecisionRecord:
    event = rollout.events[0 if decision is PromotionDecision.ROLLOUT_STARTED else -1]
    return DecisionRecord(
        use_case=rollout.model, decision=decision, reason=event.reason, challenger=rollout.challenger,
        champion=rollout.champion, by=event.by, at=event.at, evidence=build_evidence(rollout),
    )  # fmt: skip


def _mark(plans: TrafficPlanStore, rollout: Rollout, before: Recorded, after: Recorded) -> bool:
    """Mark what of a rollout is recorded, unless another process has done so; return whether to record it."""
    is_ours = False

    def mark(newest: TrafficPlan | None) -> TrafficPlan:
        nonlocal is_ours
        # a newer one has started meanwhile: nobody else looks at this one any more
        if not isinstance(newest, Rollout) or newest.id != rollout.id:
            is_ours = True
            return newest or rollout
        is_ours = newest.recorded is before
        return replace(newest, recorded=after) if is_ours else newest

    plans.change(rollout.model, mark)
    return is_ours
