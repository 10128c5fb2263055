"""Training end to end on small data, with real studies, real models and real artifacts."""

import json
import sqlite3
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import TrialState

from servicio_ml.domain.ports.tracker import Tracker
from servicio_ml.domain.search import Candidate, Choice, Integer, Real
from servicio_ml.domain.use_case import DateSplit, Task
from servicio_ml.errors import TrainingError
from servicio_ml.features.artifact import load_artifact
from servicio_ml.pipeline.training.candidate_result import CandidateResult, select_winner
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.plan import TrainingPlan
from servicio_ml.pipeline.training.run import close_training, train
from servicio_ml.pipeline.training.tuning.search_space import narrow_space
from servicio_ml.pipeline.training.tuning.study import open_study
from servicio_ml.pipeline.training.tuning.tune import TuningBudget, tune
from small_use_case import KNN, LIGHTGBM, SCHEMA, build_use_case, generate_rows
from training_fixture import TrainingFixture

pytestmark = pytest.mark.slow

TREE = Candidate(
    name="decision_tree", family="decision_tree", space={"max_depth": Integer(low=2, high=6)},
    start={"max_depth": 4}, max_latency_seconds=1.0,
)  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> TrainingFixture:
    return TrainingFixture(tmp_path)


def list_figures(tracker: Tracker, run_id: str) -> set[str]:
    """Names of the pictures of a run."""
    return {Path(path).stem for path in tracker.list_artifacts(run_id, "figures")}


@pytest.mark.parametrize("task", Task)
def test_every_candidate_is_registered_and_the_best_is_challenger(task: Task, place: TrainingFixture) -> None:
    use_case = build_use_case(task, LIGHTGBM, TREE)
    trained = place.train(use_case, place.publish(task))
    challenger = place.registry.resolve("small", "challenger")
    assert challenger is not None
    assert challenger.tags["candidate"] == challenger.tags["family"] == trained.table[0]["candidate"]
    package = {"lightgbm": "lightgbm", "decision_tree": "scikit-learn"}[challenger.tags["family"]]
    assert challenger.tags["framework"] == f"{package} {version(package)}"
    fixed = use_case.get_candidate(challenger.tags["candidate"]).fixed
    assert fixed.items() <= json.loads(challenger.tags["params"]).items()
    first, *others = trained.table
    sign = -1 if task is Task.REGRESSION else 1
    assert all(sign * (row["validation"] - first["validation"]) <= row["validation_error"] for row in others)
    for row in trained.table:
        found = place.registry.resolve("small", row["candidate"])
        assert found is not None
        assert found.version == row["version"]
        load_artifact(place.registry.download("small", found.version)).check_golden_rows()


def test_runs_are_nested_and_hold_trials_metrics_and_pictures(place: TrainingFixture) -> None:
    use_case = build_use_case(Task.BINARY, LIGHTGBM, TREE)
    trained = place.train(use_case, place.publish(Task.BINARY), trials=2)
    trials = place.tracker.find_runs("small", {"step": "trial"})
    tuned = [run.tags["study"].split("/")[1] for run in trials if "/refine/" not in run.tags["study"]]
    assert sorted(tuned) == ["decision_tree", "decision_tree", "lightgbm", "lightgbm"]
    assert any("/refine/" in run.tags["study"] for run in trials)
    assert {run.parent for run in place.memory.all_runs if run.id != trained.run_id} == {trained.run_id}
    fit = next(run.id for run in place.tracker.find_runs("small", {"step": "fit"}))
    pictures = {"confusion_matrix", "roc", "precision_recall", "calibration", "optuna_history"}
    assert pictures <= list_figures(place.tracker, fit)
    assert list_figures(place.tracker, trained.run_id) == {"feature_importance", "feature_correlation"}
    table = json.loads(place.tracker.read_artifact(trained.run_id, "comparison.json"))
    assert [row["candidate"] for row in table] == [row["candidate"] for row in trained.table]
    assert {"accuracy", "f1", "roc_auc", "pr_auc", "brier", "ece"} <= set(table[0]["metrics"])


def test_nothing_new_trains_nothing_unless_forced(place: TrainingFixture) -> None:
    use_case, made = build_use_case(Task.BINARY, TREE), place.publish(Task.BINARY)
    first = place.train(use_case, made)
    again = place.train(use_case, made)
    assert (again.challenger, again.run_id) == (None, first.run_id)
    assert len(place.registry.list_versions("small")) == 1
    assert place.train(use_case, made, force=True).challenger is not None
    other = place.publish(Task.BINARY, seed=5)
    assert place.train(use_case, other).challenger is not None


