"""`servicio-ml train`, `promote`, `rollback` and `history`: what a user types and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from servicio_ml.cli.app import app
from servicio_ml.cli.promote import build_context
from servicio_ml.cli.session import open_session
from servicio_ml.domain.use_case import Task
from training_fixture import TrainingFixture

OWN = """
from small_use_case import KNN, LIGHTGBM, build_use_case
from servicio_ml.domain.use_case import Task
USE_CASE = build_use_case(Task.BINARY, LIGHTGBM, KNN)
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with a published period of the use case `small`."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "small.py").write_text(OWN)
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(own))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "STUDY_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    (tmp_path / "state").mkdir()
    TrainingFixture(tmp_path / "state").publish(Task.BINARY)
    return tmp_path / "state"


pytestmark = pytest.mark.usefixtures("state")


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def _assert_refused(result: Result, *said: str) -> None:
    """One line says what to do; there is no traceback."""
    assert result.exit_code == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "Traceback" not in result.stderr
    for words in said:
        assert words in errors[0]


@pytest.mark.slow
def test_from_data_to_champion_and_back(state: Path) -> None:
    first = _run("train", "small", "--trials", 2, "--json")
    assert first.exit_code == 0, first.stderr
    document = json.loads(first.stdout)
    assert document["promotion"]["decision"] == "promoted"
    assert document["challenger"] == document["promotion"]["challenger"]
    assert {row["candidate"] for row in document["candidates"]} == {"lightgbm", "knn"}

    again = _run("train", "small", "--trials", 2)
    assert again.exit_code == 0
    assert "nothing new" in again.stderr
    _assert_refused(_run("promote", "small"), "champion already")

    other = _run("train", "small", "--trials", 2, "--candidate", "knn", "--no-promote")
    assert other.exit_code == 0, other.stderr
    assert "challenger: version" in other.stdout
    judged = json.loads(_run("promote", "small", "--json").stdout)
    assert judged["champion"] == document["challenger"]

    back = _run("rollback", "small", "--to", judged["challenger"])
    if judged["decision"] == "rejected":
        assert f"champion: version {judged['challenger']}" in back.stdout
    history = json.loads(_run("history", "small", "--json").stdout)
    assert history["champions"][0]["until"] is None
    assert history["champions"][-1]["version"] == document["challenger"]
    shown = _run("history", "small")
    assert "promoted" in shown.stdout
    assert (state / "mlflow.db").exists()


@pytest.mark.slow
def test_a_killed_train_is_gone_on_with() -> None:
    words = ["train", "small", "--trials", "40"]
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *words]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    for line in process.stderr:
        if "tune" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=60)
    process.stderr.close()
    assert process.returncode == -signal.SIGKILL
    result = _run("train", "small", "--trials", 40, "--timeout", 1)
    assert result.exit_code == 0, result.stderr
    assert "resuming run" in result.stderr
    assert "finished before" in result.stderr
    assert "promoted" in result.stdout


def test_without_data_it_says_to_run_the_etl(state: Path) -> None:
    for path in state.rglob("manifest.json"):
        path.unlink()
    _assert_refused(_run("train", "small"), "servicio-ml etl small")
    _assert_refused(_run("promote", "small"), "servicio-ml etl small")


def test_without_a_challenger_it_says_to_train() -> None:
    _assert_refused(_run("promote", "small"), "servicio-ml train small")
    _assert_refused(_run("rollback", "small"), "servicio-ml promote small")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("train", "smal"), ("smal", "did you mean small")),
        (("train", "small", "--candidate", "svm"), ("svm", "lightgbm, knn")),
        (("train", "small", "--period", "2019-01"), ("2019-01",)),
        (("promote", "nothing"), ("nothing", "rain_australia")),
        (("history", "nothing"), ("nothing", "rain_australia")),
    ],
    ids=" ".join,
)
def test_a_wrong_word_is_named(words: tuple[str, ...], said: tuple[str, ...]) -> None:
    _assert_refused(_run(*words), *said)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("knn: {n_neighbors: 99}", "n_neighbors: 99 is not between 3 and 15"),
        ("knn: {weights: heavy}", "'heavy' is not one of uniform, distance"),
        ("knn: {leaf_size: 3}", "no parameter 'leaf_size' is tuned; tuned are n_neighbors, weights"),
        ("svm: {C: 3}", "no candidate 'svm'"),
        ("[1, 2]", "must map each candidate"),
        ("{", "no YAML"),
    ],
)
def test_wrong_starting_parameters_are_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "start.yaml").write_text(text)
    _assert_refused(_run("train", "small", "--params", tmp_path / "start.yaml"), said)


def test_a_file_of_starting_parameters_that_is_not_there_is_named() -> None:
    _assert_refused(_run("train", "small", "--params", "nowhere.yaml"), "nowhere.yaml")


def test_wrong_starting_parameters_in_the_option_are_named() -> None:
    """A scheduler passes them as JSON, since its workers have no file in common."""
    for command in (("train", "small"), ("step", "plan", "small")):
        said = "candidate 'knn' in --params: n_neighbors: 99 is not between 3 and 15"
        _assert_refused(_run(*command, "--params", '{"knn": {"n_neighbors": 99}}'), said)
    _assert_refused(_run("train", "small", "--params", '{"knn": 3}'), "--params", "must map each candidate")


@pytest.mark.slow
def test_starting_parameters_are_tried_first(tmp_path: Path) -> None:
    (tmp_path / "start.yaml").write_text("knn: {n_neighbors: 5}")
    words = ("train", "small", "--candidate", "knn", "--trials", 1, "--timeout", 0, "--json")
    document = json.loads(_run(*words, "--params", tmp_path / "start.yaml").stdout)
    assert document["candidates"][0]["params"] == {"n_neighbors": 5, "weights": "uniform"}


@pytest.mark.slow
def test_an_unreachable_mlflow_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICIO_ML_MLFLOW_URL", "http://127.0.0.1:9")
    for words in (("train", "small"), ("promote", "small"), ("rollback", "small"), ("history", "small")):
        _assert_refused(_run(*words), "http://127.0.0.1:9", "SERVICIO_ML_MLFLOW_URL")


def test_help_names_every_option() -> None:
    text = _run("train", "--help").stdout
    for option in ("--trials", "--timeout", "--candidate", "--params", "--period", "--force", "--no-promote"):
        assert option in text


def test_a_user_without_a_name_decides_too(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 54321)
    with open_session(as_json=True, debug=True) as here:
        place = TrainingFixture(here.settings.state_dir / "candidate")
        assert build_context(here, place.tracker, place.registry).by == "user 54321"
