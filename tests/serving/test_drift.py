from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from problems import rows
from services import Bench, bench
from servicio_ml.domain.drift import threshold
from servicio_ml.domain.prediction import Protocol, Purpose
from servicio_ml.domain.use_case import Task
from servicio_ml.features import drift
from servicio_ml.features.encoder import Matrix
from servicio_ml.serving.drift import DriftState, state

HOUR = 3600.0


def matrix_of(made: Bench, count: int, seed: int = 5, task: Task = Task.BINARY) -> Matrix:
    served = made.service.models.champion(made.model)
    return served.artifact.encoder.frame(rows(task, count, seed).drop("outcome"))


def predict(made: Bench, matrix: Matrix, *, batch: int = 50, purpose: Purpose = Purpose.ANSWER) -> None:
    served, predictor = made.service.models.champion(made.model), made.service.predictor
    for start in range(0, len(matrix), batch):
        predictor.answer_now(served, matrix[start : start + batch], Protocol.REST, purpose)


def found(made: Bench, start: float = -HOUR, end: float = 1.0) -> DriftState:
    served = made.service.models.champion(made.model)
    return state(served, made.service.log, made.watch.now + start, made.watch.now + end)


def drifted(of: DriftState) -> set[str]:
    return {each.name for each in (*of.features, of.prediction) if each.drifted}


def test_same_kind_of_rows_do_not_drift(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    predict(made, matrix_of(made, 2000))
    told = found(made)
    assert drifted(told) == set()
    assert told.drifted_share == 0
    assert (told.rows, told.reference_rows, told.version) == (2000, 300, 1)
    assert [each.name for each in told.features] == ["day", "size", "weight", "colour"]


def test_a_shifted_field_drifts_and_the_prediction_with_it(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    matrix = matrix_of(made, 2000)
    matrix[:, 1] += 2
    predict(made, matrix)
    told = found(made)
    assert drifted(told) == {"size", "prediction"}
    assert told.drifted_share == 0.25


def test_more_missing_values_are_drift_and_told(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    matrix = matrix_of(made, 1000)
    matrix[:800, 1] = np.nan
    predict(made, matrix)
    size = next(each for each in found(made).features if each.name == "size")
    assert size.drifted
    assert size.missing is not None
    assert size.missing > 0.8
    assert 0.05 < size.reference_missing < 0.15
    assert size.current["missing"] == size.missing
    assert size.reference["missing"] == size.reference_missing


def test_features_share_the_rate_of_false_alarms(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    predict(made, matrix_of(made, 50))
    told = found(made)
    policy = made.service.models.champion("small").artifact.reference.policy
    for column in told.features:
        expected = threshold(
            bins=len(column.reference), rows=50, reference_rows=told.reference_rows, columns=4,
            policy=policy,
        )  # fmt: skip
        assert column.threshold == expected > policy.practical_psi


def test_shares_are_those_of_the_rows(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    encoder = made.service.models.champion("small").artifact.encoder
    record: Mapping[str, Any] = {"day": "2020-01-31", "size": 1.0, "weight": 1.0}
    given = [*["red"] * 3, "green", None]
    predict(made, encoder.records([{**record, "colour": colour} for colour in given]))
    colour = next(each for each in found(made).features if each.name == "colour")
    assert colour.current == {"red": 0.6, "green": 0.2, "blue": 0, "missing": 0.2}
    assert list(colour.reference) == list(colour.current)
    assert sum(colour.reference.values()) == pytest.approx(1)


def test_window_without_rows(tmp_path: Path, artifact_folder: Path) -> None:
    told = found(bench(tmp_path, artifact_folder))
    assert told.rows == 0
    assert drifted(told) == set()
    assert (told.prediction.psi, told.prediction.threshold, told.prediction.missing) == (None, None, None)
    assert told.prediction.current == {}


def test_window_holds_its_start_and_not_its_end(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    for hours in (0, 1, 2):
        made.watch.now += HOUR * hours
        predict(made, matrix_of(made, 10 + hours))
    assert found(made, -3 * HOUR).rows == 10 + 11 + 12
    assert found(made, -2 * HOUR).rows == 11 + 12
    assert found(made, -2 * HOUR, 0.0).rows == 11


def test_rows_of_another_version_are_not_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    predict(made, matrix_of(made, 10))
    made.promote(artifact_folder)
    predict(made, matrix_of(made, 7))
    assert (found(made).version, found(made).rows) == (2, 7)


def test_every_purpose_is_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    for purpose in Purpose:
        predict(made, matrix_of(made, 5), purpose=purpose)
    assert found(made).rows == 15


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION], ids=str)
def test_prediction_of_the_other_tasks(
    task: Task, tmp_path: Path, multiclass_folder: Path, regression_folder: Path
) -> None:
    made = bench(tmp_path, multiclass_folder if task is Task.MULTICLASS else regression_folder)
    predict(made, matrix_of(made, 500, task=task))
    calm = found(made).prediction
    assert not calm.drifted
    assert sum(calm.current.values()) == pytest.approx(1)
    matrix = matrix_of(made, 3000, task=task)
    matrix[:, 1] += 3
    predict(made, matrix)
    assert found(made).prediction.drifted
    if task is Task.MULTICLASS:
        assert list(calm.current) == ["low", "middle", "high", "missing"]


def test_agrees_with_the_counters(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    predict(made, matrix_of(made, 777), batch=10)
    ((head, counts),) = made.tallies.totals()
    columns = head.split(counts).columns
    told = found(made)
    for column, counted in zip((*told.features, told.prediction), columns, strict=True):
        assert list(column.current.values()) == pytest.approx((counted / 777).tolist())


@pytest.mark.parametrize("block", [1, 7, 1000], ids=str)
def test_blocks_change_nothing(
    block: int, tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = bench(tmp_path, artifact_folder)
    predict(made, matrix_of(made, 100), batch=3)
    whole = found(made)
    monkeypatch.setattr(drift, "BLOCK_ROWS", block)
    assert found(made) == whole