def test_a_candidate_that_may_not_be_promoted_is_reported_and_another_wins(place: TrainingFixture) -> None:
    slow = replace(LIGHTGBM, max_latency_seconds=1e-9)
    trained = place.train(build_use_case(Task.BINARY, slow, TREE), place.publish(Task.BINARY))
    assert [row["candidate"] for row in trained.table] == ["decision_tree", "lightgbm"]
    assert [row["eligible"] for row in trained.table] == [True, False]
    assert "one row takes" in trained.table[1]["reason"]
    assert any("lightgbm is not eligible" in line for line in place.progress.warnings)


def test_no_eligible_candidate_is_an_error_that_names_each(place: TrainingFixture) -> None:
    slow = replace(TREE, max_latency_seconds=1e-9)
    with pytest.raises(TrainingError, match="decision_tree one row takes"):
        place.train(build_use_case(Task.BINARY, slow), place.publish(Task.BINARY))
    assert place.registry.resolve("small", "challenger") is None


def test_a_killed_training_is_gone_on_with(place: TrainingFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    use_case, made = build_use_case(Task.BINARY, TREE), place.publish(Task.BINARY)

    def raise_killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("servicio_ml.pipeline.training.steps.candidates.build_candidate", raise_killed)
        with pytest.raises(KeyboardInterrupt):
            place.train(use_case, made, trials=3)
    (interrupted,) = place.tracker.find_runs("small", {"step": "train"})
    assert interrupted.status == "KILLED"
    before = len(place.tracker.find_runs("small", {"step": "trial"}))
    trained = place.train(use_case, made, trials=3)
    assert trained.run_id == interrupted.id
    tuned = [
        run
        for run in place.tracker.find_runs("small", {"step": "trial"})
        if "/refine/" not in run.tags["study"]
    ]
    assert len(tuned) == before == 3


def test_a_training_returns_with_its_run_open_for_the_decision(place: TrainingFixture) -> None:
    use_case, made = build_use_case(Task.BINARY, TREE), place.publish(Task.BINARY)
    plan = TrainingPlan(candidates=use_case.candidates, trials=2, seconds=600, threads=1)
    trained = train(use_case, made, plan, place.training_ports)
    assert trained.challenger is not None
    assert place.tracker.get_run(trained.run_id).status == "RUNNING"
    assert close_training(use_case, trained.run_id, place.training_ports, "rejected")
    closed = place.tracker.get_run(trained.run_id)
    assert (closed.status, closed.tags["decision"]) == ("FINISHED", "rejected")


TUNE = """
import sys
sys.path[:0] = sys.argv[3:]
from small_use_case import KNN, SCHEMA, generate_rows, build_use_case
from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.training.dataset import build_problem
from servicio_ml.pipeline.training.tuning.study import open_study
from servicio_ml.pipeline.training.tuning.tune import TuningBudget, tune
use_case, rows = build_use_case(Task.BINARY, KNN), generate_rows(Task.BINARY, 300)
made = build_problem(use_case, SCHEMA, rows, seed=0, threads=1)
study = open_study(sys.argv[1], "shared", "roc_auc", int(sys.argv[2]))
budget = TuningBudget(trials=8, seconds=600)
tune(made, KNN, study, budget, start={}, on_trial=lambda trial: print("trial", flush=True))
"""


def test_two_processes_share_one_study(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    command = [sys.executable, "-c", TUNE, url]
    path = str(Path(__file__).parents[2])
    both = [
        subprocess.Popen([*command, str(seed), path], stdout=subprocess.PIPE, text=True) for seed in (1, 2)
    ]
    made = [process.communicate(timeout=300)[0].count("trial") for process in both]
    assert [process.returncode for process in both] == [0, 0]
    trials = open_study(url, "shared", "roc_auc", 0).get_trials(
        states=(TrialState.COMPLETE, TrialState.PRUNED)
    )
    assert len(trials) == sum(made)
    assert len(trials) == 8


def test_trials_of_a_killed_process_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/studies.db"
    process = subprocess.Popen(
        [sys.executable, "-c", TUNE, url, "1", str(Path(__file__).parents[2])],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "trial\n"
    process.kill()
    process.wait(timeout=60)
    process.stdout.close()
    study = open_study(url, "shared", "roc_auc", 0)
    before = len(study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED)))
    assert before >= 1
    made: list[int] = []
    tune(
        build_problem(
            build_use_case(Task.BINARY, KNN), SCHEMA, generate_rows(Task.BINARY, 300), seed=0, threads=1
        ),
        KNN,
        study,
        TuningBudget(trials=before + 2, seconds=600),
        start={},
        on_trial=lambda trial: made.append(trial.number),
    )
    assert len(made) == 2


def test_time_that_is_up_still_makes_one_trial(tmp_path: Path) -> None:
    made = build_problem(
        build_use_case(Task.BINARY, TREE), SCHEMA, generate_rows(Task.BINARY, 200), seed=0, threads=1
    )
    study = open_study(f"sqlite:///{tmp_path}/studies.db", "late", "roc_auc", 0)
    best = tune(
        made, TREE, study, TuningBudget(trials=5, seconds=0), start=TREE.start, on_trial=lambda _: None
    )
    assert best.params == {"max_depth": 4}
    assert len(study.trials) == 1


def test_a_study_database_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "studies.db").write_text("no database")
    with pytest.raises(TrainingError, match="SERVICIO_ML_STUDY_URL"):
        open_study(f"sqlite:///{tmp_path}/studies.db", "x", "roc_auc", 0)
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(tmp_path / "studies.db").execute("select * from studies")


