"""`servicio-ml step …` and `prune`: one line of JSON, processes of their own, the same outcome as `train`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fakes.stats import MemoryStats
from fakes.tracker import MemoryTracker
from orchard_use_case import HEADER, build_row, build_rows, write_csv
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.cli.app import app
from servicio_ml.domain.use_case import Task
from training_fixture import TrainingFixture

SMALL = """
from small_use_case import KNN, LIGHTGBM, build_use_case
from servicio_ml.domain.use_case import Task
USE_CASE = build_use_case(Task.BINARY, LIGHTGBM, KNN)
"""
ORCHARD = """
from orchard_use_case import build_use_case
USE_CASE = build_use_case()
"""
PERIOD = ("--period", "2020-12")
STEP_SECONDS = 240


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder with a published period of the use case `small`; nothing else of the machine is seen."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "small.py").write_text(SMALL)
    (own / "orchard.py").write_text(ORCHARD)
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(own))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT", "STUDY_URL", "API_URL"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    monkeypatch.delenv("STATSD_HOST", raising=False)
    _publish(tmp_path / "state")
    return tmp_path / "state"


pytestmark = pytest.mark.usefixtures("state")


def _publish(folder: Path) -> None:
    folder.mkdir()
    TrainingFixture(folder).publish(Task.BINARY)


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["step", *(str(word) for word in words)])


def _answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    document: dict[str, Any] = json.loads(line)
    return document


def _assert_refused(result: Result, *said: str) -> None:
    """One line says what to do; standard output is empty."""
    assert (result.exit_code, result.stdout) == (1, "")
    (error,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.stderr
    for words in said:
        assert words in error


def test_each_step_prints_one_line_and_the_next_one_reads_it(tmp_path: Path) -> None:
    source = write_csv(tmp_path / "a.csv", [*build_rows(120), build_row(Seeds="x")], HEADER)
    raw = _answer(_run("extract", "orchard", *PERIOD, "--source", source))
    assert {**raw, "raw": ""} == {
        "use_case": "orchard", "period": "2020-12", "source": str(source), "raw": "",
    }  # fmt: skip
    staged = _answer(_run("transform", "orchard", *PERIOD, "--raw", raw["raw"], "--source", raw["source"]))
    assert (staged["counts"]["read"], staged["counts"]["quarantined"]) == (121, 1)
    split = _run("split", "orchard", *PERIOD, "--staged", staged["staged"])
    assert "1 rows are in quarantine" in split.stderr
    assert _answer(split)["train"] + _answer(split)["test"] == 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("extract", "orchad"), ("unknown use case 'orchad': did you mean orchard?",)),
        (("extract", "orchard", "--period", "2020-13"), ("'2020-13' is no month",)),
        (("extract", "orchard", "--source", "none.csv"), ("none.csv", "check --source")),
        (("split", "orchard", *PERIOD, "--staged", "s3://a/b"), ("give the URI of the step before",)),
        (("plan", "small", "--candidate", "svm"), ("svm", "lightgbm, knn")),
    ],
    ids=["use case", "period", "source", "another lake", "candidate"],
)
def test_a_wrong_word_is_reported_in_one_line(words: tuple[str, ...], said: tuple[str, ...]) -> None:
    _assert_refused(_run(*words), *said)


def test_without_a_server_nothing_is_reloaded() -> None:
    skipped = {"champion": None, "skipped": "SERVICIO_ML_API_URL is not set"}
    assert _answer(_run("reload", "small")) == skipped


def test_a_failure_is_reported_for_the_whole_run(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = MemoryStats()
    monkeypatch.setattr("servicio_ml.bootstrap.create_stats", lambda _: heard)
    assert _answer(_run("fail", "orchard", "--of", "etl")) == {
        "use_case": "orchard", "failed": "etl", "run_id": None,
    }  # fmt: skip
    assert heard == MemoryStats(counts={"etl.orchard.success": 0, "etl.orchard.failure": 1})


def test_a_failed_training_is_marked_though_it_may_be_gone_on_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard, tracker = MemoryStats(), MemoryTracker(tmp_path, time.time)
    with tracker.open_run("orchard", "train", tags={"step": "train"}, stays=True) as run:
        pass
    monkeypatch.setattr("servicio_ml.bootstrap.create_stats", lambda _: heard)
    monkeypatch.setattr("servicio_ml.bootstrap.connect_tracker", lambda _: tracker)
    answer = _answer(_run("fail", "orchard", "--of", "train", "--run", run.id))
    assert answer == {"use_case": "orchard", "failed": "train", "run_id": run.id}
    assert tracker.get_run(run.id).status == "FAILED"
    assert heard == MemoryStats(counts={"train.orchard.success": 0, "train.orchard.failure": 1})


def _start_step(*words: str) -> subprocess.Popen[str]:
    """A step in a process of its own."""
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *words]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def _read_result(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, errors = process.communicate(timeout=STEP_SECONDS)
    assert process.returncode == 0, errors
    document: dict[str, Any] = json.loads(out.splitlines()[-1])
    return document


def _step(*words: str) -> dict[str, Any]:
    return _read_result(_start_step("step", *words))


@pytest.fixture
def datagrams(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where StatsD is sent to."""
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        monkeypatch.setenv("STATSD_HOST", "127.0.0.1")
        monkeypatch.setenv("STATSD_PORT", str(server.getsockname()[1]))
        yield server


