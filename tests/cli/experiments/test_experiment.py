"""`servicio-ml experiment`: what a user types, what is printed, and how it ends."""

import csv
import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from logged_rows import build_chunk, list_ids
from servicio_ml import bootstrap
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.cli.app import app
from servicio_ml.domain.experiments.experiment import Experiment
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.experiments.transitions import judge_experiment
from servicio_ml.domain.prediction import GroundTruth, Purpose
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.features.artifact import load_artifact
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.lifecycle.experiments.actions import change_experiment, list_experiments
from servicio_ml.settings import Settings

FAILED = 1
MODEL = "unheard_of"
RECORD = {"day": "2020-01-31", "size": None, "weight": 0.1, "colour": "blue"}
RIGHT = ("--shares", "challenger=0.3", "--metric", "error", "--minimum-effect", "0.01")


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["experiment", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Path:
    """A state folder with a champion and a challenger."""
    state = tmp_path_factory.mktemp("registered") / "state"
    state.mkdir()
    connection = connect("", state)
    registry = MlflowRegistry(connection)
    for alias in (CHAMPION, CHALLENGER):
        with MlflowTracker(connection).open_run(MODEL, "train") as made:
            found = registry.register(MODEL, artifact_folder, run_id=made.id, tags={})
        registry.set_alias(MODEL, alias, found.version)
    return state


@pytest.fixture(autouse=True)
def settings(registered: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a folder without experiments; nothing else of the machine is seen."""
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "USE_CASES_DIR", "LOG_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(registered))
    monkeypatch.setenv("COLUMNS", "300")
    settings = Settings(state_dir=registered)
    for file in bootstrap.get_log_folder(settings).glob("*"):
        file.unlink()
    return settings


def load_newest(settings: Settings) -> Experiment:
    return list_experiments(bootstrap.open_traffic_plans(settings), MODEL, 1)[0]


def read_document(result: Result) -> Any:
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)["experiment"]


def test_an_experiment_is_started_shown_and_stopped(settings: Settings) -> None:
    result = run(MODEL, "start", *RIGHT)
    assert result.exit_code == 0, result.stderr
    assert "running, until" in result.stdout
    assert "metric error, less is better, minimum effect 0.01" in result.stdout
    assert "version 1 70.0%, version 2 30.0%; not judged yet" in result.stdout
    experiment = load_newest(settings)
    assert experiment.since == experiment.events[0].at + 25
    assert run(MODEL, "status").stdout == result.stdout
    stopped = read_document(run(MODEL, "stop", "--reason", "enough", "--json"))
    assert (stopped["state"], stopped["events"][1]["reason"]) == ("stopped", "stopped: enough")
    assert run(MODEL, "stop").exit_code == FAILED


def test_everything_can_be_declared(settings: Settings) -> None:
    words = (
        "--shares", "2 = 0.4", "--metric", "truth", "--better", "more", "--minimum-effect", "5%",
        "--error-rate", 0.1, "--max-hours", 10, "--max-rows", 500, "--label-hours", 1, "--design-effect", 2.5,
        "--bandit", "thompson", "--min-share", 0.1, "--adapt-hours", 2,
    )  # fmt: skip
    document = read_document(run(MODEL, "start", *words, "--json"))
    assert document["design"] == {
        "shares": {"2": 0.4}, "metric": "truth", "minimum_effect": 0.05, "relative": True,
        "greater_is_better": True, "error_rate": 0.1, "max_hours": 10, "max_rows": 500, "label_hours": 1,
        "design_effect": 2.5, "bandit": "thompson", "min_share": 0.1, "adapt_hours": 2,
    }  # fmt: skip
    assert "minimum effect 5.000% of the champion's mean, thompson sampling" in run(MODEL, "status").stdout
    assert load_newest(settings).classes == 2


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("start",), "--shares: it is not given; `start` needs it"),
        (("start", *RIGHT[:2]), "--metric: it is not given"),
        (("start", *RIGHT[:4]), "--minimum-effect: it is not given"),
        (("start", "--shares", "0.3", *RIGHT[2:]), "'0.3' is no share of a version"),
        (("start", "--shares", "2=0.1,challenger=0.2", *RIGHT[2:]), "version 2 has two"),
        (("start", "--shares", "9=0.1", *RIGHT[2:]), "version 9"),
        (("start", "--shares", "1=0.1", *RIGHT[2:]), "version 1 is the champion"),
        (("start", "--shares", "2=1.5", *RIGHT[2:]), "shares[2] is 1.5"),
        (("start", *RIGHT[:4], "--minimum-effect", "much"), "'much' is no number"),
        (("start", *RIGHT, "--better", "more"), "greater_is_better is True"),
        (("start", *RIGHT, "--reason", "why"), "--reason: only `stop` takes it"),
        (("start", *RIGHT, "--output", "a.csv"), "--output: only `export` takes it"),
        (("status", "--min-share", 0.1), "--min-share: only `start` takes it"),
        (("stop",), "no experiment; begin one: servicio-ml experiment unheard_of start"),
        (("export",), "no experiment; begin one"),
        (("export", "--output", "a.txt"), "its suffix is '.txt'"),
    ],
)
def test_a_mistake_is_named(words: tuple[object, ...], problem: str) -> None:
    result = run(MODEL, *words)
    assert result.exit_code == FAILED
    assert problem in result.stderr


def test_without_an_experiment_the_status_says_so() -> None:
    assert run(MODEL, "status").stdout == (
        "unheard_of has no experiment; begin one: servicio-ml experiment unheard_of start\n"
    )


def test_the_evidence_is_a_table(settings: Settings) -> None:
    run(MODEL, "start", *RIGHT)
    many = {
        version: OutcomeSums(rows=900, total=errors, squares=errors)
        for version, errors in ((1, 180.0), (2, 270.0))
    }
    plans = bootstrap.open_traffic_plans(settings)
    change_experiment(
        plans,
        MODEL,
        lambda newest: judge_experiment(newest, OutcomeTable(phases=[many]), newest.since + 60, 25),
    )
    output = run(MODEL, "status").stdout
    assert "finished" in output
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in output.splitlines()]
    assert ["1", "70.0%", "900", "0.2", "champion", "–", "–"] in cells
    [row] = [each for each in cells if each[:1] == ["2"]]
    assert (row[:5], row[6]) == (["2", "30.0%", "900", "0.3", "-0.1"], "worse")
    assert row[5].startswith("-0.1")


def test_what_was_answered_is_exported(settings: Settings, tmp_path: Path, artifact_folder: Path) -> None:
    run(MODEL, "start", *RIGHT)
    plans = bootstrap.open_traffic_plans(settings)

    def move(newest: Experiment) -> Experiment:
        # as if it had started an hour ago
        return replace(newest, phases=(replace(newest.phases[0], since=newest.since - 3600),))

    since = change_experiment(plans, MODEL, move).since
    artifact = load_artifact(artifact_folder)
    versions = [
        LoggedVersion(version=each, schema=artifact.encoder.schema, output=artifact.output) for each in (1, 2)
    ]
    chunks = [
        replace(build_chunk(version, [RECORD], at=since + at, model=MODEL), purpose=purpose)
        for version, at, purpose in (
            (versions[0], -60, Purpose.CANARY), (versions[0], 60, Purpose.CANARY),
            (versions[0], 90, Purpose.ANSWER), (versions[1], 120, Purpose.CANARY),
        )
    ]  # fmt: skip
    journal = SqliteJournal.open_exclusive(bootstrap.get_log_folder(settings))
    journal.write(chunks)
    journal.close()
    truth = GroundTruth(prediction_id=list_ids(chunks[3])[0], actual=0.0, at=since + 200)
    bootstrap.open_prediction_log(settings).add_ground_truth([truth])
    result = run(MODEL, "export")
    assert result.exit_code == 0, result.stderr
    rows = list(csv.DictReader(StringIO(result.stdout)))
    assert [(each["prediction_id"], each["version"], each["share"], each["actual"]) for each in rows] == [
        (list_ids(chunks[1])[0], "1", "0.7", ""), (list_ids(chunks[3])[0], "2", "0.3", "no"),
    ]  # fmt: skip
    assert "colour" not in rows[0]
    output = tmp_path / "answers.parquet"
    written = run(MODEL, "export", "--output", output)
    assert written.stdout == f"2 answers of the experiment in {output}\n"
    frame = pl.read_parquet(output)
    assert frame.columns == list(rows[0])
    assert [each and round(each.timestamp() - since) for each in frame["actual_time"]] == [None, 200]
