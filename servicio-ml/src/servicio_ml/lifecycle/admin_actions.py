"""Actions of administrators: roll back, or make a version champion without an evaluation."""

from collections.abc import Mapping, Sequence
from typing import Any

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.promotion import (
    CHAMPION,
    MOVES,
    NO_EVIDENCE,
    ChampionTenure,
    DecisionRecord,
    PromotionDecision,
)
from servicio_ml.errors import NoSuchModelError, PromotionError
from servicio_ml.lifecycle.decision_history import SET_OUTSIDE, list_tenures
from servicio_ml.lifecycle.decisions import (
    OPEN,
    STEP,
    DecisionContext,
    apply_held_decision,
    build_record_from_tags,
    count_decision,
    write_decision,
)


def rollback(model: str, to: int | None, context: DecisionContext) -> DecisionRecord:
    """Make an earlier version champion again.

    Args:
        model: Name of the model.
        to: Version to restore; None restores the champion before the present one.
        context: Ports and the deciding person.

    Raises:
        NoSuchModelError: The version does not exist, or there was no earlier champion.
        PromotionError: The version is the champion already.
    """
    with context.hold_champion(model):
        champion = context.registry.resolve(model, CHAMPION)
        if champion is None:
            raise NoSuchModelError(model, "champion", f"run `servicio-ml promote {model}` first")
        _record_move(model, champion.version, context)
        version = to if to is not None else _get_previous_champion(model, champion.version, context.tracker)
        reason = f"from version {champion.version}"
        return _move_alias(model, champion, version, PromotionDecision.ROLLED_BACK, reason, context)


def set_champion(
    model: str,
    version: int,
    reason: str,
    context: DecisionContext,
    instead_of: int | None = None,
    evidence: Mapping[str, Any] = NO_EVIDENCE,
) -> DecisionRecord:
    """Make a version champion: a roll-back if it was champion before, else a promotion.

    A decision that a killed process applied without ending its run is closed first; if it is the same
    decision, nothing else happens. A move in MLflow itself is recorded first.

    Args:
        model: Name of the model.
        version: New champion.
        reason: Explanation by the administrator.
        context: Ports and the deciding person.
        instead_of: Champion that the administrator knows of; None accepts any.
        evidence: Evidence to record.

    Raises:
        NoSuchModelError: The version does not exist.
        PromotionError: The version is the champion already, the champion is not the expected one, or another
            process moves it.
    """
    with context.hold_champion(model):
        return _set_held_champion(model, version, reason, context, instead_of, evidence)


def record_outside_move(model: str, context: DecisionContext) -> DecisionRecord | None:
    """Record that the alias was moved in MLflow itself; None where a decision named the champion.

    Raises:
        PromotionError: Another process moves it.
    """
    champion = context.registry.resolve(model, CHAMPION)
    if champion is None or _is_newest(list_tenures(model, context.tracker), champion.version):
        return None
    # looked up again: what moves it now has no finished decision yet
    with context.hold_champion(model):
        champion = context.registry.resolve(model, CHAMPION)
        return _record_move(model, champion.version, context) if champion else None


def _set_held_champion(
    model: str,
    version: int,
    reason: str,
    context: DecisionContext,
    instead_of: int | None,
    evidence: Mapping[str, Any],
) -> DecisionRecord:
    champion = context.registry.resolve(model, CHAMPION)
    now = champion.version if champion else None
    found = _record_move(model, now, context) if now is not None else None
    if found is not None and found.decision is not PromotionDecision.SET_OUTSIDE and now == version:
        return found
    # the new version itself is allowed: as champion already, it is refused with a message of its own
    if instead_of is not None and now not in {instead_of, version}:
        raise _build_changed_error(model, now, instead_of)
    was_champion = any(each.version == version for each in list_tenures(model, context.tracker))
    decision = PromotionDecision.ROLLED_BACK if was_champion else PromotionDecision.PROMOTED
    return _move_alias(model, champion, version, decision, reason, context, evidence)


def _build_changed_error(model: str, champion: int | None, expected: int) -> PromotionError:
    present = "no version" if champion is None else f"version {champion}"
    problem = f"{present} is champion, not version {expected}: refresh, then decide again"
    return PromotionError(model, problem)


def _move_alias(
    model: str,
    champion: ModelVersion | None,
    version: int,
    decision: PromotionDecision,
    reason: str,
    context: DecisionContext,
    evidence: Mapping[str, Any] = NO_EVIDENCE,
) -> DecisionRecord:
    if champion is not None and version == champion.version:
        problem = f"version {version} is the champion already; see `servicio-ml history {model}`"
        raise PromotionError(model, problem)
    # raises for a version that does not exist, before a record about it is written
    context.registry.get_version(model, version)
    record = DecisionRecord(
        use_case=model, decision=decision, reason=reason, challenger=version,
        champion=champion.version if champion else None, by=context.by, at=context.clock(), evidence=evidence,
    )  # fmt: skip
    return apply_held_decision(model, write_decision(record, context).run_id, context)


def _record_move(model: str, champion: int, context: DecisionContext) -> DecisionRecord | None:
    """Record how a version became champion: by a process that was killed since, or in MLflow."""
    tenures = list_tenures(model, context.tracker)
    if _is_newest(tenures, champion):
        return None
    closed = _close_interrupted_decision(model, champion, context)
    if closed is not None:
        return closed
    record = DecisionRecord(
        use_case=model, decision=PromotionDecision.SET_OUTSIDE, reason=SET_OUTSIDE, challenger=champion,
        champion=tenures[0].version if tenures else None, by="unknown", at=context.clock(),
    )  # fmt: skip
    return apply_held_decision(model, write_decision(record, context).run_id, context)


def _is_newest(tenures: Sequence[ChampionTenure], champion: int) -> bool:
    return bool(tenures) and tenures[0].version == champion


def _close_interrupted_decision(model: str, champion: int, context: DecisionContext) -> DecisionRecord | None:
    """End the run of the decision that made a version champion, if its process was killed before that."""
    for run in context.tracker.find_runs(model, {"step": STEP, "challenger": str(champion)}):
        record = build_record_from_tags(model, run)
        if run.status == OPEN and record.decision in MOVES:
            with context.tracker.open_run(model, "", resume=run.id):
                count_decision(record, context)
            return record
    return None


def _get_previous_champion(model: str, present: int, tracker: Tracker) -> int:
    for tenure in list_tenures(model, tracker):
        if tenure.version != present:
            return tenure.version
    raise NoSuchModelError(model, "earlier champion", "name a version: --to VERSION")
