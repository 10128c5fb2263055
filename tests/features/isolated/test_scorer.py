"""An isolated model scores like any other: from an artifact, with golden rows, explanations and all."""

import gc
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from hostile_estimator import ACT, NUMBER, OK
from isolated_models import COLUMNS, fit_pipeline, wait_until_ended, write_hostile_artifact
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import ArtifactError, ModelFailureError, ModelWorkerError, WorkerFailure
from servicio_ml.features.artifact import GOLDEN, MODEL, Artifact, load_artifact
from servicio_ml.features.explain import explain, get_background
from servicio_ml.features.isolated.scorer import IsolatedScorer
from servicio_ml.features.isolated.worker_document import WORKER
from servicio_ml.features.runtimes.scorer import Runtime
from small_use_case import generate_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return load_artifact(write_hostile_artifact(tmp_path_factory.mktemp("hostile") / "model"))


def _get_process(artifact: Artifact) -> int:
    assert isinstance(artifact.scorer, IsolatedScorer)
    process = artifact.scorer.process_id
    assert process is not None
    return process


def test_it_scores_as_the_original_does(isolated_folder: Path) -> None:
    artifact, pipeline = load_artifact(isolated_folder), fit_pipeline()
    assert isinstance(pipeline, Pipeline)
    artifact.check_golden_rows()
    rows = generate_rows(Task.BINARY, 500, seed=3)
    frame = pd.DataFrame({name: rows[field].to_pandas() for name, field, _ in COLUMNS})
    expected = pipeline.predict_proba(frame)
    found = artifact.predict(artifact.encoder.encode_frame(rows)).probabilities
    assert found is not None
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert (artifact.scorer.runtime, artifact.scorer.row_seconds) == (Runtime.ISOLATED_PROCESS, 0.001)


def test_it_is_explained_like_any_other(isolated_folder: Path) -> None:
    artifact = load_artifact(isolated_folder)
    background = get_background(artifact)
    found = explain(artifact, background[:1], background, pairs=1)
    assert sum(found.contributions.values()) == pytest.approx(found.score - found.base)
    # the pipeline does not read it
    assert found.contributions["day"] == 0
    assert found.contributions["size"] != 0


def test_another_answer_to_a_golden_row_is_refused(isolated_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(isolated_folder, folder)
    golden = json.loads((folder / GOLDEN).read_text())
    golden["answers"][0]["probabilities"] = [0.5, 0.5]
    (folder / GOLDEN).write_text(json.dumps(golden))
    with pytest.raises(ArtifactError, match="golden row 0"):
        load_artifact(folder).check_golden_rows()


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda folder: (folder / MODEL).write_bytes(b"x"), "it has both model.onnx and worker.json"),
        (lambda folder: (folder / WORKER).write_text("{"), "worker.json"),
        (lambda folder: (folder / "model" / "estimator.pkl").unlink(), "'estimator.pkl' is not there"),
    ],
    ids=["two models", "cut document", "no model"],
)
def test_a_damaged_artifact_is_refused(
    isolated_folder: Path, tmp_path: Path, damage: Callable[[Path], object], problem: str
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(isolated_folder, folder)
    damage(folder)
    with pytest.raises(ArtifactError, match=problem):
        load_artifact(folder)


def test_a_pickle_that_cannot_be_loaded_is_refused(isolated_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(isolated_folder, folder)
    (folder / "model" / "value_clipper.py").unlink()
    with pytest.raises(ModelWorkerError, match="value_clipper"):
        load_artifact(folder)


def test_its_process_ends_with_it(isolated_folder: Path) -> None:
    artifact = load_artifact(isolated_folder)
    process = _get_process(artifact)
    del artifact
    gc.collect()
    wait_until_ended(process)


def test_many_rows_go_in_several_messages(hostile: Artifact) -> None:
    numbers = np.linspace(0, 1, 10_001, dtype=np.float32)
    matrix = np.column_stack([np.zeros_like(numbers), numbers])
    np.testing.assert_allclose(hostile.scorer.score(matrix)[:, 1], numbers, atol=1e-6)


@pytest.mark.parametrize(
    ("act", "number", "failure", "problem"),
    [
        ("wrong shape", 0.5, WorkerFailure.SCORES, r"shape \[2, 1\], not \[2, 2\]"),
        ("fewer rows", 0.5, WorkerFailure.SCORES, r"shape \[1, 2\], not \[2, 2\]"),
        ("text", 0.5, WorkerFailure.ERROR, "could not convert string to float"),
        (OK, float("nan"), WorkerFailure.SCORES, "score of row 0 is .*not finite"),
        (OK, 2.0, WorkerFailure.SCORES, "score of row 0 is .*no probabilities"),
    ],
)
def test_wrong_scores_are_refused(
    hostile: Artifact, act: str, number: float, failure: WorkerFailure, problem: str
) -> None:
    matrix = hostile.encoder.encode_records([{ACT: act, NUMBER: number}, {ACT: OK, NUMBER: 0.5}])
    with pytest.raises(ModelFailureError, match=problem) as raised:
        hostile.predict(matrix)
    assert raised.value.failure is failure
