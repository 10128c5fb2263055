"""The metrics of rollouts: of running ones, of those that are over, and without the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.rollout.guardrails import ArmCounts, GuardrailFinding, judge_guardrails
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.transitions import (
    abort_rollout,
    confirm_promotion,
    judge_rollout,
    pause_rollout,
)
from servicio_ml.errors import LogError
from servicio_ml.lifecycle.rollout.actions import begin_rollout, change_rollout
from servicio_ml.serving.rollout.collector import SHOWN_SECONDS, RolloutCollector

PREFIX = "servicio_ml_rollout_"
RAMP = Ramp(steps=(0.25, 1.0), min_rows=1, max_hours=1, watch_hours=2, needs_labels=False)
HOUR, LEAD = 3600, 5
BROKEN = judge_guardrails(RAMP, PairedSums(), ArmCounts(rows=1000, failed=500))
FINE: Sequence[GuardrailFinding] = ()
"""No guardrail speaks against the next step."""


@dataclass
class CollectorFixture:
    """A collector, its store, and what it exports."""

    made: ServiceFixture
    collector: RolloutCollector

    @property
    def now(self) -> float:
        return self.made.clock.now

    def refresh(self) -> None:
        self.made.service.models.refresh_plans()

    def start(self) -> None:
        begin_rollout(self.made.plans, "small", (1, 2), RAMP, "boss", self.now)
        self.refresh()

    def change(self, transition: Callable[[Rollout], Rollout]) -> None:
        change_rollout(self.made.plans, "small", transition)
        self.refresh()

    def judge(self, findings: Sequence[GuardrailFinding] = FINE) -> None:
        self.change(lambda plan: judge_rollout(plan, findings, RAMP.min_rows * 10, self.now, LEAD))

    def read(self, name: str, **labels: str) -> dict[tuple[str, ...], float]:
        """Values by the labels that are not given."""
        return {
            tuple(value for key, value in sample.labels.items() if key not in labels): sample.value
            for family in self.collector.collect()
            for sample in family.samples
            if sample.name == PREFIX + name and labels.items() <= sample.labels.items()
        }

    def read_shares(self) -> Mapping[str, float]:
        return {arm: value for (_, arm), value in self.read("share", model="small").items()}


@pytest.fixture
def exported(tmp_path: Path, artifact_folder: Path) -> CollectorFixture:
    made = create_service(tmp_path, artifact_folder)
    return CollectorFixture(made, RolloutCollector(made.service.models, made.clock))


def test_a_model_without_a_rollout_has_no_series(exported: CollectorFixture) -> None:
    exported.refresh()
    assert [sample for family in exported.collector.collect() for sample in family.samples] == []


def test_a_step_applies_at_its_time(exported: CollectorFixture) -> None:
    exported.start()
    labels = {"model": "small", "champion": "1", "challenger": "2"}
    started = exported.now
    assert exported.read("changed_timestamp_seconds", **labels) == {("ramping", "0", "person"): started}
    assert exported.read("share") == {("small", "1", "champion"): 1, ("small", "2", "challenger"): 0}
    exported.made.clock.now += 60
    exported.judge()
    changed = exported.read("changed_timestamp_seconds", **labels)
    assert changed == {("ramping", "0.25", "program"): started + 60}
    assert exported.read_shares() == {"champion": 1, "challenger": 0}
    assert exported.read("deadline_timestamp_seconds") == {
        ("small", "ramping"): started + 60 + LEAD + HOUR
    }  # fmt: skip
    exported.made.clock.now += LEAD
    assert exported.read_shares() == {"champion": 0.75, "challenger": 0.25}


def test_a_paused_rollout_has_no_deadline(exported: CollectorFixture) -> None:
    exported.start()
    exported.change(lambda plan: pause_rollout(plan, "boss", exported.now))
    assert exported.read("deadline_timestamp_seconds") == {}
    assert ("paused", "0", "person") in exported.read(
        "changed_timestamp_seconds", model="small", champion="1", challenger="2"
    )


def test_the_challenger_answers_all_while_it_is_watched(exported: CollectorFixture) -> None:
    exported.start()
    for _ in range(3):
        exported.made.clock.now += LEAD
        exported.judge()
    exported.change(lambda plan: confirm_promotion(plan, exported.now))
    assert exported.read_shares() == {"champion": 0, "challenger": 1}
    deadline = exported.read("deadline_timestamp_seconds", model="small")
    assert deadline == {("watching",): exported.now + 2 * HOUR}
    exported.made.clock.now += 2 * HOUR
    exported.judge()
    assert exported.read("deadline_timestamp_seconds") == {}
    assert exported.read_shares() == {"champion": 0, "challenger": 1}


def test_a_rollback_shows_its_guardrail_for_a_week(exported: CollectorFixture) -> None:
    exported.start()
    exported.judge(BROKEN)
    verdicts = exported.read("guardrail_verdict", model="small")
    assert verdicts == {
        ("loss",): 1, ("expected_loss",): 1, ("shift",): 1, ("failures",): 2, ("latency",): 1
    }  # fmt: skip
    assert exported.read("guardrail_value", model="small") == {("failures",): 0.5}
    assert exported.read("guardrail_limit", guardrail="failures") == {("small",): RAMP.max_failure_rate}
    assert exported.read("guardrail_rows", guardrail="failures") == {("small",): 1000}
    [(labels, _)] = exported.read("changed_timestamp_seconds").items()
    assert labels == ("small", "1", "2", "rolled_back", "0", "program")
    assert exported.read_shares() == {"champion": 1, "challenger": 0}
    exported.made.clock.now += SHOWN_SECONDS
    assert exported.read("changed_timestamp_seconds") == exported.read("share") == {}


def test_without_the_store_the_last_state_stays(
    exported: CollectorFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LogError("read", "it is away")

    exported.start()
    before = exported.read("changed_timestamp_seconds")
    with monkeypatch.context() as patch:
        patch.setattr(exported.made.plans, "load", fail)
        exported.refresh()
        assert exported.read("changed_timestamp_seconds") == before
    exported.change(lambda plan: abort_rollout(plan, "boss", exported.now))
    [(labels, _)] = exported.read("changed_timestamp_seconds").items()
    assert labels[3] == "aborted"
