"""An artifact that is incomplete or answers otherwise than it should is refused."""

import json
import shutil
from pathlib import Path

import pytest

from problems import SCHEMA, rows, small
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import FILES, GOLDEN, MODEL, OUTPUT, load_artifact
from servicio_ml.pipeline.finish import finish
from servicio_ml.pipeline.rows import holdout, problem


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    candidate = Candidate(name="decision_tree", family="decision_tree", max_latency_seconds=1.0)
    use_case = small(Task.BINARY, candidate)
    made = problem(use_case, SCHEMA, rows(Task.BINARY, 300), seed=0, threads=1)
    folder = tmp_path_factory.mktemp("artifact") / "model"
    test = holdout(use_case, SCHEMA, rows(Task.BINARY, 100, seed=1))
    finish(made, test, candidate, {"max_depth": 4}, folder, "test")
    return folder


def test_a_whole_artifact_replays(artifact: Path) -> None:
    load_artifact(artifact).replay()


@pytest.mark.parametrize("name", [name for name in FILES if name != "card.md"])
@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_damaged_file_is_named(artifact: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact, folder)
    if damage == "absent":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(ArtifactError, match=name):
        load_artifact(folder)


def test_another_answer_to_a_golden_row_is_refused(artifact: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact, folder)
    document = json.loads((folder / OUTPUT).read_text())
    table = document["tables"][0]
    table["probabilities"] = [0.5 for _ in table["scores"]]
    (folder / OUTPUT).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="golden row"):
        load_artifact(folder).replay()


def test_a_document_without_a_key_is_refused(artifact: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact, folder)
    (folder / GOLDEN).write_text("{}")
    with pytest.raises(ArtifactError, match="model"):
        load_artifact(folder)
    assert (folder / MODEL).exists()