def _receive(server: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(server.recv(4096).decode())
        except TimeoutError:
            return found


def _assert_counted_once(lines: list[str], name: str) -> None:
    assert lines.count(f"servicio_ml.{name}.success:1|c") == 1
    assert f"servicio_ml.{name}.failure:1|c" not in lines
    assert sum(each.startswith(f"servicio_ml.{name}:") and each.endswith("|ms") for each in lines) == 1
    assert sum(each.startswith(f"servicio_ml.{name}.success_timestamp_seconds:") for each in lines) == 1


def _kill_step(*words: str, said: str) -> None:
    """Begin a step and kill it once it has said something."""
    process = _start_step("step", *words)
    assert process.stderr is not None
    for line in process.stderr:
        if said in line:
            break
    else:
        raise AssertionError(f"it ended before it said {said!r}")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=STEP_SECONDS)
    assert process.returncode == -signal.SIGKILL


def _drop_times(rows: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in each.items() if name != "latency_seconds"} for each in rows]


@pytest.mark.slow
def test_all_steps_as_processes_come_to_what_train_comes_to(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, datagrams: socket.socket
) -> None:
    # of the candidate that one process tunes: two at once draw other second trials than one does
    first_trial = ("--params", '{"lightgbm": {"n_estimators": 30}}')
    planned = _step("plan", "small", "--trials", "2", "--timeout", "600", *first_trial)
    assert (planned["new"], planned["candidates"]) == (True, ["lightgbm", "knn"])
    run = ("--run", planned["run_id"])
    both = [_start_step("step", "tune", "small", *run, "--candidate", "knn") for _ in range(2)]
    first, second = map(_read_result, both)
    assert first == second
    assert first["trials"] == 2
    tuned = _step("tune", "small", *run, "--candidate", "lightgbm")
    assert tuned["eligible"]
    selected = _step("select", "small", *run)
    assert set(_step("refine", "small", *run)) == {"trials", "value", "better"}
    exported = _step("export", "small", *run)
    judged = _step("judge", "small", *run)
    assert (judged["decision"], judged["challenger"]) == ("promoted", exported["challenger"])
    for _ in range(2):
        assert _step("promote", "small", "--decision-run", judged["decision_run"]) == {
            "champion": exported["challenger"]
        }
        assert _step("record", "small", *run)["decision"] == "promoted"
    assert not _step("plan", "small", "--trials", "2", "--timeout", "600", *first_trial)["new"]
    lines = _receive(datagrams)
    _assert_counted_once(lines, "train.small")
    assert lines.count("servicio_ml.promotion.small.promoted:1|c") == 1

    connection = connect("", state)
    registry, tracker = MlflowRegistry(connection), MlflowTracker(connection)
    versions = registry.list_versions("small")
    assert len([each for each in versions if each.tags["stage"] == "tuned"]) == 2
    trials = tracker.find_runs("small", {"step": "trial", "candidate": "lightgbm"})
    assert "30" in {each.params["n_estimators"] for each in trials}
    assert [run.status for run in tracker.find_runs("small", {"step": "train"})] == ["FINISHED"]
    table = json.loads(tracker.read_artifact(planned["run_id"], "comparison.json"))

    _publish(tmp_path / "whole")
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "whole"))
    whole = CliRunner().invoke(
        app, ["train", "small", "--trials", "2", "--timeout", "600", *first_trial, "--json", "--no-promote"]
    )
    document = json.loads(whole.stdout)
    assert document["candidates"][0]["candidate"] == selected["winner"] == table[0]["candidate"]
    for rows in (table, document["candidates"]):
        for each in rows:
            each["version"] = None  # two processes that tune at once may take another order
    assert _drop_times(document["candidates"]) == _drop_times(table)


@pytest.mark.slow
def test_killed_steps_are_gone_on_with(tmp_path: Path, datagrams: socket.socket, state: Path) -> None:
    rows = [(*cells, "x") for cells in build_rows(200)]
    source = write_csv(tmp_path / "a.csv", rows, (*HEADER, "Note"))
    raw = _step("extract", "orchard", *PERIOD, "--source", str(source))
    _kill_step("transform", "orchard", *PERIOD, "--raw", raw["raw"], "--source", "a.csv", said="not read")
    staged = _step("transform", "orchard", *PERIOD, "--raw", raw["raw"], "--source", "a.csv")
    prepared = _step("split", "orchard", *PERIOD, "--staged", staged["staged"])["prepared"]
    published = [_step("publish", "orchard", *PERIOD, "--prepared", prepared) for _ in range(2)]
    assert published[0] == published[1]
    assert Path(published[0]["manifest"]).is_file()
    _assert_counted_once(_receive(datagrams), "etl.orchard")
    assert not [path for path in (state / "lake/orchard/staging").rglob("*") if path.is_file()]

    planned = _step("plan", "small", "--trials", "30", "--timeout", "600")
    run = ("--run", planned["run_id"])
    _kill_step("tune", "small", *run, "--candidate", "knn", said="tune knn")
    tuned = _step("tune", "small", *run, "--candidate", "knn")
    assert (tuned["trials"], tuned["version"]) == (30, 1)


@pytest.mark.slow
def test_prune_says_what_it_deletes(state: Path) -> None:
    found = CliRunner().invoke(app, ["prune", "--keep-periods", "1", "--json"])
    assert found.exit_code == 0, found.stderr
    document = json.loads(found.stdout)
    assert document["small"] == {"periods": [], "staging": [], "reports": [], "versions": [], "runs": 0}
    assert (state / "lake/small/2020-01/manifest.json").exists()
    shown = CliRunner().invoke(app, ["prune", "--keep-periods", "1", "--keep-runs-days", "0"])
    assert "small" in shown.stdout
