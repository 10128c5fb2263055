"""Rollouts that people and decisions begin, and their records in the history."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from itertools import count
from pathlib import Path

import pytest

from fakes.decision_log import MemoryDecisionLog
from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from fakes.traffic_plans import MemoryTrafficPlans
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.promotion import CHAMPION, DecisionRecord, PromotionDecision
from servicio_ml.domain.rollout.ramp import Ramp, Undecided
from servicio_ml.domain.rollout.rollout import Recorded, Rollout, RolloutState
from servicio_ml.domain.rollout.transitions import (
    abort_rollout,
    abort_superseded,
    confirm_promotion,
    confirm_rollback,
    pause_rollout,
)
from servicio_ml.errors import PromotionError, RegistryError, RolloutError
from servicio_ml.lifecycle.admin_actions import set_champion
from servicio_ml.lifecycle.decision_history import list_decisions
from servicio_ml.lifecycle.decisions import DecisionContext, apply_decision, write_decision
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.lifecycle.rollout.actions import (
    begin_decided_rollout,
    begin_rollout,
    change_rollout,
    list_rollouts,
    record_rollout,
)

MODEL, NOW = "small", 1_600_000_000.0
RAMP = Ramp(steps=(0.1, 1.0), undecided=Undecided.ADVANCE)
POLICY = PromotionPolicy(metric="roc_auc", floor=0.5, rollout=RAMP)


class RolloutPlace:
    """A registry with three versions, the first of them champion, and a store of plans."""

    def __init__(self, folder: Path) -> None:
        self._ticks = count(int(NOW), 10)
        self.plans, self.tracker = MemoryTrafficPlans(), MemoryTracker(folder / "runs", self.tick)
        self.registry = MemoryRegistry(folder / "models", self.tick)
        (folder / "artifact").mkdir()
        for _ in range(3):
            self.registry.register(MODEL, folder / "artifact", run_id="run", tags={})
        hold = MemoryDecisionLog().hold_champion
        self.history = ModelHistory(self.tracker, self.registry, NoStats(), self.tick, hold)
        self.context = DecisionContext(
            tracker=self.tracker, registry=self.registry, stats=NoStats(), clock=self.tick,
            hold_champion=hold, by="boss",
            begin_rollout=lambda record: begin_decided_rollout(self.plans, record, self.tick()),
        )  # fmt: skip
        set_champion(MODEL, 1, "the first", self.context)

    def tick(self) -> float:
        return float(next(self._ticks))

    def decide(self, challenger: int = 2) -> str:
        """Write the decision to roll a version out; return its run."""
        record = DecisionRecord(
            use_case=MODEL, decision=PromotionDecision.ROLLOUT_STARTED, reason="all gates", by="boss",
            challenger=challenger, champion=1, at=self.tick(), evidence={"policy": asdict(POLICY)},
        )  # fmt: skip
        return write_decision(record, self.context).run_id

    def apply(self, run: str) -> DecisionRecord:
        return apply_decision(MODEL, run, self.context, PromotionDecision.ROLLOUT_STARTED)

    def begin(self, challenger: int = 2) -> Rollout:
        return begin_rollout(self.plans, MODEL, (1, challenger), RAMP, "ann", self.tick())

    def change(self, transition: Callable[[Rollout, float], Rollout]) -> Rollout:
        return change_rollout(self.plans, MODEL, lambda newest: transition(newest, self.tick()))

    def list_records(self) -> list[tuple[str, int, str, str]]:
        """List the decisions about rollouts: what, which version, who and why."""
        *found, _ = list_decisions(MODEL, self.tracker)
        return [(each.decision, each.challenger, each.by, each.reason) for each in found]


@pytest.fixture
def place(tmp_path: Path) -> RolloutPlace:
    return RolloutPlace(tmp_path)


def abort(rollout: Rollout, now: float) -> Rollout:
    return abort_rollout(rollout, "ann", now, "too slow")


def test_a_decision_begins_a_rollout_and_moves_no_alias(place: RolloutPlace) -> None:
    record = place.apply(place.decide())
    [rollout] = list_rollouts(place.plans, MODEL, 1)
    assert (rollout.champion, rollout.challenger, rollout.ramp) == (1, 2, RAMP)
    assert (rollout.state, rollout.events[0].by) == (RolloutState.RAMPING, "boss")
    champion = place.registry.resolve(MODEL, CHAMPION)
    assert champion is not None
    assert champion.version == 1
    assert place.list_records() == [("rollout started", 2, "boss", "all gates")]
    assert record.decision is PromotionDecision.ROLLOUT_STARTED
    # the history has its start: no server records it a second time
    record_rollout(place.plans, rollout, place.history)
    assert len(place.list_records()) == 1


def test_a_decision_that_is_applied_twice_begins_one_rollout(
    place: RolloutPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RegistryError("there", "it is away")

    run = place.decide()
    with monkeypatch.context() as patch:
        # as after a kill: the rollout has started, and the run of the decision is open
        patch.setattr("fakes.tracker.MemoryRun.set_tags", fail)
        with pytest.raises(RegistryError):
            place.apply(run)
    [first] = list_rollouts(place.plans, MODEL, 9)
    assert place.list_records() == []
    place.change(abort)
    place.apply(run)
    assert [each.id for each in list_rollouts(place.plans, MODEL, 9)] == [first.id]
    assert place.list_records() == [("rollout started", 2, "boss", "all gates")]
    place.apply(run)
    assert len(list_rollouts(place.plans, MODEL, 9)) == 1


def test_a_running_rollout_of_the_same_versions_is_not_started_again(place: RolloutPlace) -> None:
    first = place.begin()
    place.apply(place.decide())
    assert list_rollouts(place.plans, MODEL, 9) == [first]


def test_a_running_rollout_of_another_version_stays(place: RolloutPlace) -> None:
    first, run = place.begin(challenger=3), place.decide()
    with pytest.raises(RolloutError, match=r"rollout of version 3 is ramping; .* rollout small abort"):
        place.apply(run)
    assert list_rollouts(place.plans, MODEL, 9) == [first]
    assert place.list_records() == []
    place.change(abort)
    place.apply(run)
    assert list_rollouts(place.plans, MODEL, 1)[0].challenger == 2


def test_a_decision_against_a_former_champion_begins_nothing(place: RolloutPlace) -> None:
    run = place.decide()
    set_champion(MODEL, 3, "an emergency", place.context)
    with pytest.raises(PromotionError, match="version 3 became champion after the evaluation"):
        place.apply(run)
    assert list_rollouts(place.plans, MODEL, 1) == []


def test_during_the_watch_only_its_end_is_waited_for(place: RolloutPlace) -> None:
    place.begin()
    place.change(confirm_promotion)
    with pytest.raises(RolloutError, match=r"version 2 is watching; wait for its end, or put the former"):
        place.begin(challenger=3)


def test_start_and_end_are_recorded_once_by_however_many_processes(place: RolloutPlace) -> None:
    first = place.begin()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: record_rollout(place.plans, first, place.history), range(8)))
    assert place.list_records() == [
        ("rollout started", 2, "ann", "version 2 scores 50% of the rows in shadow")
    ]
    ended = place.change(abort)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: record_rollout(place.plans, ended, place.history), range(8)))
    assert place.list_records()[0] == ("rejected", 2, "ann", "aborted: too slow")
    assert len(place.list_records()) == 2
    [newest, *_] = place.history.list_decisions(MODEL).decisions
    assert newest.evidence["rollout"]["state"] == "aborted"


@pytest.mark.parametrize(
    "ends",
    [
        (confirm_promotion, confirm_rollback),
        (confirm_promotion, lambda rollout, now: abort_superseded(rollout, 3, now)),
    ],
)
def test_an_end_after_the_alias_moved_is_no_rejection(
    place: RolloutPlace, ends: tuple[Callable[[Rollout, float], Rollout], ...]
) -> None:
    place.begin()
    for each in ends:
        ended = place.change(each)
    record_rollout(place.plans, ended, place.history)
    assert [decision for decision, *_ in place.list_records()] == ["rollout started"]
    assert list_rollouts(place.plans, MODEL, 1)[0].recorded is Recorded.END


def test_what_mlflow_refuses_is_recorded_later(place: RolloutPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RegistryError("there", "it is away")

    first = place.begin()
    with monkeypatch.context() as patch:
        patch.setattr(place.history, "record_rollout", fail)
        with pytest.raises(RegistryError):
            record_rollout(place.plans, first, place.history)
    [stored] = list_rollouts(place.plans, MODEL, 1)
    assert stored.recorded is Recorded.NOTHING
    record_rollout(place.plans, stored, place.history)
    assert len(place.list_records()) == 1


def test_a_rollout_that_another_has_followed_is_recorded_too(place: RolloutPlace) -> None:
    place.begin()
    ended = place.change(abort)
    place.begin(challenger=3)
    record_rollout(place.plans, replace(ended, recorded=Recorded.START), place.history)
    assert place.list_records() == [("rejected", 2, "ann", "aborted: too slow")]
    assert list_rollouts(place.plans, MODEL, 1)[0].recorded is Recorded.NOTHING


def test_a_change_needs_a_rollout(place: RolloutPlace) -> None:
    with pytest.raises(RolloutError, match="begin one: servicio-ml rollout small start"):
        place.change(lambda rollout, now: pause_rollout(rollout, "ann", now))
