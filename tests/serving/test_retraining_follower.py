"""The end of a retraining that another process runs is found out, and recorded once."""

from dataclasses import replace
from pathlib import Path

import pytest

from alert_hook import create_hook
from fakes.decision_log import MemoryDecisionLog
from fakes.tracker import MemoryTracker
from retraining_alerts import DRIFT
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.domain.promotion import DecisionRecord, PromotionDecision
from servicio_ml.domain.retraining import DecisionEntry, RetrainingDecision
from servicio_ml.lifecycle.decisions import DecisionContext, apply_decision, write_decision
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.serving.retraining.follower import RetrainingFollower

REFERENCE, REJECTED_AT = "memory:small/run 1", "servicio_ml_retraining_rejected_timestamp_seconds"


class FollowerFixture:
    """A server that has started a retraining of the model `small`."""

    def __init__(self, folder: Path, artifact_folder: Path) -> None:
        self.hook = create_hook(folder, artifact_folder)
        self.clock, self.registry = self.hook.made.clock, self.hook.made.registry
        self.tracker = MemoryTracker(folder / "runs", self.clock)
        no_others = MemoryDecisionLog().hold_champion
        self.context = DecisionContext(
            tracker=self.tracker, registry=self.registry, stats=NoStats(), clock=self.clock,
            hold_champion=no_others, by="training",
        )  # fmt: skip
        history = ModelHistory(self.tracker, self.registry, NoStats(), self.clock, no_others)
        self.follower = RetrainingFollower(self.hook.decisions, self.hook.retrainer, history)
        self.add_start()

    def add_start(self) -> None:
        now = self.clock()
        entry = DecisionEntry(
            model="small", decision=RetrainingDecision.RETRAIN, reason="DataDrift fires", decided_at=now,
            reference=REFERENCE, alerts=(replace(DRIFT, retrained_at=now),),
        )  # fmt: skip
        self.hook.log.record("small", 0, lambda _: entry)

    def reject_challenger(self) -> None:
        record = DecisionRecord(
            use_case="small", decision=PromotionDecision.REJECTED, reason="floor: not reached", challenger=2,
            champion=1, by="training", at=self.clock(),
        )  # fmt: skip
        apply_decision("small", write_decision(record, self.context).run_id, self.context)

    def follow(self) -> None:
        """Read the log and follow, as a worker does at intervals."""
        self.hook.decisions.refresh()
        self.follower.follow()

    def end(self, error: str = "") -> None:
        self.hook.retrainer.ends[REFERENCE] = RetrainingEnd(error=error)

    @property
    def newest(self) -> tuple[RetrainingDecision, str]:
        entry = self.hook.decisions.load_history("small")[0]
        return entry.decision, entry.reason


@pytest.fixture
def place(tmp_path: Path, artifact_folder: Path) -> FollowerFixture:
    return FollowerFixture(tmp_path, artifact_folder)


def test_nothing_is_recorded_while_it_runs(place: FollowerFixture) -> None:
    place.follow()
    assert place.newest[0] is RetrainingDecision.RETRAIN


def test_a_rejected_challenger_is_recorded_once(place: FollowerFixture) -> None:
    place.reject_challenger()
    place.end()
    for _ in range(2):
        place.follow()
    assert place.newest == (
        RetrainingDecision.REJECTED,
        "the retraining has finished; version 2: rejected, floor: not reached",
    )
    history = place.hook.decisions.load_history("small")
    assert [each.decision for each in history[1:]] == [RetrainingDecision.RETRAIN]
    labels = {"model": "small", "decision": "rejected"}
    assert place.hook.read_metric("servicio_ml_retraining_decisions_total", **labels) == 1
    place.hook.decisions.refresh()
    assert place.hook.read_metric(REJECTED_AT, model="small") == history[0].decided_at


def test_an_earlier_verdict_is_not_its_own(place: FollowerFixture) -> None:
    place.clock.now -= 60
    place.reject_challenger()
    place.clock.now += 60
    place.end()
    place.follow()
    assert place.newest == (
        RetrainingDecision.FINISHED,
        "the retraining has finished without a new challenger",
    )


def test_a_failed_run_lets_its_alerts_start_another(place: FollowerFixture) -> None:
    place.end("failed, see its log")
    place.follow()
    assert place.newest == (RetrainingDecision.FAILED, "the retraining failed: failed, see its log")
    [alert] = place.hook.decisions.load_history("small")[0].alerts
    assert alert.retrained_at == 0
    place.hook.decisions.refresh()
    assert place.hook.read_metric(REJECTED_AT, model="small") is None


def test_a_scheduler_that_is_away_is_asked_again(
    place: FollowerFixture, caplog: pytest.LogCaptureFixture
) -> None:
    place.end()
    place.hook.retrainer.failure = "Airflow is away"
    place.follow()
    assert "the end of a retraining of small cannot be found out now" in caplog.text
    assert place.newest[1] == "DataDrift fires"
    place.hook.retrainer.failure = ""
    place.follow()
    assert place.newest[0] is RetrainingDecision.FINISHED
