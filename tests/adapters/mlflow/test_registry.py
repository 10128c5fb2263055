"""Faults of the files of MLflow's registry."""

import shutil
from pathlib import Path

import pytest

from model_server import ModelShelf
from servicio_ml.adapters.mlflow.model_files import open_model_files
from servicio_ml.errors import ArtifactError, RegistryError

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


@pytest.mark.parametrize("uri", ["models:/pears/1", "models:/small/9"])
def test_a_model_that_mlflow_does_not_have_is_no_fault_of_the_server(shelf: ModelShelf, uri: str) -> None:
    problem = "not found; check the name, and SERVICIO_ML_MLFLOW_URL if it is in another MLflow"
    with pytest.raises(RegistryError, match=problem), open_model_files("", shelf.state, uri):
        pass
