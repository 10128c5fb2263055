"""`servicio-ml rollout`: what a user types, what servers and history get, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from servicio_ml import bootstrap
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.cli.app import app
from servicio_ml.domain.rollout.guardrails import Guardrail, GuardrailFinding, Verdict
from servicio_ml.domain.rollout.rollout import Rollout
from servicio_ml.domain.rollout.transitions import judge_rollout
from servicio_ml.lifecycle.rollout.actions import change_rollout, list_rollouts
from servicio_ml.settings import Settings

FAILED = 1
USE_CASE = """
from dataclasses import replace
from servicio_ml.domain.rollout.ramp import Ramp
from small_use_case import build_use_case
USE_CASE = build_use_case()
USE_CASE = replace(USE_CASE, promotion=replace(USE_CASE.promotion, rollout=Ramp(min_rows=7, max_shift=0.3)))
"""


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["rollout", "small", *(str(word) for word in words)])


def read(*words: object) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["rollout"]


@pytest.fixture
def settings(tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A state folder with a champion, a challenger and a third version."""
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "LOG_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    state = tmp_path / "state"
    state.mkdir()
    (tmp_path / "small.py").write_text(USE_CASE)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(state))
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    connection = connect("", state)
    registry = MlflowRegistry(connection)
    with MlflowTracker(connection).open_run("small", "train") as training:
        for _ in range(3):
            registry.register("small", artifact_folder, run_id=training.id, tags={})
    for alias, version in (("champion", 1), ("challenger", 2)):
        registry.set_alias("small", alias, version)
    return Settings(state_dir=state)


def list_records() -> list[tuple[str, int, str]]:
    shown = CliRunner().invoke(app, ["history", "small", "--json"])
    decisions = json.loads(shown.stdout)["decisions"]
    return [(each["decision"], each["challenger"], each["reason"]) for each in decisions]


def test_from_the_start_to_the_abortion(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ann")
    assert "small has no rollout; begin one: servicio-ml rollout small start" in run("status").stdout
    started = run("start")
    assert started.exit_code == 0, started.stderr
    assert "small: version 2 against 1: ramping, step 0 of 5, 0% of the clients, until " in started.stdout
    assert "not judged yet" in started.stdout
    # a server of this state folder reads the same store
    plans = bootstrap.open_traffic_plans(settings)
    [rollout] = list_rollouts(plans, "small", 9)
    assert (rollout.challenger, rollout.events[0].by) == (2, "ann")
    # what is not given comes from the policy of the use case
    assert (rollout.ramp.min_rows, rollout.ramp.max_shift) == (7, 0.3)
    assert list_records() == [("rollout started", 2, "version 2 scores 50% of the rows in shadow")]

    assert read("pause", "--reason", "a holiday")["state"] == "paused"
    assert read("resume")["events"][-1]["reason"] == "resumed at 0%"
    aborted = read("abort", "--reason", "too slow")
    assert (aborted["state"], aborted["share"], aborted["events"][-1]["by"]) == ("aborted", 0, "ann")
    assert [decision for decision, *_ in list_records()] == ["rejected", "rollout started"]
    assert list_records()[0][2] == "aborted: too slow"


@pytest.mark.usefixtures("settings")
def test_options_override_the_policy() -> None:
    words = ["--version", "3", "--steps", "0.1,0.5,1", "--shadow", "0.5", "--min-rows", "9"]
    hours = ["--min-hours", "1", "--max-hours", "2", "--watch-hours", "0"]
    started = read("start", *words, *hours, "--undecided", "advance", "--no-labels")
    assert started["challenger"] == 3
    assert started["ramp"] == {
        **started["ramp"], "steps": [0.1, 0.5, 1.0], "shadow": 0.5, "min_rows": 9, "min_hours": 1.0,
        "max_hours": 2.0, "watch_hours": 0.0, "undecided": "advance", "needs_labels": False,
        "max_shift": 0.3,
    }  # fmt: skip


def test_the_status_shows_the_evidence(settings: Settings) -> None:
    run("start")
    holds = tuple(
        GuardrailFinding(guardrail=each, verdict=Verdict.HOLDS, rows=900, value=0.01, limit=0.1)
        for each in Guardrail
    )

    def judge(rollout: Rollout) -> Rollout:
        return judge_rollout(rollout, holds, 900, rollout.started_at + 60, lead_seconds=0)

    change_rollout(bootstrap.open_traffic_plans(settings), "small", judge)
    shown = run("status").stdout
    assert "step 1 of 5" in shown
    assert "loss: +1.0% (limit +10.0%) on 900 rows" in shown
    assert "all guardrails hold" in shown
    assert len(read("status")["findings"]) == len(Guardrail)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["start", "--version", "1"], "version 1 is the champion already"),
        (["start", "--version", "9"], "version 9"),
        (["start", "--version", "nobody"], "version with the alias 'nobody'"),
        (["start", "--steps", "half,1"], "'half,1' are no numbers"),
        (
            ["start", "--steps", "0.5"],
            "steps are 0.5; they must ascend from above 0, and the last one must be 1",
        ),
        (["start", "--shadow", "2"], "shadow is 2"),
        (["start", "--reason", "why"], "only `pause`, `resume` and `abort` take it"),
        (["pause"], "it has no rollout; begin one: servicio-ml rollout small start"),
        (["pause", "--version", "2"], "--version: only `start` takes it"),
        (["status", "--min-rows", "2"], "--min-rows: only `start` takes it"),
        (["abort", "--no-labels"], "--labels: only `start` takes it"),
    ],
)
def test_what_cannot_be_is_refused_by_name(settings: Settings, words: list[str], said: str) -> None:
    result = run(*words)
    assert (result.exit_code, said in result.stderr) == (FAILED, True), result.stderr
    assert "Traceback" not in result.stderr
    assert bootstrap.open_traffic_plans(settings).load("small") == []


@pytest.mark.usefixtures("settings")
def test_a_model_has_one_rollout_at_a_time() -> None:
    run("start")
    again = run("start", "--version", "3")
    assert (again.exit_code, "servicio-ml rollout small abort" in again.stderr) == (FAILED, True)
    assert len(list_records()) == 1


def test_without_a_champion_there_is_nobody_to_replace(settings: Settings) -> None:
    connect("", settings.state_dir).client.delete_registered_model_alias("small", "champion")
    refused = run("start")
    assert (refused.exit_code, "it has no champion to replace" in refused.stderr) == (FAILED, True)


def test_a_rollout_is_aborted_without_mlflow(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    run("start")
    monkeypatch.setenv("SERVICIO_ML_MLFLOW_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    aborted = run("abort")
    assert aborted.exit_code == 0, aborted.stderr
    assert "not in the history yet, a server will record it" in aborted.stderr
    assert list_rollouts(bootstrap.open_traffic_plans(settings), "small", 1)[0].state == "aborted"
