"""Retrainings as a server is set to start them: what stops its start, and commands followed to their end."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from platforms import Platform, Shelf, serving, until
from servicio_ml import bootstrap
from servicio_ml.api.parent import check
from servicio_ml.api.retraining import follow
from servicio_ml.domain.retraining import Decision, Entry
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("secret\n")
    return path


class TestStart:
    def test_the_command_line_needs_nothing(self, tmp_path: Path, token: Path) -> None:
        check(Settings(state_dir=tmp_path, hook_token_file=token))

    def test_airflow_needs_a_password(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="SERVICIO_ML_AIRFLOW_PASSWORD_FILE"):
            check(Settings(state_dir=tmp_path, airflow_url="http://127.0.0.1:8080"))

    def test_and_its_file_must_be_there(self, tmp_path: Path) -> None:
        settings = Settings(
            state_dir=tmp_path, airflow_url="http://127.0.0.1:8080", airflow_password_file=tmp_path / "none"
        )
        with pytest.raises(SettingsError, match=r"SERVICIO_ML_AIRFLOW_PASSWORD_FILE.*none"):
            check(settings)

    def test_with_both_it_starts(self, tmp_path: Path, token: Path) -> None:
        check(
            Settings(
                state_dir=tmp_path, airflow_url="http://127.0.0.1:8080", airflow_password_file=token,
                hook_token_file=token,
            )
        )  # fmt: skip

    def test_the_token_must_be_there(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="SERVICIO_ML_HOOK_TOKEN_FILE"):
            check(Settings(state_dir=tmp_path, hook_token_file=tmp_path / "none"))

    def test_without_training_code_the_command_line_is_none(
        self, tmp_path: Path, token: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bootstrap, "TRAINING_LIBRARY", "a_library_that_is_not_installed")
        with pytest.raises(SettingsError, match=r"SERVICIO_ML_AIRFLOW_URL.*no training code is installed"):
            check(Settings(state_dir=tmp_path, hook_token_file=token))
        check(Settings(state_dir=tmp_path))


@pytest.mark.parametrize(
    ("program", "decision", "why"),
    [
        ("", Decision.FINISHED, "ended well"),
        ("raise SystemExit(3)", Decision.FAILED, "exit code 3, see run"),
        ("import os; os.kill(os.getpid(), 9)", Decision.FAILED, "exit code -9"),
    ],
    ids=["well", "badly", "killed"],
)
def test_how_a_command_ends_stands_in_the_log(
    tmp_path: Path, program: str, decision: Decision, why: str
) -> None:
    settings = Settings(state_dir=tmp_path)
    log = bootstrap.decision_log(settings)
    follow(settings, [sys.executable, "-c", program], "rain", "run")
    [entry] = log.history("rain", 0)
    assert (entry.decision, entry.reference) == (decision, "run")
    assert why in entry.reason


def drift(model: str) -> dict[str, object]:
    told = {
        "status": "firing", "labels": {"alertname": "DataDrift", "model": model, "cause": "drift"},
        "startsAt": "2020-09-13T12:00:00Z", "fingerprint": "0123456789abcdef",
    }  # fmt: skip
    return {"version": "4", "alerts": [told]}


@pytest.mark.slow
class TestEmbedded:
    """A server that trains by the command line: here of a model without data, which fails at once."""

    @pytest.fixture
    def platform(self, tmp_path: Path, artifact_folder: Path, token: Path) -> Iterator[Platform]:
        shelf = Shelf(tmp_path / "state")
        shelf.add("rain_australia", artifact_folder)
        with serving(shelf.state, hook_token_file=token) as made:
            yield made

    def test_a_notification_runs_train_once_for_all_workers(self, platform: Platform) -> None:
        bearer = {"Authorization": "Bearer secret"}
        decisions = []
        for _ in range(6):
            answer = platform("POST", "/hooks/alertmanager", drift("rain_australia"), bearer)
            decisions += [each["decision"] for each in answer.document["decisions"]]
        assert decisions == ["retrain"] + ["ignored"] * 5
        told = platform("GET", "/models/rain_australia/retraining").document
        assert told["budget_remaining"] == 3
        log = Path(told["decisions"][-1]["reference"])
        assert log.parent == platform.state / "retraining"
        # the server's end does not end it
        platform.stop()
        history = bootstrap.decision_log(Settings(state_dir=platform.state)).history

        def failed() -> list[Entry]:
            entries = history("rain_australia", 0)
            return [entry for entry in entries if entry.decision is Decision.FAILED]

        until("the end of the retraining is in the log", failed)
        assert failed()[0].reference == str(log)
        assert "exit code 1" in failed()[0].reason
        assert "servicio-ml etl rain_australia" in log.read_text()
        assert [alert.retrained for alert in failed()[0].alerts] == [0]
