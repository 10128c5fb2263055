"""The commands of docs/from-the-seeds.md run, on one state, and leave what their users look for."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from documents import ROOT, extract_blocks, run_script
from model_server import COMMAND, ModelServer, run_model_server, wait_until
from servers import start_redis_server
from servicio_ml import bootstrap
from servicio_ml.settings import Settings

PAGE = ROOT / "docs" / "from-the-seeds.md"
TRAIN, ASK, FILES = extract_blocks(PAGE, "sh")
[STREAMS] = extract_blocks(PAGE, "console")
MODEL = "rain_australia"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder after the commands of the training."""
    made = tmp_path_factory.mktemp("seeds")
    done = run_script(TRAIN, made)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ModelServer]:
    with run_model_server(folder / "var", workers=1) as made:
        yield made


@pytest.mark.slow
def test_the_first_trial_is_that_of_the_file(folder: Path) -> None:
    tracker, _ = bootstrap.connect_mlflow(Settings(state_dir=folder / "var"))
    trials = tracker.find_runs(MODEL, {"step": "trial", "candidate": "decision_tree"})
    assert "6" in {each.params["max_depth"] for each in trials}


@pytest.mark.slow
def test_every_interface_answers(server: ModelServer, tmp_path: Path) -> None:
    done = run_script(ASK, tmp_path, API=server.url)
    assert done.returncode == 0, done.stdout + done.stderr
    info, one, alias, batch, graphql = done.stdout.splitlines()
    assert '"framework":"scikit-learn ' in info
    assert '"label":' in one
    versions = [re.search(r'"version":(\d+)', each) for each in (one, alias)]
    assert all(versions)
    assert batch.count('"prediction_id"') == 2
    assert re.fullmatch(r'\{"data":\{"predict":\[\{"label":"(Yes|No)"\}\]\}\}', graphql)


@pytest.mark.slow
def test_files_and_reports_are_written(server: ModelServer, folder: Path) -> None:
    server("POST", f"/models/{MODEL}/predict", {"date": "2016-06-15", "location": "Sydney"})
    done = run_script(FILES, folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "scored" / "manifest.json").exists()
    assert len((folder / "predictions.csv").read_text().splitlines()) >= 2
    assert list((folder / "var" / "lake" / MODEL / "reports").glob("*/report.html"))


@pytest.mark.slow
def test_a_worker_answers_the_stream(folder: Path, tmp_path: Path) -> None:
    worker, sample = STREAMS.splitlines()
    with start_redis_server(tmp_path) as url:
        settings = {"SERVICIO_ML_REDIS_URL": url}
        command = [COMMAND, *worker.split()[1:]]
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **settings})
        try:
            done = run_script(sample, folder, **settings)
            assert done.returncode == 0, done.stderr
            broker: Redis = Redis.from_url(url)
            wait_until("20 requests are answered", lambda: broker.xlen(f"servicio_ml:{MODEL}:results") == 20)
        finally:
            process.terminate()
            process.wait(timeout=60)
