"""Rollouts as stored documents, and the traffic of each state."""

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.rollout.guardrails import (
    ArmCounts,
    Guardrail,
    GuardrailFinding,
    Verdict,
    judge_guardrails,
)
from servicio_ml.domain.rollout.paired_sums import sum_pairs
from servicio_ml.domain.rollout.ramp import MAX_HOURS, Ramp, Undecided
from servicio_ml.domain.rollout.rollout import (
    Recorded,
    Rollout,
    RolloutEvent,
    RolloutState,
    build_rollout,
)

NUMBER = st.floats(min_value=0, max_value=1e10)
EVENTS = st.builds(
    RolloutEvent, at=NUMBER, state=st.sampled_from(RolloutState), share=NUMBER, reason=st.text(), by=st.text()
)
FINDINGS = st.builds(
    GuardrailFinding, guardrail=st.sampled_from(Guardrail), verdict=st.sampled_from(Verdict),
    rows=st.integers(0), value=st.none() | NUMBER, limit=NUMBER,
)  # fmt: skip
RAMPS = st.builds(
    Ramp, steps=st.sampled_from([(1.0,), (0.1, 1.0)]), undecided=st.sampled_from(Undecided),
    needs_labels=st.booleans(), min_rows=st.integers(1, 10**9), watch_hours=st.floats(0, MAX_HOURS),
)  # fmt: skip
ROLLOUTS = st.builds(
    Rollout, id=st.text(), model=st.text(), champion=st.integers(1), challenger=st.integers(1), ramp=RAMPS,
    state=st.sampled_from(RolloutState), step=st.integers(0, 1), since=NUMBER, started_at=NUMBER,
    resumed_at=NUMBER, rows_before=st.integers(0), judged_at=NUMBER,
    findings=st.lists(FINDINGS, max_size=5).map(tuple), events=st.lists(EVENTS, max_size=5).map(tuple),
    recorded=st.sampled_from(Recorded),
)  # fmt: skip


@given(ROLLOUTS)
def test_a_stored_document_is_read_as_it_was_written(rollout: Rollout) -> None:
    document = json.loads(json.dumps(rollout.to_json(), allow_nan=False))
    assert build_rollout(document) == rollout
    assert set(document) == {each.name for each in fields(Rollout)}


def test_findings_of_a_broken_challenger_can_be_stored() -> None:
    """JSON has neither infinity nor NaN."""
    sums = sum_pairs([(0.5, 0.5)] * 300 + [(math.nan, 0.5), (math.inf, 0.5)])
    huge = sum_pairs([(1e200, 1.0)] * 300)
    findings = judge_guardrails(Ramp(), sums, ArmCounts(expected_loss=huge, scores=(sums, huge)))
    json.dumps([(each.value, each.limit) for each in findings], allow_nan=False)


def build(state: RolloutState, step: int) -> Rollout:
    return Rollout(
        id="a", model="rain", champion=3, challenger=4, ramp=Ramp(steps=(0.1, 0.5, 1.0), shadow=0.3),
        state=state, step=step, since=100.0, started_at=0.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "step", "before", "after", "shadow"),
    [
        (RolloutState.RAMPING, 0, {4: 0.0}, {4: 0.0}, 0.3),
        (RolloutState.RAMPING, 1, {4: 0.0}, {4: 0.1}, 0.3),
        (RolloutState.PAUSED, 2, {4: 0.1}, {4: 0.5}, 0.3),
        (RolloutState.PROMOTING, 3, {4: 0.5}, {4: 1.0}, 0.3),
        (RolloutState.WATCHING, 3, {3: 0.0}, {3: 0.0}, 0.3),
        (RolloutState.ROLLING_BACK, 3, {3: 1.0}, {3: 1.0}, 0.3),
        (RolloutState.FINISHED, 3, {}, {}, 0.0),
        (RolloutState.ROLLED_BACK, 2, {}, {}, 0.0),
        (RolloutState.ABORTED, 2, {}, {}, 0.0),
    ],
)
def test_each_state_has_its_traffic(
    state: RolloutState, step: int, before: dict[int, float], after: dict[int, float], shadow: float
) -> None:
    traffic = build(state, step).traffic
    assert (traffic.get_shares(99.0), traffic.get_shares(100.0)) == (before, after)
    assert traffic.shadow == shadow


def test_the_challenger_answers_all_where_the_registry_still_names_the_former_champion() -> None:
    assert build(RolloutState.WATCHING, 3).handover.shares == {4: 1.0, 3: 0.0}
    for state in (RolloutState.RAMPING, RolloutState.ROLLING_BACK, RolloutState.FINISHED):
        assert build(state, 3).handover == build(state, 3).traffic


def test_the_deadline_is_that_of_the_step_or_the_watch() -> None:
    ramping = build(RolloutState.RAMPING, 1)
    assert ramping.deadline == 100 + ramping.ramp.max_hours * 3600
    assert build(RolloutState.WATCHING, 3).deadline == 100 + ramping.ramp.watch_hours * 3600
    assert replace(ramping, resumed_at=500.0).deadline == 500 + ramping.ramp.max_hours * 3600


def test_a_champion_that_is_put_back_has_all_clients() -> None:
    assert build(RolloutState.WATCHING, 3).get_share(200.0) == 1
    assert build(RolloutState.ROLLING_BACK, 3).get_share(200.0) == 0
