import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from problems import rows
from servicio_ml.domain.prediction import Purpose
from servicio_ml.domain.use_case import Task
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.drift import Findings, Verdict, find, scores
from servicio_ml.pipeline.drift_window import sample
from windows import Asked, asked, truth

TASKS = {
    Task.BINARY: "artifact_folder", Task.MULTICLASS: "multiclass_folder", Task.REGRESSION: "regression_folder"
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> Asked:
    return asked(tmp_path, artifact_folder)


def found(made: Asked) -> Findings:
    return find(made.window, made.place.store)


def test_rows_like_the_training_rows(made: Asked) -> None:
    made.ask(rows(Task.BINARY, 2000, seed=9))
    told = found(made)
    assert not any(each.drifted for each in told.drift.features), told.ranked
    assert told.drift.rows == 2000
    assert told.apart is not None
    assert not told.apart.drifted
    assert {each.source for each in told.performance} == {"expected"}


def test_moved_rows_are_drift_and_come_first(made: Asked) -> None:
    frame = rows(Task.BINARY, 2000, seed=9).with_columns(pl.col("weight") + 2)
    ids = made.ask(frame)
    outcomes = made.artifact.predict(made.artifact.encoder.frame(frame)).outcomes
    made.tell(ids, outcomes.tolist())
    told = found(made)
    assert told.ranked[0].name == "weight"
    excess = [each.shift.psi / each.shift.threshold for each in told.ranked if each.shift]
    assert excess == sorted(excess, reverse=True)
    assert told.apart is not None
    assert told.apart.drifted
    assert next(iter(told.apart.features)) == "weight"
    assert "day" not in told.apart.features
    assert told.verdict is Verdict.DRIFT


@pytest.mark.parametrize(
    ("count", "impact"), [pytest.param(600, True, id="many"), pytest.param(90, False, id="few")]
)
def test_wrong_answers_are_impact(count: int, impact: bool, made: Asked) -> None:  # noqa: FBT001  a parameter
    frame = rows(Task.BINARY, count, seed=9)
    made.tell(made.ask(frame), [1 - each for each in truth(Task.BINARY, frame)])
    told = found(made)
    assert (told.verdict is Verdict.IMPACT) is impact
    realised = {each.metric: each for each in told.performance if each.source == "realised"}
    assert realised["accuracy"].rows == count
    assert realised["accuracy"].value < 0.3
    assert realised["accuracy"].beyond is impact


def test_unsure_answers_are_impact_before_any_truth(made: Asked) -> None:
    frame = rows(Task.BINARY, 800, seed=9)
    answers = made.artifact.predict(made.artifact.encoder.frame(frame))
    made.ask(frame, answers=replace(answers, probabilities=np.full((800, 2), 0.5)))
    told = found(made)
    assert told.verdict is Verdict.IMPACT
    assert {each.metric: each.value for each in told.performance}["accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_performance_is_that_of_the_textbook(
    task: Task, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = asked(tmp_path, request.getfixturevalue(TASKS[task]), task)
    frame = rows(task, 400, seed=9)
    real = truth(task, frame)
    made.tell(made.ask(frame), real)
    values = {each.metric: each.value for each in found(made).performance if each.source == "realised"}
    answers = made.artifact.predict(made.artifact.encoder.frame(frame)).outcomes
    if task is Task.REGRESSION:
        assert values == pytest.approx({"mae": metrics.mean_absolute_error(real, answers)})
        return
    f1 = metrics.f1_score(real, answers, average="macro")
    assert values == pytest.approx({"accuracy": metrics.accuracy_score(real, answers), "f1_macro": f1})


def test_scores_leave_out_a_class_that_never_was() -> None:
    confusion = np.array([[5.0, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert scores(confusion) == pytest.approx({"accuracy": 9 / 12, "f1_macro": (10 / 13 + 8 / 11) / 2})


def test_only_rows_of_the_version_count_whatever_their_purpose(made: Asked) -> None:
    frame = rows(Task.BINARY, 60, seed=9)
    made.ask(frame, purpose=Purpose.SHADOW)
    made.tell(made.ask(frame, version=2), truth(Task.BINARY, frame))
    told = found(made)
    assert told.drift.rows == 60
    assert {each.source for each in told.performance} == {"expected"}


def test_a_window_without_rows(made: Asked) -> None:
    told = found(made)
    assert (told.drift.rows, told.verdict, told.performance, told.apart) == (0, Verdict.NONE, [], None)
    document = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert {each["psi"] for each in document["columns"]} == {None}


def test_without_training_rows_the_indices_are_told_all_the_same(made: Asked) -> None:
    made.ask(rows(Task.BINARY, 500, seed=9))
    whole = found(made)
    made.place.publish(Task.BINARY, seed=5)
    told = found(made)
    assert told.apart is None
    assert "published anew" in told.note
    assert [each.shift for each in told.ranked] == [each.shift for each in whole.ranked]


def test_few_rows_are_not_told_apart(made: Asked) -> None:
    made.ask(rows(Task.BINARY, 1, seed=9))
    told = found(made)
    assert told.apart is None
    assert "50 rows" in told.note
    assert told.verdict is Verdict.NONE


def test_the_document(made: Asked) -> None:
    made.ask(rows(Task.BINARY, 200, seed=9).with_columns(size=pl.lit(None, dtype=pl.Float64)))
    document: dict[str, Any] = json.loads(json.dumps(found(made).to_json(), allow_nan=False))
    first = document["columns"][0]
    assert (first["name"], first["missing"], first["drifted"]) == ("size", 1.0, True)
    assert document["columns"][-1]["name"]
    assert (document["model"], document["version"], document["verdict"]) == ("small", 1, "drift")
    assert document["multivariate"]["drifted"] is True
    assert {each["kind"] for each in document["columns"]} == {"feature", "prediction"}


class TestSample:
    def test_small_windows_are_kept_whole(self, made: Asked) -> None:
        frame = rows(Task.BINARY, 300, seed=9)
        made.ask(frame)
        some = sample(made.window, 300, np.random.default_rng(0))
        whole = made.artifact.encoder.frame(frame)
        np.testing.assert_array_equal(some.matrix, whole[:, :4])
        expected = made.artifact.predict(whole)
        np.testing.assert_array_equal(some.answers.outcomes, expected.outcomes)
        np.testing.assert_array_equal(some.answers.probabilities, expected.probabilities)

    def test_large_ones_are_drawn_from_evenly_in_order(self, made: Asked) -> None:
        frame = rows(Task.BINARY, 1000, seed=9).with_columns(weight=pl.int_range(1000).cast(pl.Float64))
        for part in range(4):
            made.ask(frame[part * 250 : part * 250 + 250])
        places = np.concatenate(
            [sample(made.window, 100, np.random.default_rng(i)).matrix[:, 2] for i in range(40)]
        )
        assert len(places) == 4000
        assert (np.diff(places.reshape(40, 100)) > 0).all()
        quarters = np.bincount((places // 250).astype(int))
        assert quarters == pytest.approx(np.full(4, 1000), abs=120)

    def test_confusion_is_of_all_rows(self, made: Asked) -> None:
        frame = rows(Task.BINARY, 500, seed=9)
        made.ask(frame)
        some = sample(made.window, 10, np.random.default_rng(0))
        answers: Predictions = made.artifact.predict(made.artifact.encoder.frame(frame))
        assert answers.probabilities is not None
        assert some.confusion.sum(axis=0) == pytest.approx(answers.probabilities.sum(axis=0))
        assert some.confusion.sum(axis=1) == pytest.approx(np.bincount(answers.outcomes.astype(int)))
