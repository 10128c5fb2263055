"""Decisions that a rollout made, in the history of a model."""

import json

from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.transitions import start_rollout
from servicio_ml.lifecycle.rollout.actions import build_evidence
from servicio_ml.serving.rest.champion_documents import build_decision_state

NOW = 1_600_000_000.0


def test_a_decision_of_a_rollout_shows_the_rollout() -> None:
    rollout = start_rollout("small", "abc", (1, 2), Ramp(), "ann", NOW)
    record = DecisionRecord(
        use_case="small", decision=PromotionDecision.ROLLOUT_STARTED, reason="it started", challenger=2,
        champion=1, by="ann", at=NOW, evidence=json.loads(json.dumps(build_evidence(rollout))),
    )  # fmt: skip
    state = build_decision_state(record)
    assert state.evidence is None
    assert state.rollout is not None
    assert (state.rollout.id, state.rollout.challenger, state.rollout.events[0].by) == ("abc", 2, "ann")
    assert state.rollout.ramp.steps == list(Ramp().steps)
