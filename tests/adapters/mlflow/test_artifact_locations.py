"""A state folder that was moved, or whose path has characters of addresses, keeps its runs and models."""

import logging
from pathlib import Path

import pytest

from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["plain", "a?b", "a#b", "a%2Fb", "a b", "ü"])
def test_a_moved_state_folder_works(
    name: str, tmp_path: Path, artifact_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = tmp_path / name / "state", tmp_path / name / "moved"
    (tmp_path / "note.txt").write_text("hello")
    connection = connect("", before)
    with MlflowTracker(connection).open_run("small", "fit") as run:
        run.log_artifact(tmp_path / "note.txt")
        MlflowRegistry(connection).register("small", artifact_folder, run_id=run.id, tags={})

    before.rename(after)
    with caplog.at_level(logging.WARNING):
        moved = connect("", after)
    assert f"the state folder was moved from {before} to {after}" in caplog.text
    assert MlflowTracker(moved).read_artifact(run.id, "note.txt") == b"hello"
    assert (MlflowRegistry(moved).download("small", 1) / "schema.json").is_file()
    with MlflowTracker(moved).open_run("small", "fit") as new:
        new.log_artifact(tmp_path / "note.txt")
    assert MlflowTracker(moved).read_artifact(new.id, "note.txt") == b"hello"

    caplog.clear()
    connect("", after)
    assert "moved" not in caplog.text
    # nothing was written beside the folder
    assert {each.name for each in tmp_path.iterdir()} == {name, "note.txt"}
    assert [each.name for each in (tmp_path / name).iterdir()] == ["moved"]
