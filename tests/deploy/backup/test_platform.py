"""A platform that serves is backed up, lost, and restored elsewhere: what it knew it still knows."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from model_server import ModelShelf, run_model_server

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
ROWS = 50


def _run_command(state: Path, *words: str) -> None:
    command = [sys.executable, "-m", "deploy.backup", *words]
    environment = {**os.environ, "SERVICIO_ML_STATE_DIR": str(state)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_champion_answers_after_the_restore(artifact_folder: Path, tmp_path: Path) -> None:
    shelf = ModelShelf(tmp_path / "first")
    shelf.add("small", artifact_folder)
    with run_model_server(shelf.state, workers=1) as platform:
        batch = {"records": [RECORD] * ROWS}
        before = platform("POST", "/models/small/predict/batch", batch).document
        _run_command(shelf.state, "backup", str(tmp_path / "backup"))
        assert platform("POST", "/models/small/predict", RECORD).status == 200
    shutil.rmtree(shelf.state)

    second = tmp_path / "second"
    _run_command(second, "restore", str(tmp_path / "backup"))
    with run_model_server(second, workers=1) as platform:
        after = platform("POST", "/models/small/predict", RECORD).document
        assert (after["model"], after["version"]) == ("small", 1)
        assert after["probability"] == before["predictions"][0]["probability"]
        known = {"prediction_id": before["predictions"][-1]["prediction_id"], "actual": "yes"}
        response = platform("POST", "/models/small/feedback", known)
        assert response.status == 200, response.document
    # those that were answered before the backup, and the one after the restore
    assert sum(map(_count_rows, (second / "log").glob("journal-*.db"))) == ROWS + 1


def _count_rows(journal: Path) -> int:
    with closing(sqlite3.connect(journal)) as connection:
        [count] = connection.execute("SELECT coalesce(sum(rows), 0) FROM chunk").fetchone()
    return int(count)
