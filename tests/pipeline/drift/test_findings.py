import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn import metrics

from drift_fixture import DriftFixture, create_drift_fixture, encode_ground_truth
from servicio_ml.domain.prediction import Purpose
from servicio_ml.domain.use_case import Task
from servicio_ml.features.output import Predictions
from servicio_ml.pipeline.drift.findings import DriftFindings, DriftVerdict, analyze_window
from servicio_ml.pipeline.drift.performance import compute_confusion_scores
from servicio_ml.pipeline.drift.window import sample_window
from small_use_case import generate_rows

TASKS = {
    Task.BINARY: "artifact_folder", Task.MULTICLASS: "multiclass_folder", Task.REGRESSION: "regression_folder"
}  # fmt: skip


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> DriftFixture:
    return create_drift_fixture(tmp_path, artifact_folder)


def find_drift(made: DriftFixture) -> DriftFindings:
    return analyze_window(made.window, made.place.store)


def test_rows_like_the_training_rows(made: DriftFixture) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 2000, seed=9))
    findings = find_drift(made)
    assert not any(each.drifted for each in findings.drift.features), findings.ranked
    assert findings.drift.rows == 2000
    assert findings.classifier is not None
    assert not findings.classifier.drifted
    assert {each.source for each in findings.performance} == {"expected"}


def test_moved_rows_are_drift_and_come_first(made: DriftFixture) -> None:
    frame = generate_rows(Task.BINARY, 2000, seed=9).with_columns(pl.col("weight") + 2)
    ids = made.log_predictions(frame)
    outcomes = made.artifact.predict(made.artifact.encoder.encode_frame(frame)).outcomes
    made.report_ground_truth(ids, outcomes.tolist())
    findings = find_drift(made)
    assert findings.ranked[0].name == "weight"
    excess = [each.shift.psi / each.shift.threshold for each in findings.ranked if each.shift]
    assert excess == sorted(excess, reverse=True)
    assert findings.classifier is not None
    assert findings.classifier.drifted
    assert next(iter(findings.classifier.features)) == "weight"
    assert "day" not in findings.classifier.features
    assert findings.verdict is DriftVerdict.DRIFT
    assert "`servicio-ml train small`" in findings.proposal
    # without ground truth nobody knows whether the performance holds
    assert replace(findings, performance=()).proposal == ""


@pytest.mark.parametrize(
    ("count", "impact"), [pytest.param(600, True, id="many"), pytest.param(90, False, id="few")]
)
def test_wrong_answers_are_impact(count: int, impact: bool, made: DriftFixture) -> None:  # noqa: FBT001  a parameter
    frame = generate_rows(Task.BINARY, count, seed=9)
    made.report_ground_truth(
        made.log_predictions(frame), [1 - each for each in encode_ground_truth(Task.BINARY, frame)]
    )
    findings = find_drift(made)
    assert (findings.verdict is DriftVerdict.IMPACT) is impact
    assert not (impact and findings.proposal)
    realised = {each.metric: each for each in findings.performance if each.source == "realised"}
    assert realised["accuracy"].rows == count
    assert realised["accuracy"].value < 0.3
    assert realised["accuracy"].beyond is impact


