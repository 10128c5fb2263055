"""An artifact that is incomplete or answers otherwise than it should is refused."""

import json
import shutil
from pathlib import Path

import pytest

from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import FILES, GOLDEN, MODEL, OUTPUT, load_artifact


def test_a_whole_artifact_replays(artifact_folder: Path) -> None:
    artifact = load_artifact(artifact_folder)
    artifact.check_golden_rows()
    assert len(artifact.golden["answers"]) == len(artifact.golden["records"]) > 1


@pytest.mark.parametrize("name", [name for name in FILES if name != "card.md"])
@pytest.mark.parametrize("damage", ["absent", "cut"])
def test_a_damaged_file_is_named(artifact_folder: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact_folder, folder)
    if damage == "absent":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(ArtifactError, match=name):
        load_artifact(folder)


def test_another_answer_to_a_golden_row_is_refused(artifact_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact_folder, folder)
    document = json.loads((folder / OUTPUT).read_text())
    table = document["tables"][0]
    table["probabilities"] = [0.5 for _ in table["scores"]]
    (folder / OUTPUT).write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match="golden row"):
        load_artifact(folder).check_golden_rows()


def test_a_document_without_a_key_is_refused(artifact_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(artifact_folder, folder)
    (folder / GOLDEN).write_text("{}")
    with pytest.raises(ArtifactError, match="model"):
        load_artifact(folder)
    assert (folder / MODEL).exists()
