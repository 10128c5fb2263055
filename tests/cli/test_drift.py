"""`servicio-ml drift` and `servicio-ml report`: what a user types, what is left, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from champion_state import NAME, create_state_with_champion, log_predictions
from servicio_ml.cli.app import app
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key

FAILED = 1


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder; nothing else of the machine is seen."""
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "USE_CASES_DIR", "LOG_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("command", ["drift", "report", "slices"])
@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(("rain",), ("'rain'", "rain_australia"), id="unknown use case"),
        pytest.param((NAME, "--window", "3w"), ("'3w'", "1h to 90d"), id="no window"),
        pytest.param((NAME,), ("champion", f"servicio-ml train {NAME}"), id="no champion"),
    ],
)
def test_what_is_wrong_is_reported(command: str, words: tuple[str, ...], said: tuple[str, ...]) -> None:
    result = run(command, *words)
    assert result.exit_code == FAILED
    assert result.stdout == ""
    for word in said:
        assert word in result.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_state_with_champion(tmp_path_factory.mktemp("user"))


@pytest.mark.slow
class TestLogged:
    @pytest.fixture
    def state(self, made: Path, quiet: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: ARG002  first
        monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(made))
        return made

    def test_from_an_empty_window_to_a_report(self, state: Path) -> None:
        empty = run("drift", NAME)
        assert (empty.exit_code, "no rows of rain_australia version" in empty.stdout) == (0, True)
        nothing = run("report", NAME)
        assert (nothing.exit_code, "nothing to report" in nothing.stderr) == (0, True)
        assert not (state / "lake" / build_latest_key(NAME)).exists()
        log_predictions(state, 700)
        shown = run("drift", NAME)
        assert shown.exit_code == 0, shown.stderr
        for word in (
            "700 rows of the last 30d",
            "PSI",
            "accuracy, realised",
            "a domain classifier distinguishes",
            "verdict: ",
        ):
            assert word in shown.stdout
        document: dict[str, Any] = json.loads(run("report", NAME, "--window", "1h", "--json").stdout)
        assert document["rows"] == 700
        assert Path(document["report"]["html"]).read_text().count('<div id="servicio-ml">') == 1
        assert "version 9" in run("drift", NAME, "--version", "9").stderr

    def test_slices_of_rows_with_and_without_ground_truth(self, state: Path) -> None:
        nothing = run("slices", NAME, "--window", "1h", "--version", "1")
        assert (nothing.exit_code, "have ground truth" in nothing.stdout) == (0, True)
        document = json.loads(run("slices", NAME, "--json").stdout)
        assert (document["model"], document["slices"]) == (NAME, [])
        assert state.exists()

    def test_a_killed_report_is_not_the_latest(self, state: Path) -> None:
        log_predictions(state, 300)
        assert run("report", NAME).exit_code == 0
        pointer = (state / "lake" / build_latest_key(NAME)).read_text()
        program = "from servicio_ml.cli import main; main()"
        command = [sys.executable, "-c", program, "report", NAME]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ.copy()) as process:
            assert process.stderr is not None
            for line in process.stderr:
                if "drawing the page" in line:
                    break
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        assert (state / "lake" / build_latest_key(NAME)).read_text() == pointer
        latest = LatestReport.from_json(json.loads(pointer))
        assert json.loads((state / "lake" / latest.json).read_text())["rows"] >= 300
