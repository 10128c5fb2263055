"""Transitions of a rollout: each decision of people and of evidence, and each refusal."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from servicio_ml.domain.rollout.guardrails import Guardrail, GuardrailFinding, Verdict
from servicio_ml.domain.rollout.ramp import Ramp, Undecided
from servicio_ml.domain.rollout.rollout import ENDED, Rollout, RolloutState
from servicio_ml.domain.rollout.transitions import (
    abort_rollout,
    abort_superseded,
    confirm_promotion,
    confirm_rollback,
    judge_rollout,
    pause_rollout,
    resume_rollout,
    start_rollout,
)
from servicio_ml.errors import RolloutError

NOW, LEAD, HOUR = 1_600_000_000.0, 30.0, 3600.0
RAMP = Ramp(shadow=0.2, steps=(0.125, 1.0), min_rows=100, max_hours=10.0, watch_hours=5.0)


def build(state: RolloutState = RolloutState.RAMPING, step: int = 0, ramp: Ramp = RAMP) -> Rollout:
    return replace(start_rollout("rain", "a", (3, 4), ramp, "ann", NOW), state=state, step=step)


def find(verdict: Verdict, *others: tuple[Guardrail, Verdict]) -> Sequence[GuardrailFinding]:
    verdicts = dict.fromkeys(Guardrail, verdict) | dict(others)
    return [
        GuardrailFinding(guardrail=guardrail, verdict=each, rows=1000, value=0.07, limit=0.05)
        for guardrail, each in verdicts.items()
    ]


HOLDS, OPEN = find(Verdict.HOLDS), find(Verdict.OPEN)
BREACH = find(Verdict.HOLDS, (Guardrail.LOSS, Verdict.BREACHED))


def judge(
    rollout: Rollout, findings: Sequence[GuardrailFinding], rows: int = 100, hours: float = 1.0
) -> Rollout:
    return judge_rollout(rollout, findings, rows, NOW + hours * HOUR, LEAD)


def test_a_rollout_starts_in_shadow() -> None:
    rollout = build()
    assert (rollout.share, rollout.step, rollout.deadline) == (0, 0, NOW + 10 * HOUR)
    [event] = rollout.events
    assert (event.by, event.at, event.share, event.state) == ("ann", NOW, 0, RolloutState.RAMPING)
    assert event.reason == "version 4 scores 20% of the rows in shadow"
    assert rollout.traffic.get_shares(NOW) == {4: 0}
    assert rollout.traffic.shadow == 0.2


def test_a_champion_cannot_be_rolled_out() -> None:
    with pytest.raises(RolloutError, match="version 4 is the champion already; nothing to roll out"):
        start_rollout("rain", "a", (4, 4), RAMP, "ann", NOW)


def test_all_steps_are_taken_and_each_applies_after_its_lead() -> None:
    rollout = judge(build(), HOLDS)
    assert (rollout.step, rollout.share, rollout.state) == (1, 0.125, RolloutState.RAMPING)
    assert rollout.events[-1].reason == "all guardrails hold"
    assert rollout.events[-1].by == "rollout"
    begins = NOW + HOUR + LEAD
    assert rollout.since == begins
    assert rollout.traffic.get_shares(begins - 1) == {4: 0}
    assert rollout.traffic.get_shares(begins) == {4: 0.125}
    # a step that does not apply yet is not left
    assert judge_rollout(rollout, HOLDS, 1000, begins - 1, LEAD).step == 1
    rollout = judge(rollout, HOLDS, rows=200, hours=2)
    assert (rollout.step, rollout.share) == (2, 1)
    assert rollout.traffic.get_shares(rollout.since - 1) == {4: 0.125}
    rollout = judge(rollout, HOLDS, rows=300, hours=3)
    assert (rollout.state, rollout.share) == (RolloutState.PROMOTING, 1)
    # the alias is moved by whoever carries the decision out
    assert judge(rollout, HOLDS, rows=9999, hours=4).state is RolloutState.PROMOTING
    rollout = confirm_promotion(rollout, NOW + 4 * HOUR)
    assert (rollout.state, rollout.events[-1].reason) == (RolloutState.WATCHING, "version 4 is champion")
    assert rollout.events[-1].share == 1
    # the former champion scores in shadow
    assert rollout.traffic.get_shares(NOW + 5 * HOUR) == {3: 0}
    assert rollout.traffic.shadow == 0.2
    assert judge(rollout, HOLDS, hours=8.9).state is RolloutState.WATCHING
    rollout = judge(rollout, OPEN, hours=9)
    assert (rollout.state, rollout.has_ended) == (RolloutState.FINISHED, True)
    assert rollout.events[-1].reason == "5 h watched without a breach"
    assert rollout.traffic.get_shares(NOW + 10 * HOUR) == {}


def test_rows_count_from_the_step_on() -> None:
    rollout = judge(build(), HOLDS, rows=150)
    assert rollout.rows_before == 150
    assert judge(rollout, HOLDS, rows=249, hours=2).step == 1
    assert judge(rollout, HOLDS, rows=250, hours=2).step == 2


def test_a_step_lasts_its_minimum_time() -> None:
    rollout = build(ramp=replace(RAMP, min_hours=2.0))
    assert judge(rollout, HOLDS, hours=1.99).step == 0
    assert judge(rollout, HOLDS, hours=2).step == 1


def test_without_labels_a_step_waits_for_the_other_guardrails_only() -> None:
    unlabelled = find(Verdict.HOLDS, (Guardrail.LOSS, Verdict.OPEN))
    assert judge(build(), unlabelled).step == 0
    free = build(ramp=replace(RAMP, needs_labels=False))
    assert judge(free, unlabelled).step == 1
    assert judge(free, find(Verdict.HOLDS, (Guardrail.SHIFT, Verdict.OPEN))).step == 0
    assert judge(free, BREACH).state is RolloutState.ROLLED_BACK


@pytest.mark.parametrize("guardrail", list(Guardrail))
@pytest.mark.parametrize("state", [RolloutState.RAMPING, RolloutState.PAUSED])
@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_breach_ends_a_ramp_at_once(guardrail: Guardrail, state: RolloutState, step: int) -> None:
    findings = find(Verdict.HOLDS, (guardrail, Verdict.BREACHED))
    rollout = judge(build(state, step), findings, rows=0, hours=0)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert (rollout.share, rollout.events[-1].share) == (0, 0)
    assert rollout.events[-1].reason == str(next(each for each in findings if each.guardrail is guardrail))
    assert rollout.findings == tuple(findings)


def test_a_breach_in_the_watch_brings_the_former_champion_back() -> None:
    rollout = judge(build(RolloutState.WATCHING, 2), BREACH)
    assert rollout.state is RolloutState.ROLLING_BACK
    assert not rollout.has_ended
    assert rollout.events[-1].reason == "loss: +7.0% (limit +5.0%) on 1,000 rows"
    assert judge(rollout, BREACH, hours=2).state is RolloutState.ROLLING_BACK
    rollout = confirm_rollback(rollout, NOW + 2 * HOUR)
    assert rollout.state is RolloutState.ROLLED_BACK
    assert rollout.events[-1].reason == "version 3 is champion again"


def test_a_breach_at_the_end_of_the_watch_still_counts() -> None:
    assert judge(build(RolloutState.WATCHING, 2), BREACH, hours=500).state is RolloutState.ROLLING_BACK


def test_all_breaches_are_named() -> None:
    both = find(Verdict.HOLDS, (Guardrail.FAILURES, Verdict.BREACHED), (Guardrail.LATENCY, Verdict.BREACHED))
    reason = judge(build(), both).events[-1].reason
    assert reason == (
        "failures: 7.00% (limit 5.00%) on 1,000 rows; "
        "latency: slower than its limit in 7% of 1,000 timed trials (limit 5%)"
    )


def test_an_undecided_step_ends_the_rollout_and_says_what_it_lacks() -> None:
    open_loss = find(Verdict.HOLDS, (Guardrail.LOSS, Verdict.OPEN))
    assert judge(build(), open_loss, rows=7, hours=9.99).state is RolloutState.RAMPING
    rollout = judge(build(), open_loss, rows=7, hours=10)
    assert rollout.state is RolloutState.ABORTED
    assert rollout.events[-1].reason == (
        "undecided after 10 h: loss: +7.0% (limit +5.0%) on 1,000 rows; 7 of 100 rows in this step"
    )


def test_an_undecided_step_may_lead_to_the_next() -> None:
    rollout = build(ramp=replace(RAMP, undecided=Undecided.ADVANCE))
    for step in (1, 2):
        hours = 12.0 * step
        rollout = judge_rollout(rollout, OPEN, 0, NOW + hours * HOUR, LEAD)
        assert (rollout.step, rollout.state) == (step, RolloutState.RAMPING)
        assert rollout.events[-1].reason.startswith("undecided after 10 h: ")
    assert judge_rollout(rollout, OPEN, 0, NOW + 50 * HOUR, LEAD).state is RolloutState.PROMOTING
    assert judge_rollout(rollout, BREACH, 0, NOW + 50 * HOUR, LEAD).state is RolloutState.ROLLED_BACK


@pytest.mark.parametrize("state", [RolloutState.PAUSED, RolloutState.PROMOTING, *sorted(ENDED)])
def test_evidence_moves_no_other_state(state: RolloutState) -> None:
    rollout = build(state, 1)
    judged = judge(rollout, HOLDS, rows=1000, hours=1000)
    assert (judged.state, judged.step, judged.events) == (rollout.state, rollout.step, rollout.events)
    assert (judged.judged_at, judged.findings) == (NOW + 1000 * HOUR, tuple(HOLDS))


def test_a_clock_that_goes_back_decides_nothing() -> None:
    rollout = judge(build(), HOLDS)
    assert judge(rollout, HOLDS, rows=1000, hours=-5).step == 1
    undecided = judge(rollout, OPEN, hours=-5)
    assert (undecided.state, undecided.step) == (RolloutState.RAMPING, 1)
    assert judge(build(RolloutState.WATCHING, 2), HOLDS, hours=-5).state is RolloutState.WATCHING
    assert judge(rollout, BREACH, hours=-5).state is RolloutState.ROLLED_BACK


def test_without_a_watch_a_promotion_ends_when_all_replicas_know_it() -> None:
    promoted = confirm_promotion(build(RolloutState.PROMOTING, 2, replace(RAMP, watch_hours=0.0)), NOW)
    assert judge_rollout(promoted, (), 0, NOW + 1, 2.0).state is RolloutState.WATCHING
    assert judge_rollout(promoted, (), 0, NOW + 2, 2.0).state is RolloutState.FINISHED


def test_a_paused_rollout_stays_at_its_share() -> None:
    paused = pause_rollout(build(step=1), "bob", NOW + HOUR)
    assert (paused.state, paused.share) == (RolloutState.PAUSED, 0.125)
    assert (paused.events[-1].by, paused.events[-1].reason) == ("bob", "paused at 12.5%")
    assert judge(paused, HOLDS, rows=1000, hours=99).step == 1
    assert judge(paused, OPEN, hours=99).state is RolloutState.PAUSED


def test_a_resumed_rollout_has_its_maximum_time_anew() -> None:
    paused = pause_rollout(build(step=1), "bob", NOW + HOUR)
    resumed = resume_rollout(paused, "bob", NOW + 20 * HOUR)
    assert (resumed.state, resumed.events[-1].reason) == (RolloutState.RAMPING, "resumed at 12.5%")
    assert resumed.deadline == NOW + 30 * HOUR
    assert judge(resumed, OPEN, hours=29).state is RolloutState.RAMPING
    assert judge(resumed, OPEN, hours=30).state is RolloutState.ABORTED


def test_no_client_flips_back_while_a_rollout_is_paused_and_resumed() -> None:
    """A replica whose clock is behind must not fall back to the shares before the step."""
    rollout = judge(build(), HOLDS)
    paused = pause_rollout(rollout, "bob", NOW + 2 * HOUR)
    resumed = resume_rollout(paused, "bob", NOW + 3 * HOUR)
    for each in (rollout, paused, resumed):
        assert each.traffic.get_shares(NOW + 2 * HOUR) == {4: 0.125}


def test_a_step_that_is_paused_and_resumed_before_it_applies_keeps_its_time() -> None:
    rollout = judge(build(), HOLDS)
    early = NOW + HOUR + 1
    resumed = resume_rollout(pause_rollout(rollout, "bob", early), "bob", early)
    assert resumed.since == rollout.since
    assert resumed.deadline == rollout.deadline


def test_an_aborted_rollout_leaves_everything_to_its_champion() -> None:
    for state in (RolloutState.RAMPING, RolloutState.PAUSED):
        aborted = abort_rollout(build(state, 1), "bob", NOW, "too many complaints")
        assert (aborted.state, aborted.share, aborted.has_ended) == (RolloutState.ABORTED, 0, True)
        assert aborted.events[-1].reason == "aborted: too many complaints"
        assert aborted.events[-1].share == 0
        assert aborted.traffic.get_shares(NOW) == {}


def test_a_rollout_ends_when_somebody_else_changes_the_champion() -> None:
    rollout = abort_superseded(build(step=1), 9, NOW)
    assert rollout.state is RolloutState.ABORTED
    assert rollout.events[-1].reason == "version 9 became champion by another decision"


REFUSED: list[tuple[Callable[[Rollout, str, float], Rollout], str, set[RolloutState]]] = [
    (pause_rollout, "only one that is ramping can be paused", {RolloutState.RAMPING}),
    (resume_rollout, "only one that is paused can be resumed", {RolloutState.PAUSED}),
    (
        abort_rollout,
        "only one that is paused or ramping can be aborted",
        {RolloutState.RAMPING, RolloutState.PAUSED},
    ),
]


@pytest.mark.parametrize(("transition", "problem", "allowed"), REFUSED, ids=["pause", "resume", "abort"])
@pytest.mark.parametrize("state", list(RolloutState))
def test_a_transition_is_refused_in_every_other_state(
    state: RolloutState,
    transition: Callable[[Rollout, str, float], Rollout],
    problem: str,
    allowed: set[RolloutState],
) -> None:
    rollout = build(state, 1)
    if state in allowed:
        assert len(transition(rollout, "bob", NOW).events) == 2
        return
    with pytest.raises(RolloutError, match=f"the rollout is {state.replace('_', ' ')}; {problem}"):
        transition(rollout, "bob", NOW)


def test_a_share_is_written_as_it_is() -> None:
    ramp = replace(RAMP, steps=(0.001, 0.07, 1.0), shadow=0.005)
    assert build(ramp=ramp).events[0].reason == "version 4 scores 0.5% of the rows in shadow"
    shown = [pause_rollout(build(step=step, ramp=ramp), "bob", NOW).events[-1].reason for step in (1, 2, 3)]
    assert shown == ["paused at 0.1%", "paused at 7%", "paused at 100%"]


def test_unmeasured_guardrails_are_named_when_time_is_up() -> None:
    nothing = [
        GuardrailFinding(guardrail=Guardrail.LATENCY, verdict=Verdict.OPEN, rows=0, value=None, limit=0.5)
    ]
    reason = judge(build(), nothing, hours=10).events[-1].reason
    assert reason == "undecided after 10 h: latency: nothing measured yet (limit 50%)"


@pytest.mark.parametrize("guardrail", [Guardrail.EXPECTED_LOSS, Guardrail.SHIFT])
def test_what_versions_cannot_be_measured_by_holds_up_nothing(guardrail: Guardrail) -> None:
    """A model without uncertainty expects no loss; versions of other classes have no common scores."""
    unmeasured = GuardrailFinding(guardrail=guardrail, verdict=Verdict.OPEN, rows=0, value=None, limit=0.1)
    assert judge(build(), [unmeasured]).step == build().step + 1
    measured = replace(unmeasured, rows=300, value=0.1)
    assert judge(build(), [measured]).step == build().step
