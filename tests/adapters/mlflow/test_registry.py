"""Faults of the files of MLflow's registry."""

import shutil
from pathlib import Path

import pytest

from model_server import ModelShelf
from servicio_ml.errors import ArtifactError

pytestmark = pytest.mark.slow


@pytest.fixture
def shelf(tmp_path: Path, artifact_folder: Path) -> ModelShelf:
    made = ModelShelf(tmp_path)
    made.add("small", artifact_folder)
    return made


@pytest.mark.parametrize("name", ["model.onnx", "reference.json"])
def test_a_version_with_a_changed_byte_is_refused(shelf: ModelShelf, name: str) -> None:
    [file] = shelf.state.rglob(name)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        ArtifactError, match=r"small version 1: .*SHA-256 differs; restore them from a backup"
    ):
        shelf.registry.download("small", 1)


def test_a_restored_database_is_read_without_a_new_connection(
    shelf: ModelShelf, artifact_folder: Path
) -> None:
    database = shelf.state / "mlflow.db"
    backup = Path(shutil.copy(database, shelf.state / "backup.db"))
    shelf.add("small", artifact_folder)
    assert len(shelf.registry.list_versions("small")) == 2
    backup.replace(database)
    assert len(shelf.registry.list_versions("small")) == 1
    assert shelf.add("small", artifact_folder) == 2
