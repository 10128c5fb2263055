from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services import ServiceFixture, create_service
from servicio_ml.domain.drift import compute_threshold
from servicio_ml.domain.prediction import Interface, Purpose
from servicio_ml.domain.use_case import Task
from servicio_ml.features import window_drift
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.rest.drift import DriftState, compute_drift_state
from small_use_case import generate_rows

HOUR = 3600.0


def build_matrix(made: ServiceFixture, count: int, seed: int = 5, task: Task = Task.BINARY) -> Matrix:
    loaded_model = made.service.models.get_champion(made.model)
    return loaded_model.artifact.encoder.encode_frame(generate_rows(task, count, seed).drop("outcome"))


def predict(
    made: ServiceFixture, matrix: Matrix, *, batch: int = 50, purpose: Purpose = Purpose.ANSWER
) -> None:
    loaded_model, predictor = made.service.models.get_champion(made.model), made.service.predictor
    for start in range(0, len(matrix), batch):
        predictor.score_sync(loaded_model, matrix[start : start + batch], Interface.REST, purpose)


def compute_state(made: ServiceFixture, start: float = -HOUR, end: float = 1.0) -> DriftState:
    loaded_model = made.service.models.get_champion(made.model)
    return compute_drift_state(loaded_model, made.service.log, made.clock.now + start, made.clock.now + end)


def list_drifted(of: DriftState) -> set[str]:
    return {each.name for each in (*of.features, of.prediction) if each.drifted}


def test_same_kind_of_rows_do_not_drift(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    predict(made, build_matrix(made, 2000))
    result = compute_state(made)
    assert list_drifted(result) == set()
    assert result.drifted_share == 0
    assert (result.rows, result.reference_rows, result.version) == (2000, 300, 1)
    assert [each.name for each in result.features] == ["day", "size", "weight", "colour"]


def test_a_shifted_field_drifts_and_the_prediction_with_it(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    matrix = build_matrix(made, 2000)
    matrix[:, 1] += 2
    predict(made, matrix)
    result = compute_state(made)
    assert list_drifted(result) == {"size", "prediction"}
    assert result.drifted_share == 0.25


def test_more_missing_values_are_reported_as_drift(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    matrix = build_matrix(made, 1000)
    matrix[:800, 1] = np.nan
    predict(made, matrix)
    size = next(each for each in compute_state(made).features if each.name == "size")
    assert size.drifted
    assert size.missing is not None
    assert size.missing > 0.8
    assert 0.05 < size.reference_missing < 0.15
    assert size.current["missing"] == size.missing
    assert size.reference["missing"] == size.reference_missing


def test_features_share_the_rate_of_false_alarms(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    predict(made, build_matrix(made, 50))
    result = compute_state(made)
    policy = made.service.models.get_champion("small").artifact.reference.policy
    for column in result.features:
        expected = compute_threshold(
            bins=len(column.reference), rows=50, reference_rows=result.reference_rows, columns=4,
            policy=policy,
        )  # fmt: skip
        assert column.threshold == expected > policy.practical_psi


def test_shares_are_those_of_the_rows(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    encoder = made.service.models.get_champion("small").artifact.encoder
    record: Mapping[str, Any] = {"day": "2020-01-31", "size": 1.0, "weight": 1.0}
    given = [*["red"] * 3, "green", None]
    predict(made, encoder.encode_records([{**record, "colour": colour} for colour in given]))
    colour = next(each for each in compute_state(made).features if each.name == "colour")
    assert colour.current == {"red": 0.6, "green": 0.2, "blue": 0, "missing": 0.2}
    assert list(colour.reference) == list(colour.current)
    assert sum(colour.reference.values()) == pytest.approx(1)


def test_window_without_rows(tmp_path: Path, artifact_folder: Path) -> None:
    result = compute_state(create_service(tmp_path, artifact_folder))
    assert result.rows == 0
    assert list_drifted(result) == set()
    assert (result.prediction.psi, result.prediction.threshold, result.prediction.missing) == (
        None,
        None,
        None,
    )
    assert result.prediction.current == {}


def test_window_holds_its_start_and_not_its_end(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    for hours in (0, 1, 2):
        made.clock.now += HOUR * hours
        predict(made, build_matrix(made, 10 + hours))
    assert compute_state(made, -3 * HOUR).rows == 10 + 11 + 12
    assert compute_state(made, -2 * HOUR).rows == 11 + 12
    assert compute_state(made, -2 * HOUR, 0.0).rows == 11


def test_rows_of_another_version_are_not_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    predict(made, build_matrix(made, 10))
    made.promote(artifact_folder)
    predict(made, build_matrix(made, 7))
    assert (compute_state(made).version, compute_state(made).rows) == (2, 7)


def test_every_purpose_is_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    for purpose in Purpose:
        predict(made, build_matrix(made, 5), purpose=purpose)
    assert compute_state(made).rows == 15


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION], ids=str)
def test_prediction_of_the_other_tasks(
    task: Task, tmp_path: Path, multiclass_folder: Path, regression_folder: Path
) -> None:
    made = create_service(tmp_path, multiclass_folder if task is Task.MULTICLASS else regression_folder)
    predict(made, build_matrix(made, 500, task=task))
    calm = compute_state(made).prediction
    assert not calm.drifted
    assert sum(calm.current.values()) == pytest.approx(1)
    matrix = build_matrix(made, 3000, task=task)
    matrix[:, 1] += 3
    predict(made, matrix)
    assert compute_state(made).prediction.drifted
    if task is Task.MULTICLASS:
        assert list(calm.current) == ["low", "middle", "high", "missing"]


def test_agrees_with_the_counters(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    predict(made, build_matrix(made, 777), batch=10)
    ((head, counts),) = made.bin_counts.sum_versions()
    columns = head.split_counts(counts).columns
    result = compute_state(made)
    for column, counts_of_server in zip((*result.features, result.prediction), columns, strict=True):
        assert list(column.current.values()) == pytest.approx((counts_of_server / 777).tolist())


@pytest.mark.parametrize("block", [1, 7, 1000], ids=str)
def test_blocks_change_nothing(
    block: int, tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = create_service(tmp_path, artifact_folder)
    predict(made, build_matrix(made, 100), batch=3)
    all_columns = compute_state(made)
    monkeypatch.setattr(window_drift, "BLOCK_ROWS", block)
    assert compute_state(made) == all_columns
