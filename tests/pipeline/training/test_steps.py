"""Training steps in processes of their own leave what one process leaves, and may be killed and run again."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.promotion import PromotionDecision
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import TrainingError
from servicio_ml.lifecycle.decision_history import get_decision_about, list_decisions
from servicio_ml.lifecycle.decisions import apply_decision
from servicio_ml.pipeline.promotion.judge import judge_once
from servicio_ml.pipeline.training.build_candidate import BuiltCandidate, build_candidate
from servicio_ml.pipeline.training.plan import TrainingPlan
from servicio_ml.pipeline.training.run import close_training, fail_training, train
from servicio_ml.pipeline.training.run_recorder import TrainingPorts
from servicio_ml.pipeline.training.session import TrainingSession, open_training, start_training
from servicio_ml.pipeline.training.steps.candidates import TunedCandidate, tune_one
from servicio_ml.pipeline.training.steps.challenger import build_table, export_winner, get_challenger
from servicio_ml.pipeline.training.steps.refine import refine
from servicio_ml.pipeline.training.steps.winner import select_best
from small_use_case import KNN, LIGHTGBM, build_use_case
from training_fixture import TrainingFixture

pytestmark = pytest.mark.slow

USE_CASE = build_use_case(Task.BINARY, LIGHTGBM, KNN)


class TrainingSteps:
    """Training steps over shared ports, each with a session of its own."""

    def __init__(self, folder: Path) -> None:
        self.place = TrainingFixture(folder)
        self.made: Manifest = self.place.publish(Task.BINARY)
        self.plan = TrainingPlan(candidates=USE_CASE.candidates, trials=2, seconds=600, threads=1)
        started = start_training(USE_CASE, self.made, self.plan, self.place.training_ports)
        assert started.new
        self.run_id = started.run_id

    @property
    def training_ports(self) -> TrainingPorts:
        return self.place.training_ports

    def run_step(self, work: Callable[[TrainingSession], Any]) -> Any:
        with open_training(USE_CASE, self.run_id, self.training_ports, 1) as training:
            return work(training)

    def tune(self, name: str) -> TunedCandidate:
        found: TunedCandidate = self.run_step(lambda training: tune_one(training, name))
        return found

    def train(self) -> list[dict[str, Any]]:
        for candidate in USE_CASE.candidates:
            self.tune(candidate.name)
        for each in (select_best, refine, export_winner):
            self.run_step(each)
        rows: list[dict[str, Any]] = self.run_step(build_table)
        return rows

    def count_fits(self) -> list[str]:
        return [run.id for run in self.place.tracker.find_runs("small", {"step": "fit"})]

    def list_versions(self) -> list[int]:
        return [each.version for each in self.place.registry.list_versions("small")]


@pytest.fixture
def work(tmp_path: Path) -> TrainingSteps:
    (tmp_path / "steps").mkdir()
    return TrainingSteps(tmp_path / "steps")


def _drop_times(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "latency_seconds"} for row in rows]


def test_the_steps_of_a_training_leave_what_one_process_leaves(work: TrainingSteps, tmp_path: Path) -> None:
    rows = work.train()
    assert work.place.tracker.get_run(work.run_id).status == "RUNNING"
    assert close_training(USE_CASE, work.run_id, work.training_ports)
    (tmp_path / "one process").mkdir()
    other = TrainingFixture(tmp_path / "one process")
    made = other.publish(Task.BINARY)
    in_one_process = train(USE_CASE, made, work.plan, other.training_ports)
    assert close_training(USE_CASE, in_one_process.run_id, other.training_ports)
    assert _drop_times(rows) == _drop_times(in_one_process.table)
    assert in_one_process.challenger is not None
    challenger = work.place.registry.resolve("small", "challenger")
    assert challenger is not None
    assert challenger.version == in_one_process.challenger.version
    mine, theirs = (
        tracker.get_run(run_id)
        for tracker, run_id in ((work.place.tracker, work.run_id), (other.tracker, in_one_process.run_id))
    )
    assert (mine.status, mine.params, mine.metrics) == (theirs.status, theirs.params, theirs.metrics)
    assert {run.name for run in work.place.memory.all_runs} == {run.name for run in other.memory.all_runs}


def test_every_step_of_a_training_may_run_twice(work: TrainingSteps) -> None:
    first = work.train()
    before = (work.list_versions(), len(work.place.memory.all_runs))
    assert work.train() == first
    assert (work.list_versions(), len(work.place.memory.all_runs)) == before
    assert start_training(USE_CASE, work.made, work.plan, work.training_ports).run_id == work.run_id
    assert close_training(USE_CASE, work.run_id, work.training_ports, "promoted")
    assert not close_training(USE_CASE, work.run_id, work.training_ports, "rejected")
    found = work.place.tracker.get_run(work.run_id)
    assert (found.status, found.tags["decision"]) == ("FINISHED", "promoted")
    # a late repetition neither opens the run again nor moves the alias back
    work.place.registry.set_alias("small", "challenger", 1)
    assert work.train() == first
    assert work.place.tracker.get_run(work.run_id).status == "FINISHED"
    again = start_training(USE_CASE, work.made, work.plan, work.training_ports)
    assert (again.run_id, again.new) == (work.run_id, False)


def test_a_step_that_dies_after_registering_registers_no_second_time(
    work: TrainingSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingSession, "save_result", interrupt)
        with pytest.raises(KeyboardInterrupt):
            work.tune("knn")
    assert work.list_versions() == [1]
    found = work.tune("knn")
    assert (found.result.version, found.trials) == (1, 2)
    assert work.list_versions() == [1]


def test_two_processes_that_fit_the_same_candidate_register_one_version(
    work: TrainingSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[TunedCandidate] = []

    def build_late(*args: Any) -> BuiltCandidate:
        """Let another process fit and register the candidate while this one fits."""
        monkeypatch.setattr("servicio_ml.pipeline.training.steps.candidates.build_candidate", build_candidate)
        others.append(work.tune("knn"))
        return build_candidate(*args)

    monkeypatch.setattr("servicio_ml.pipeline.training.steps.candidates.build_candidate", build_late)
    mine = work.tune("knn")
    assert [mine] == others
    assert (mine.result.version, work.list_versions(), len(work.count_fits())) == (1, [1], 1)
    assert mine.trials == 2


def test_what_a_killed_fit_left_is_deleted_at_the_end(work: TrainingSteps) -> None:
    tags = {"step": "fit", "candidate": "knn", "stage": "tuned", "train_run": work.run_id}
    with work.place.tracker.open_run("small", "fit knn", tags=tags, stays=True) as killed:
        pass
    work.train()
    assert killed.id in work.count_fits()
    close_training(USE_CASE, work.run_id, work.training_ports)
    assert killed.id not in work.count_fits()
    assert len(work.count_fits()) >= 2


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (select_best, "lightgbm, knn: not tuned in run .*; run step tune"),
        (refine, "has no winner; run step select"),
        (export_winner, "has no winner; run step select"),
        (get_challenger, "has no challenger; run step export"),
        (lambda training: tune_one(training, "svm"), "no candidate 'svm'; candidates are lightgbm, knn"),
    ],
    ids=["select", "refine", "export", "judge", "tune"],
)
def test_a_step_before_its_turn_names_the_one_to_run(
    work: TrainingSteps, step: Callable[[TrainingSession], object], said: str
) -> None:
    with pytest.raises(TrainingError, match=said):
        work.run_step(step)
    assert work.place.tracker.get_run(work.run_id).status == "FAILED"
    assert start_training(USE_CASE, work.made, work.plan, work.training_ports).run_id == work.run_id


def test_another_run_is_no_training(work: TrainingSteps) -> None:
    work.tune("knn")
    with (
        pytest.raises(TrainingError, match="is no training"),
        open_training(USE_CASE, work.count_fits()[0], work.training_ports, 1),
    ):
        pass


def test_a_failed_training_can_be_resumed(work: TrainingSteps) -> None:
    fail_training(USE_CASE, work.run_id, work.place.tracker)
    assert work.place.tracker.get_run(work.run_id).status == "FAILED"
    work.train()
    close_training(USE_CASE, work.run_id, work.training_ports)
    fail_training(USE_CASE, work.run_id, work.place.tracker)
    assert work.place.tracker.get_run(work.run_id).status == "FINISHED"


def _judge(work: TrainingSteps) -> Any:
    return work.run_step(
        lambda training: judge_once(
            USE_CASE,
            training.manifest,
            work.place.store,
            work.place.decision_context,
            get_challenger(training),
        )
    )


def _create_champion(work: TrainingSteps) -> int | None:
    found = work.place.registry.resolve("small", "champion")
    return found.version if found else None


def test_a_decision_is_made_once_and_moves_no_alias(work: TrainingSteps) -> None:
    work.train()
    decision_run = _judge(work)
    assert decision_run.record.decision is PromotionDecision.PROMOTED
    assert _create_champion(work) is None
    assert list_decisions("small", work.place.tracker) == []
    with pytest.raises(TrainingError, match="is not applied: promoted; run step promote"):
        get_decision_about("small", decision_run.record.challenger, work.place.tracker)
    assert _judge(work).run_id == decision_run.run_id
    with pytest.raises(TrainingError, match="says promoted, not rejected"):
        apply_decision("small", decision_run.run_id, work.place.decision_context, PromotionDecision.REJECTED)
    for _ in range(2):
        done = apply_decision(
            "small", decision_run.run_id, work.place.decision_context, PromotionDecision.PROMOTED
        )
        assert (done.challenger, done.decision) == (
            decision_run.record.challenger,
            PromotionDecision.PROMOTED,
        )
    assert _create_champion(work) == decision_run.record.challenger
    assert len(list_decisions("small", work.place.tracker)) == 1
    # the one that was carried out, although the challenger is champion now
    assert _judge(work).run_id == decision_run.run_id
    assert get_decision_about("small", decision_run.record.challenger, work.place.tracker) == "promoted"


def test_a_promotion_that_dies_after_moving_the_alias_is_finished_by_the_next(
    work: TrainingSteps, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.train()
    decision_run, set_alias = _judge(work), work.place.registry.set_alias

    def interrupt(*args: Any) -> None:
        set_alias(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(work.place.registry, "set_alias", interrupt)
        with suppress(KeyboardInterrupt):
            apply_decision("small", decision_run.run_id, work.place.decision_context)
    assert (_create_champion(work), list_decisions("small", work.place.tracker)) == (
        decision_run.record.challenger,
        [],
    )
    apply_decision("small", decision_run.run_id, work.place.decision_context)
    assert len(list_decisions("small", work.place.tracker)) == 1


def test_another_champion_since_the_decision_leads_to_a_new_one(work: TrainingSteps) -> None:
    work.train()
    decision_run = _judge(work)
    other = next(version for version in work.list_versions() if version != decision_run.record.challenger)
    work.place.registry.set_alias("small", "champion", other)
    with pytest.raises(TrainingError, match=f"version {other} became champion after the evaluation"):
        apply_decision("small", decision_run.run_id, work.place.decision_context)
    assert _create_champion(work) == other
    again = _judge(work)
    assert (again.run_id != decision_run.run_id, again.record.champion) == (True, other)