def test_windows_by_date_never_look_ahead() -> None:
    use_case = build_use_case(Task.BINARY, TREE, split=DateSplit(field="day", folds=4), event_date="day")
    made = build_problem(use_case, SCHEMA, generate_rows(Task.BINARY, 500), seed=0, threads=1)
    days = made.matrix[:, 0]
    assert len(made.folds) == 4
    for fitted, valid in made.folds:
        assert days[fitted].max() < days[valid].min()
    validated = np.concatenate([valid for _, valid in made.folds])
    assert len(np.unique(validated)) == len(validated)
    assert 0.4 * len(days) < len(validated) < 0.6 * len(days)


def test_refining_varies_numbers_only_and_a_little() -> None:
    candidate = Candidate(
        name="x", family="knn",
        space={
            "count": Integer(low=1, high=100), "rate": Real(low=0.001, high=1.0, log=True),
            "few": Integer(low=1, high=3), "kind": Choice(options=("a", "b")),
        },
    )  # fmt: skip
    near = narrow_space(candidate, {"count": 50, "rate": 0.98, "few": 1, "kind": "b"}, 0.1)
    assert near.space["count"] == Integer(low=45, high=55)
    rate = near.space["rate"]
    assert isinstance(rate, Real)
    assert rate.low == pytest.approx(0.882)
    assert rate.high == 1.0
    assert near.space["few"] == Integer(low=1, high=2)
    assert near.space["kind"] == Choice(options=("b",))


def test_a_study_database_that_fails_in_the_middle_is_named(tmp_path: Path) -> None:
    made = build_problem(
        build_use_case(Task.BINARY, TREE), SCHEMA, generate_rows(Task.BINARY, 200), seed=0, threads=1
    )
    study = open_study(f"sqlite:///{tmp_path}/studies.db", "broken", "roc_auc", 0)
    with sqlite3.connect(tmp_path / "studies.db") as database:
        database.execute("drop table trial_values")
    with pytest.raises(TrainingError, match="SERVICIO_ML_STUDY_URL"):
        tune(made, TREE, study, TuningBudget(trials=2, seconds=60), start={}, on_trial=lambda _: None)


def _build_result(
    candidate: Candidate, validation: float, error: float = 0.01, reason: str = ""
) -> CandidateResult:
    return CandidateResult(
        candidate=candidate.name, version=1, eligible=not reason, reason=reason, params={}, metrics={},
        validation=validation, validation_error=error, latency_seconds=0.0, parity=0.0, threshold=0.5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "first", "second", "expected"),
    [
        (Task.BINARY, 0.90, 0.905, "decision_tree"),
        (Task.BINARY, 0.89, 0.905, "knn"),
        (Task.BINARY, 0.91, 0.905, "decision_tree"),
        (Task.REGRESSION, 5.005, 5.0, "decision_tree"),
        (Task.REGRESSION, 5.02, 5.0, "knn"),
    ],
    ids=["within one error", "beyond it", "the best", "a loss within", "a loss beyond"],
)
def test_among_equals_the_candidate_named_first_wins(
    task: Task, first: float, second: float, expected: str
) -> None:
    use_case = build_use_case(task, TREE, KNN)
    assert (
        select_winner(use_case, [_build_result(TREE, first), _build_result(KNN, second)]).candidate
        == expected
    )
    lame = [_build_result(TREE, first, reason="slow"), _build_result(KNN, second)]
    assert select_winner(use_case, lame).candidate == "knn"
