"""Transitions of a rollout: what people ask for, and what evidence decides, without side effects."""

from collections.abc import Sequence
from dataclasses import replace

from servicio_ml.domain.retraining import SECONDS_PER_HOUR
from servicio_ml.domain.rollout.guardrails import Guardrail, GuardrailFinding, Verdict
from servicio_ml.domain.rollout.ramp import Ramp, Undecided
from servicio_ml.domain.rollout.rollout import Rollout, RolloutEvent, RolloutState
from servicio_ml.errors import RolloutError

PROGRAM = "rollout"
"""Name of the program in events and decision records."""
CHANGEABLE = frozenset({RolloutState.RAMPING, RolloutState.PAUSED})


def start_rollout(
    model: str, identifier: str, versions: tuple[int, int], ramp: Ramp, by: str, now: float
) -> Rollout:
    """Start a rollout with the challenger in shadow.

    Args:
        model: Name of the model.
        identifier: Identifier, unique for the model.
        versions: Champion and challenger.
        ramp: Steps, limits and deadlines.
        by: Name of the person or program that starts it.
        now: Time in seconds since 1970.

    Raises:
        RolloutError: The challenger is the champion.
    """
    champion, challenger = versions
    if champion == challenger:
        raise RolloutError(model, f"version {challenger} is the champion already; nothing to roll out")
    rollout = Rollout(
        id=identifier, model=model, champion=champion, challenger=challenger, ramp=ramp,
        state=RolloutState.RAMPING, step=0, since=now, started_at=now,
    )  # fmt: skip
    reason = f"version {challenger} scores {_show(ramp.shadow)} of the rows in shadow"
    return _enter(rollout, RolloutState.RAMPING, reason, by, now)


def pause_rollout(rollout: Rollout, by: str, now: float, reason: str = "") -> Rollout:
    """Stay at the present share until the rollout is resumed; a breach still ends it.

    Raises:
        RolloutError: The rollout is not ramping.
    """
    _require(rollout, {RolloutState.RAMPING}, "paused")
    done = _join_reason(f"paused at {_show(rollout.share)}", reason)
    return _enter(rollout, RolloutState.PAUSED, done, by, now)


def resume_rollout(rollout: Rollout, by: str, now: float, reason: str = "") -> Rollout:
    """Go on with the present step, whose maximum time begins anew.

    Raises:
        RolloutError: The rollout is not paused.
    """
    _require(rollout, {RolloutState.PAUSED}, "resumed")
    # the step applies already: with a later `since`, its clients would flip back until then
    resumed = replace(rollout, resumed_at=now)
    done = _join_reason(f"resumed at {_show(rollout.share)}", reason)
    return _enter(resumed, RolloutState.RAMPING, done, by, now)


def abort_rollout(rollout: Rollout, by: str, now: float, reason: str = "") -> Rollout:
    """End a rollout; its champion answers everything again.

    Raises:
        RolloutError: The rollout is over, or its challenger is champion already.
    """
    _require(rollout, CHANGEABLE, "aborted")
    return _enter(rollout, RolloutState.ABORTED, _join_reason("aborted", reason), by, now)


def _join_reason(done: str, reason: str) -> str:
    return f"{done}: {reason}" if reason else done


def judge_rollout(
    rollout: Rollout, findings: Sequence[GuardrailFinding], rows: int, now: float, lead_seconds: float
) -> Rollout:
    """Decide by evidence: roll back, go to the next step, end the watch, or wait.

    Args:
        rollout: Rollout.
        findings: Evidence of all guardrails.
        rows: Number of rows that the challenger has scored since the start.
        now: Time in seconds since 1970.
        lead_seconds: Time until a new step applies, in which all replicas hear of it.
    """
    judged = replace(rollout, findings=tuple(findings), judged_at=now)
    breaches = [each for each in findings if each.verdict is Verdict.BREACHED]
    watching = rollout.state is RolloutState.WATCHING
    if breaches and (watching or rollout.state in CHANGEABLE):
        state = RolloutState.ROLLING_BACK if watching else RolloutState.ROLLED_BACK
        return _enter(judged, state, "; ".join(map(str, breaches)), PROGRAM, now)
    # also a watch of no time lasts until all replicas have read the registry
    if watching and now >= max(rollout.deadline, rollout.since + lead_seconds):
        reason = f"{rollout.ramp.watch_hours:g} h watched without a breach"
        return _enter(judged, RolloutState.FINISHED, reason, PROGRAM, now)
    if rollout.state is RolloutState.RAMPING:
        return _judge_step(judged, rows, now, lead_seconds)
    return judged


