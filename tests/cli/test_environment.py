"""`servicio-ml environment`: what a user types, what is left, and that the model then runs in it."""

import hashlib
import json
import shutil
import sysconfig
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.cli.app import app
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import load_version
from servicio_ml.features.isolated import environments
from servicio_ml.features.isolated.environments import name_environment
from servicio_ml.features.isolated.scorer import IsolatedScorer
from servicio_ml.features.isolated.worker_document import WORKER

MODEL, PACKAGE = "unheard_of", "links_libraries"
pytestmark = pytest.mark.slow
WHEEL = f"{PACKAGE}-1.0-py3-none-any.whl"


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["environment", *words])


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MlflowRegistry]:
    """An empty registry; pip finds one wheel, which makes the libraries of this environment importable."""
    for name in ("MLFLOW_URL", "ENVIRONMENTS_DIR"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with zipfile.ZipFile(tmp_path / WHEEL, "w") as wheel:
        head = f"{PACKAGE}-1.0.dist-info"
        wheel.writestr(f"{PACKAGE}.pth", sysconfig.get_path("purelib") + "\n")
        wheel.writestr(f"{head}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
        wheel.writestr(f"{head}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{head}/RECORD", "")
    before = environments._Folder.path
    yield MlflowRegistry(connect("", tmp_path / "state"))
    environments.set_environments_folder(before)


def _register(registry: MlflowRegistry, tmp_path: Path, artifact: Path) -> None:
    with MlflowTracker(connect("", tmp_path / "state")).open_run(MODEL, "train") as made:
        registry.register(MODEL, artifact, run_id=made.id, tags={})


def test_the_environment_is_made_once_and_runs_the_model(
    registry: MlflowRegistry, tmp_path: Path, isolated_folder: Path
) -> None:
    folder = tmp_path / "artifact"
    shutil.copytree(isolated_folder, folder)
    digest = hashlib.sha256((tmp_path / WHEEL).read_bytes()).hexdigest()
    (folder / "requirements.txt").write_text(f"{PACKAGE}==1.0 --hash=sha256:{digest}\n")
    name = name_environment(folder / "requirements.txt")
    document = json.loads((folder / WORKER).read_text())
    document |= {"python": name, "requirements": "requirements.txt"}
    (folder / WORKER).write_text(json.dumps(document))
    _register(registry, tmp_path, folder)
    made = tmp_path / "state" / "environments" / name
    environments.set_environments_folder(made.parent)
    with pytest.raises(ArtifactError, match="run `servicio-ml environment"):
        load_version(registry, registry.get_version(MODEL, 1))

    done = [run(MODEL, "--version", "1", *options) for options in ([], ["--json"])]
    assert [each.exit_code for each in done] == [0, 0], done
    assert done[0].stdout == f"{MODEL} version 1: {made}\n"
    assert json.loads(done[1].stdout) == {"model": MODEL, "version": 1, "environment": str(made)}

    artifact = load_version(registry, registry.get_version(MODEL, 1))
    assert isinstance(artifact.scorer, IsolatedScorer)
    command = Path(f"/proc/{artifact.scorer.process_id}/cmdline").read_bytes().split(b"\0")
    assert command[0].decode() == str(made / "bin" / "python")


def test_a_model_in_onnx_needs_none(registry: MlflowRegistry, tmp_path: Path, artifact_folder: Path) -> None:
    _register(registry, tmp_path, artifact_folder)
    done = run(MODEL, "--version", "1")
    assert (done.exit_code, done.stdout) == (0, f"{MODEL} version 1: it needs no environment\n")


def test_requirements_of_another_name_are_refused(
    registry: MlflowRegistry, tmp_path: Path, isolated_folder: Path
) -> None:
    folder = tmp_path / "artifact"
    shutil.copytree(isolated_folder, folder)
    (folder / "requirements.txt").write_text("made-up==1.0\n")
    document = json.loads((folder / WORKER).read_text())
    (folder / WORKER).write_text(json.dumps({**document, "python": "a", "requirements": "requirements.txt"}))
    _register(registry, tmp_path, folder)
    done = run(MODEL, "--version", "1")
    assert done.exit_code == 1
    assert "names the environment a, but its requirements are those of" in done.stderr