def test_unsure_answers_are_impact_before_any_truth(made: DriftFixture) -> None:
    frame = generate_rows(Task.BINARY, 800, seed=9)
    answers = made.artifact.predict(made.artifact.encoder.encode_frame(frame))
    made.log_predictions(frame, answers=replace(answers, probabilities=np.full((800, 2), 0.5)))
    findings = find_drift(made)
    assert findings.verdict is DriftVerdict.IMPACT
    assert {each.metric: each.value for each in findings.performance}["accuracy"] == pytest.approx(0.5)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_performance_is_that_of_the_textbook(
    task: Task, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = create_drift_fixture(tmp_path, request.getfixturevalue(TASKS[task]), task)
    frame = generate_rows(task, 400, seed=9)
    real = encode_ground_truth(task, frame)
    made.report_ground_truth(made.log_predictions(frame), real)
    values = {each.metric: each.value for each in find_drift(made).performance if each.source == "realised"}
    answers = made.artifact.predict(made.artifact.encoder.encode_frame(frame)).outcomes
    if task is Task.REGRESSION:
        mae, rmse = (
            each(real, answers) for each in (metrics.mean_absolute_error, metrics.root_mean_squared_error)
        )
        assert values == pytest.approx({"mae": mae, "rmse": rmse})
        return
    f1 = metrics.f1_score(real, answers, average="macro")
    if task is Task.BINARY:
        scores = made.artifact.predict(made.artifact.encoder.encode_frame(frame)).binned_values
        assert values.pop("roc_auc") == pytest.approx(metrics.roc_auc_score(real, scores), abs=0.02)
    assert values == pytest.approx({"accuracy": metrics.accuracy_score(real, answers), "f1_macro": f1})


def test_expected_errors_are_those_of_the_error_model(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = create_drift_fixture(tmp_path, request.getfixturevalue("regression_folder"), Task.REGRESSION)
    assert made.artifact.uncertainty is not None
    frame = generate_rows(Task.REGRESSION, 400, seed=9)
    made.log_predictions(frame)
    matrix = made.artifact.encoder.encode_frame(frame)
    errors = made.artifact.uncertainty.estimate_errors(matrix, made.artifact.predict(matrix))
    found = {each.metric: each for each in find_drift(made).performance if each.source == "expected"}
    assert found["mae"].value == pytest.approx(errors.mean())
    assert found["rmse"].value > found["mae"].value
    assert found["rmse"].limit is None
    assert not found["mae"].beyond


def test_expected_errors_beyond_the_limit_are_impact(tmp_path: Path, regression_folder: Path) -> None:
    made = create_drift_fixture(tmp_path, regression_folder, Task.REGRESSION)
    uncertainty = made.artifact.uncertainty
    assert uncertainty is not None
    assert uncertainty.error_model is not None
    worse = replace(uncertainty, error_model=replace(uncertainty.error_model, ratio=10.0))
    made.log_predictions(generate_rows(Task.REGRESSION, 400, seed=9))
    window = replace(made.window, artifact=replace(made.artifact, uncertainty=worse))
    findings = analyze_window(window, made.place.store)
    assert findings.verdict is DriftVerdict.IMPACT


def test_scores_leave_out_a_class_that_never_was() -> None:
    confusion = np.array([[5.0, 1, 0], [2, 4, 0], [0, 0, 0]])
    assert compute_confusion_scores(confusion) == pytest.approx(
        {"accuracy": 9 / 12, "f1_macro": (10 / 13 + 8 / 11) / 2}
    )


def test_only_rows_of_the_version_count_whatever_their_purpose(made: DriftFixture) -> None:
    frame = generate_rows(Task.BINARY, 60, seed=9)
    made.log_predictions(frame, purpose=Purpose.SHADOW)
    made.report_ground_truth(made.log_predictions(frame, version=2), encode_ground_truth(Task.BINARY, frame))
    findings = find_drift(made)
    assert findings.drift.rows == 60
    assert {each.source for each in findings.performance} == {"expected"}


def test_a_window_without_rows(made: DriftFixture) -> None:
    findings = find_drift(made)
    assert (findings.drift.rows, findings.verdict, findings.performance, findings.classifier) == (
        0,
        DriftVerdict.NONE,
        [],
        None,
    )
    document = json.loads(json.dumps(findings.to_json(), allow_nan=False))
    assert {each["psi"] for each in document["columns"]} == {None}


def test_without_training_rows_the_indices_are_reported_all_the_same(made: DriftFixture) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 500, seed=9))
    complete = find_drift(made)
    made.place.publish(Task.BINARY, seed=5)
    findings = find_drift(made)
    assert findings.classifier is None
    assert "published anew" in findings.note
    assert [each.shift for each in findings.ranked] == [each.shift for each in complete.ranked]


def test_few_rows_are_not_classified(made: DriftFixture) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 1, seed=9))
    findings = find_drift(made)
    assert findings.classifier is None
    assert "50 rows" in findings.note
    assert findings.verdict is DriftVerdict.NONE


def test_the_document(made: DriftFixture) -> None:
    made.log_predictions(
        generate_rows(Task.BINARY, 200, seed=9).with_columns(size=pl.lit(None, dtype=pl.Float64))
    )
    document: dict[str, Any] = json.loads(json.dumps(find_drift(made).to_json(), allow_nan=False))
    first = document["columns"][0]
    assert (first["name"], first["missing"], first["drifted"]) == ("size", 1.0, True)
    assert document["columns"][-1]["name"]
    assert (document["model"], document["version"], document["verdict"]) == ("small", 1, "drift")
    assert document["multivariate"]["drifted"] is True
    assert {each["kind"] for each in document["columns"]} == {"feature", "prediction"}


class TestSample:
    def test_small_windows_are_kept_whole(self, made: DriftFixture) -> None:
        frame = generate_rows(Task.BINARY, 300, seed=9)
        made.log_predictions(frame)
        some = sample_window(made.window, 300, np.random.default_rng(0))
        whole = made.artifact.encoder.encode_frame(frame)
        np.testing.assert_array_equal(some.matrix, whole[:, :4])
        expected = made.artifact.predict(whole)
        np.testing.assert_array_equal(some.answers.outcomes, expected.outcomes)
        np.testing.assert_array_equal(some.answers.probabilities, expected.probabilities)

    def test_large_ones_are_drawn_from_evenly_in_order(self, made: DriftFixture) -> None:
        frame = generate_rows(Task.BINARY, 1000, seed=9).with_columns(
            weight=pl.int_range(1000).cast(pl.Float64)
        )
        for part in range(4):
            made.log_predictions(frame[part * 250 : part * 250 + 250])
        places = np.concatenate(
            [sample_window(made.window, 100, np.random.default_rng(i)).matrix[:, 2] for i in range(40)]
        )
        assert len(places) == 4000
        assert (np.diff(places.reshape(40, 100)) > 0).all()
        quarters = np.bincount((places // 250).astype(int))
        assert quarters == pytest.approx(np.full(4, 1000), abs=120)

    def test_confusion_is_of_all_rows(self, made: DriftFixture) -> None:
        frame = generate_rows(Task.BINARY, 500, seed=9)
        made.log_predictions(frame)
        some = sample_window(made.window, 10, np.random.default_rng(0))
        answers: Predictions = made.artifact.predict(made.artifact.encoder.encode_frame(frame))
        assert answers.probabilities is not None
        assert some.expected.confusion.sum(axis=0) == pytest.approx(answers.probabilities.sum(axis=0))
        assert some.expected.confusion.sum(axis=1) == pytest.approx(np.bincount(answers.outcomes.astype(int)))
