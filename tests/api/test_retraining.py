"""Retrainings of a server: settings that stop its start, and commands whose end is recorded."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_server import ModelServer, ModelShelf, run_model_server, wait_until
from servicio_ml import bootstrap
from servicio_ml.api.parent import check_settings
from servicio_ml.api.retraining import run_and_record
from servicio_ml.domain.retraining import DecisionEntry, RetrainingDecision
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("secret\n")
    return path


class TestStart:
    def test_the_command_line_needs_no_setting(self, tmp_path: Path, token: Path) -> None:
        check_settings(Settings(state_dir=tmp_path, hook_token_file=token))

    def test_airflow_needs_a_password(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            check_settings(Settings(state_dir=tmp_path, airflow_url="http://127.0.0.1:8080"))

    def test_the_password_file_of_airflow_must_exist(self, tmp_path: Path) -> None:
        settings = Settings(
            state_dir=tmp_path, airflow_url="http://127.0.0.1:8080", airflow_password_file=tmp_path / "none"
        )
        with pytest.raises(SettingsError, match=r"SERVICIO_ML_AIRFLOW_PASSWORD_FILE.*none"):
            check_settings(settings)

    def test_airflow_with_a_password_file_is_accepted(self, tmp_path: Path, token: Path) -> None:
        check_settings(
            Settings(
                state_dir=tmp_path, airflow_url="http://127.0.0.1:8080", airflow_password_file=token,
                hook_token_file=token,
            )
        )  # fmt: skip

    def test_the_token_file_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="SERVICIO_ML_HOOK_TOKEN_FILE"):
            check_settings(Settings(state_dir=tmp_path, hook_token_file=tmp_path / "none"))

    def test_without_training_code_airflow_is_required(
        self, tmp_path: Path, token: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(
            "servicio_ml.bootstrap.retrainer.TRAINING_LIBRARY", "a_library_that_is_not_installed"
        )
        with pytest.raises(SettingsError, match=r"SERVICIO_ML_AIRFLOW_URL.*no training code is installed"):
            check_settings(Settings(state_dir=tmp_path, hook_token_file=token))
        check_settings(Settings(state_dir=tmp_path))


@pytest.mark.parametrize(
    ("program", "decision", "why"),
    [
        ("", RetrainingDecision.FINISHED, "has finished"),
        ("raise SystemExit(3)", RetrainingDecision.FAILED, "exit code 3, see run"),
        ("import os; os.kill(os.getpid(), 9)", RetrainingDecision.FAILED, "exit code -9"),
    ],
    ids=["succeeds", "fails", "killed"],
)
def test_the_end_of_a_command_is_recorded(
    tmp_path: Path, program: str, decision: RetrainingDecision, why: str
) -> None:
    settings = Settings(state_dir=tmp_path)
    log = bootstrap.open_decision_log(settings)
    run_and_record(settings, [sys.executable, "-c", program], "rain", "run", "key")
    [entry] = log.load_history("rain", 0)
    assert (entry.decision, entry.reference) == (decision, "run")
    assert why in entry.reason


def test_the_process_confirms_a_pending_start(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    log = bootstrap.open_decision_log(settings)
    intent = DecisionEntry(
        model="rain", decision=RetrainingDecision.STARTING, reason="DataDrift fires", decided_at=time.time(),
        reference="key",
    )  # fmt: skip
    log.record("rain", 0, lambda _: intent)
    program = f"from pathlib import Path; Path({str(tmp_path / 'ran')!r}).touch()"
    run_and_record(settings, [sys.executable, "-c", program], "rain", "run.log", "key")
    decisions = [(entry.decision, entry.reference) for entry in log.load_history("rain", 0)]
    assert decisions == [
        (RetrainingDecision.FINISHED, "run.log"),
        (RetrainingDecision.RETRAIN, "run.log"),
        (RetrainingDecision.STARTING, "key"),
    ]
    assert (tmp_path / "ran").exists()


def build_notification(model: str) -> dict[str, object]:
    alert = {
        "status": "firing", "labels": {"alertname": "DataDrift", "model": model, "cause": "drift"},
        "startsAt": "2020-09-13T12:00:00Z", "fingerprint": "0123456789abcdef",
    }  # fmt: skip
    return {"version": "4", "alerts": [alert]}


@pytest.mark.slow
class TestEmbedded:
    """Server that trains by the command line; without data, the training fails at once."""

    @pytest.fixture
    def platform(self, tmp_path: Path, artifact_folder: Path, token: Path) -> Iterator[ModelServer]:
        shelf = ModelShelf(tmp_path / "state")
        shelf.add("rain_australia", artifact_folder)
        with run_model_server(shelf.state, hook_token_file=token) as made:
            yield made

    def test_a_notification_runs_train_once_for_all_workers(self, platform: ModelServer) -> None:
        headers = {"Authorization": "Bearer secret"}
        decisions = []
        for _ in range(6):
            answer = platform("POST", "/hooks/alertmanager", build_notification("rain_australia"), headers)
            decisions += [each["decision"] for each in answer.document["decisions"]]
        assert decisions == ["retrain"] + ["ignored"] * 5
        state = platform("GET", "/models/rain_australia/retraining").document
        assert state["budget_remaining"] == 3
        log = Path(state["decisions"][-1]["reference"])
        assert log.parent == platform.state / "retraining"
        # the retraining outlives the server
        platform.stop()
        history = bootstrap.open_decision_log(Settings(state_dir=platform.state)).load_history

        def find_failed() -> list[DecisionEntry]:
            entries = history("rain_australia", 0)
            return [entry for entry in entries if entry.decision is RetrainingDecision.FAILED]

        wait_until("the end of the retraining is in the log", find_failed)
        assert find_failed()[0].reference == str(log)
        assert "exit code 1" in find_failed()[0].reason
        assert "servicio-ml etl rain_australia" in log.read_text()
        assert [alert.retrained_at for alert in find_failed()[0].alerts] == [0]
