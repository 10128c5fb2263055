"""The examples of docs/from-python.md run on a state with a champion and a server."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from documents import ROOT, TRAIN_RAIN, extract_blocks, run_script
from model_server import run_model_server

PAGE = ROOT / "docs" / "from-python.md"


@pytest.mark.slow
def test_the_examples_answer(tmp_path: Path) -> None:
    done = run_script(TRAIN_RAIN, tmp_path)
    assert done.returncode == 0, done.stderr
    state = tmp_path / "var"
    settings = {
        "SERVICIO_ML_STATE_DIR": str(state),
        "SERVICIO_ML_MLFLOW_URL": f"sqlite:///{state}/mlflow.db",
    }
    with run_model_server(state, workers=1) as server:
        done = subprocess.run(
            [sys.executable, "-c", "\n".join(extract_blocks(PAGE, "python"))],
            env={**os.environ, **settings, "SERVICIO_ML_API_URL": server.url},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for shown in (
        "decision_tree",
        "'champion': ",
        "probability_Yes",
        "accepted",
    ):
        assert shown in done.stdout
    assert done.stdout.splitlines()[-1] == "100"
