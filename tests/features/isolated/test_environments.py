"""An environment is made from hashed requirements, complete or not at all, and once."""

import hashlib
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from servicio_ml.errors import ArtifactError, OutputError, ProgramError
from servicio_ml.features.isolated import environments
from servicio_ml.features.isolated.environments import (
    create_environment,
    find_interpreter,
    name_environment,
    set_environments_folder,
)

pytestmark = pytest.mark.slow
WHEEL = "made_up-1.0-py3-none-any.whl"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of environments; pip finds one wheel, and asks no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    with zipfile.ZipFile(wheels / WHEEL, "w") as wheel:
        head = "made_up-1.0.dist-info"
        wheel.writestr("made_up.py", "ANSWER = 42\n")
        wheel.writestr(f"{head}/METADATA", "Metadata-Version: 2.1\nName: made-up\nVersion: 1.0\n")
        wheel.writestr(f"{head}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{head}/RECORD", "")
    before = environments._Folder.path
    set_environments_folder(tmp_path / "environments")
    yield tmp_path
    set_environments_folder(before)


def _write_requirements(folder: Path, digest: str = "") -> Path:
    found = digest or hashlib.sha256((folder / "wheels" / WHEEL).read_bytes()).hexdigest()
    path = folder / "requirements.txt"
    path.write_text(f"made-up==1.0 --hash=sha256:{found}\n")
    return path


def test_an_environment_has_its_requirements_and_is_made_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = _write_requirements(folder)
    name = create_environment(requirements)
    assert name == name_environment(requirements)
    python = find_interpreter("small", name)
    done = subprocess.run(
        [python, "-I", "-c", "import made_up; print(made_up.ANSWER)"], capture_output=True, check=True
    )
    assert done.stdout == b"42\n"
    # nothing but the environment is left, and it is found again without pip
    assert [each.name for each in (folder / "environments").iterdir()] == [name]
    monkeypatch.setenv("PIP_FIND_LINKS", "/absent")
    assert create_environment(requirements) == name


def test_another_content_is_refused_and_leaves_nothing(folder: Path) -> None:
    requirements = _write_requirements(folder, "0" * 64)
    with pytest.raises(ProgramError, match="THESE PACKAGES DO NOT MATCH THE HASHES"):
        create_environment(requirements)
    assert [*(folder / "environments").iterdir()] == []


def test_a_requirement_without_a_hash_is_refused(folder: Path) -> None:
    requirements = folder / "requirements.txt"
    requirements.write_text("made-up==1.0\n")
    with pytest.raises(ProgramError, match="Hashes are required"):
        create_environment(requirements)


def test_an_absent_environment_says_how_to_make_it(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="run `servicio-ml environment small` on this machine"):
        find_interpreter("small", "abc")
    (folder / "environments" / "abc").mkdir(parents=True)
    with pytest.raises(ArtifactError, match="run `servicio-ml environment small`"):
        find_interpreter("small", "abc")


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / "file").write_text("x")
    set_environments_folder(folder / "file")
    with pytest.raises(OutputError, match="file"):
        create_environment(_write_requirements(folder))


def test_absent_requirements_are_named(folder: Path) -> None:
    with pytest.raises(ArtifactError, match="absent"):
        create_environment(folder / "absent.txt")