def _judge_step(rollout: Rollout, rows: int, now: float, lead_seconds: float) -> Rollout:
    lacking = _list_lacking(rollout, rows, now)
    if not lacking:
        return _advance(rollout, "all guardrails hold", rows, now, lead_seconds)
    if now < rollout.deadline:
        return rollout
    reason = f"undecided after {rollout.ramp.max_hours:g} h: {'; '.join(lacking)}"
    if rollout.ramp.undecided is Undecided.ADVANCE:
        return _advance(rollout, reason, rows, now, lead_seconds)
    return _enter(rollout, RolloutState.ABORTED, reason, PROGRAM, now)


def _list_lacking(rollout: Rollout, rows: int, now: float) -> list[str]:
    """List what a step lacks before the next."""
    ramp, scored = rollout.ramp, rows - rollout.rows_before
    found = [
        str(each)
        for each in rollout.findings
        if each.verdict is not Verdict.HOLDS and _is_needed(each, needs_labels=ramp.needs_labels)
    ]
    if scored < ramp.min_rows:
        found.append(f"{scored:,} of {ramp.min_rows:,} rows in this step")
    if now < rollout.since + ramp.min_hours * SECONDS_PER_HOUR or now < rollout.since:
        found.append(f"{ramp.min_hours:g} h in this step")
    return found


def _is_needed(finding: GuardrailFinding, *, needs_labels: bool) -> bool:
    if finding.guardrail is Guardrail.LOSS:
        return needs_labels
    # a version without uncertainty expects no loss, and other classes have no common scores: the minimum
    # number of rows sees to it that what can be measured has been
    return finding.rows > 0 or finding.guardrail not in {Guardrail.EXPECTED_LOSS, Guardrail.SHIFT}


def _advance(rollout: Rollout, reason: str, rows: int, now: float, lead_seconds: float) -> Rollout:
    if rollout.step == len(rollout.ramp.steps):
        return _enter(rollout, RolloutState.PROMOTING, reason, PROGRAM, now)
    moved = replace(rollout, step=rollout.step + 1, since=now + lead_seconds, rows_before=rows)
    return _enter(moved, RolloutState.RAMPING, reason, PROGRAM, now)


def confirm_promotion(rollout: Rollout, now: float) -> Rollout:
    """Go on after the alias has moved to the challenger."""
    reason = f"version {rollout.challenger} is champion"
    return _enter(replace(rollout, since=now), RolloutState.WATCHING, reason, PROGRAM, now)


def confirm_rollback(rollout: Rollout, now: float) -> Rollout:
    """End a rollout after the alias has moved back to the former champion."""
    return _enter(
        rollout, RolloutState.ROLLED_BACK, f"version {rollout.champion} is champion again", PROGRAM, now
    )


def abort_superseded(rollout: Rollout, champion: int, now: float) -> Rollout:
    """End a rollout whose champion was changed by somebody else, be it to the challenger."""
    reason = f"version {champion} became champion by another decision"
    state = RolloutState.FINISHED if champion == rollout.challenger else RolloutState.ABORTED
    return _enter(rollout, state, reason, PROGRAM, now)


def _show(share: float) -> str:
    return f"{100 * share:g}%"


def _enter(rollout: Rollout, state: RolloutState, reason: str, by: str, now: float) -> Rollout:
    entered = replace(rollout, state=state)
    share = 1.0 if state in {RolloutState.WATCHING, RolloutState.FINISHED} else entered.share
    event = RolloutEvent(at=now, state=state, share=share, reason=reason, by=by)
    return replace(entered, events=(*rollout.events, event))


def _require(rollout: Rollout, states: frozenset[RolloutState] | set[RolloutState], wanted: str) -> None:
    if rollout.state not in states:
        allowed = " or ".join(sorted(states))
        state = rollout.state.replace("_", " ")
        problem = f"the rollout is {state}; only one that is {allowed} can be {wanted}"
        if rollout.state is RolloutState.WATCHING:
            problem += f"; put version {rollout.champion} back: servicio-ml rollback {rollout.model}"
        raise RolloutError(rollout.model, problem)
