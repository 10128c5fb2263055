"""The folder of a run."""

import fcntl
from pathlib import Path

import pytest

from servicio_ml.api import run_folder as module
from servicio_ml.api.run_folder import FOLDER_PREFIX, LOCK_FILE, create_run_folder


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(module, "MEMORY_FOLDER", tmp_path)
    return tmp_path


def test_it_is_removed_at_the_end(place: Path) -> None:
    with create_run_folder() as folder:
        assert folder.parent == place
        (folder / "counts").write_text("1")
    assert list(place.iterdir()) == []


def test_what_a_killed_run_left_is_removed(place: Path) -> None:
    left = place / f"{FOLDER_PREFIX}left"
    left.mkdir()
    (left / LOCK_FILE).touch()
    with create_run_folder():
        assert not left.exists()


def test_a_run_that_lasts_is_left_alone(place: Path) -> None:
    other, young, foreign = (
        place / name for name in (f"{FOLDER_PREFIX}other", f"{FOLDER_PREFIX}young", "else")
    )
    for folder in (other, young, foreign):
        folder.mkdir()
    with (other / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with create_run_folder():
            assert other.exists()
            assert young.exists()
            assert foreign.exists()
