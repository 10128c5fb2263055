"""`make airflow` for real, beside a server: months, drift, a killed task and a failure, on rain."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from apache import Airflow, clean, standalone
from platforms import COMMAND, Platform, serving, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RAIN = "rain_australia"
ETL, TRAIN, DRIFT = f"etl_process_{RAIN}", f"train_model_{RAIN}", f"drift_report_{RAIN}"
CANDIDATES = 4
ROWS = 4000
FIRST = "2017-05"
"""The sample ends in the month after it."""
SCORED = 600
NEVER_SECONDS = 86_400
TRIES = 4
RECORD = {"date": "2017-06-15", "location": "Sydney", "humidity_3pm": 71, "pressure_3pm": 1009.2}
OPPOSITE = {"Yes": "No", "No": "Yes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """An Airflow and a server over one state folder, and what is told to a webhook and to StatsD."""

    airflow: Airflow
    server: Platform
    state: Path
    told: list[dict[str, Any]]
    counted: list[str]

    def champion(self) -> int:
        """The version that the server answers with."""
        version: int = json.loads(self.server("GET", f"/models/{RAIN}").body)["champion"]
        return version

    def versions(self) -> int:
        """How many versions are registered."""
        with closing(sqlite3.connect(self.state / "mlflow.db")) as database:
            [[count]] = database.execute("select count(*) from model_versions where name = ?", [RAIN])
        assert isinstance(count, int)
        return count


def _command(state: Path, *words: str) -> None:
    environment = clean(SERVICIO_ML_STATE_DIR=state)
    subprocess.run([COMMAND, *words], env=environment, capture_output=True, check=True)


def _sample(state: Path, seed: int) -> str:
    """A raw file."""
    path = str(state / f"sample-{seed}.csv")
    _command(state, "data", "sample", RAIN, "--rows", str(ROWS), "--seed", str(seed), "--output", path)
    return path


@dataclass(frozen=True, slots=True)
class Webhook:
    """Keeps what is posted to it."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        told = self.told

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def _statsd() -> Iterator[tuple[int, list[str]]]:
    """The port of a StatsD, and what it receives."""
    received: list[str] = []
    stop = threading.Event()
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.2)

        def receive() -> None:
            while not stop.is_set():
                with suppress(TimeoutError):
                    received.append(server.recv(65_536).decode())

        thread = threading.Thread(target=receive)
        thread.start()
        yield server.getsockname()[1], received
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Everything, with short waits."""
    state = tmp_path_factory.mktemp("state")
    webhook = Webhook()
    listener = HTTPServer(("127.0.0.1", 0), webhook.handler())
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    home = state / "airflow"
    home.mkdir()
    variables = {"training_trials": "1", f"source_{RAIN}": _sample(state, seed=0)}
    webhooks = {"failure_webhook": {"conn_type": "http", "host": f"http://127.0.0.1:{listener.server_port}"}}
    (home / "variables.yaml").write_text(yaml.safe_dump(variables))
    (home / "connections.yaml").write_text(yaml.safe_dump(webhooks))
    with _statsd() as (port, counted):
        statsd = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": port, "AIRFLOW__METRICS__STATSD_ON": True}
        with (
            # it looks for a champion when it is told only
            serving(state, ready=False, workers=1, models=RAIN, poll_seconds=NEVER_SECONDS) as server,
            standalone(
                state,
                SERVICIO_ML_API_URL=server.url,
                AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY=1,
                AIRFLOW__METRICS__STATSD_PORT=port,
                **statsd,
            ) as airflow,
        ):
            yield Town(airflow=airflow, server=server, state=state, told=webhook.told, counted=counted)
    listener.shutdown()
    listener.server_close()


def _kill_a_tuning() -> None:
    """Kill the first tuning of a candidate that is at work."""

    def killed() -> bool:
        for place in Path("/proc").iterdir():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if place.name.isdigit() and {b"tune", b"--candidate=lightgbm"} <= set(words):
                os.kill(int(place.name), signal.SIGKILL)
                return True
        return False

    until("a tuning is killed", killed)


def _judged(town: Town, run: str) -> Any:
    """What a training decided; asserts that the rest of the run fits it."""
    airflow, states = town.airflow, town.airflow.states(TRAIN, run)
    found = airflow.result(TRAIN, run, "judge")
    promoted = found["decision"] == "promoted"
    done, skipped = ("promote", "reject") if promoted else ("reject", "promote")
    assert (states[done], states[skipped]) == ("success", "skipped")
    assert states["reload"] == ("success" if promoted else "skipped")
    assert states["record"] == "success"
    assert town.champion() == (found["challenger"] if promoted else found["champion"])
    return found


def test_a_month_becomes_a_champion_though_a_task_is_killed(town: Town) -> None:
    airflow = town.airflow
    airflow.start(ETL, f"{FIRST}-01T00:00:00Z")
    airflow.pause(ETL, paused=False)
    airflow.ended(ETL, 1)
    _kill_a_tuning()
    [trained] = airflow.ended(TRAIN, 1)
    run = trained["dag_run_id"]
    assert trained["run_type"] == "asset_triggered"
    assert airflow.result(TRAIN, run, "plan")["period"] == FIRST
    tuned = [task for task in airflow.tasks(TRAIN, run) if task["task_id"] == "tune"]
    assert sorted(task["try_number"] for task in tuned) == [1, 1, 1, 2]
    assert town.versions() == CANDIDATES + airflow.result(TRAIN, run, "refine")["better"]
    judged = _judged(town, run)
    assert judged["decision"] == "promoted"
    assert judged["champion"] is None
    assert airflow.result(TRAIN, run, "reload") == {"champion": judged["challenger"]}


def test_the_next_month_is_judged_against_that_champion(town: Town) -> None:
    airflow, before = town.airflow, town.champion()
    etl = airflow.ended(ETL, 2)[1]
    trained = airflow.ended(TRAIN, 2)[1]
    assert etl["run_type"] == "scheduled"
    run = trained["dag_run_id"]
    assert airflow.result(TRAIN, run, "plan")["period"] == etl["logical_date"][: len(FIRST)] == _month()
    assert _judged(town, run)["champion"] == before


def _month() -> str:
    return time.strftime("%Y-%m", time.gmtime())


def test_drift_with_impact_starts_a_retraining(town: Town) -> None:
    airflow, server, before = town.airflow, town.server, town.champion()
    answer = server("POST", f"/models/{RAIN}/predict/batch", {"records": [RECORD] * SCORED})
    labels = [
        {"prediction_id": each["prediction_id"], "actual": OPPOSITE[each["label"]]}
        for each in answer.document["predictions"]
    ]
    assert server("POST", f"/models/{RAIN}/feedback/batch", {"labels": labels}).status == 200
    _command(town.state, "etl", RAIN, "--source", _sample(town.state, seed=1))
    airflow.pause(DRIFT, paused=False)
    [looked] = airflow.ended(DRIFT, 1)
    assert airflow.result(DRIFT, looked["dag_run_id"], "judge") == {"verdict": "impact"}
    run = airflow.ended(TRAIN, 3)[2]["dag_run_id"]
    [event] = airflow("GET", f"/api/v2/dags/{TRAIN}/dagRuns/{quote(run)}/upstreamAssetEvents")["asset_events"]
    assert event["name"] == f"drift/{RAIN}"
    assert _judged(town, run)["champion"] == before


def test_an_event_that_comes_twice_trains_nothing(town: Town) -> None:
    airflow, versions = town.airflow, town.versions()
    every = airflow("GET", "/api/v2/assets")["assets"]
    [asset] = [each["id"] for each in every if each["name"] == f"lake/{RAIN}"]
    airflow("POST", "/api/v2/assets/events", {"asset_id": asset})
    run = airflow.ended(TRAIN, 4)[3]["dag_run_id"]
    states = airflow.states(TRAIN, run)
    assert {task for task, state in states.items() if state == "success"} == {"plan", "something_new"}
    assert town.versions() == versions


def test_a_failure_is_counted_and_told(town: Town) -> None:
    town.airflow.pause(ETL, paused=False)
    town.airflow.start(ETL, source="/nowhere.csv")
    until("the webhook is told", lambda: town.told)
    [told] = town.told
    assert (told["dag_id"], told["task_id"], told["try_number"]) == (ETL, "extract", TRIES)
    assert told["log"].startswith(town.airflow.url)
    airflow = town.airflow
    until("the run has ended", lambda: airflow.runs(ETL)[-1]["state"] == "failed")
    assert airflow.states(ETL, airflow.runs(ETL)[-1]["dag_run_id"])["fail"] == "success"
    until("it is counted", lambda: f"servicio_ml.etl.{RAIN}.failure:1|c" in town.counted)
    assert town.counted.count(f"servicio_ml.etl.{RAIN}.failure:1|c") == 1
    assert len(town.told) == 1
    finished = [line for line in town.counted if line.startswith("airflow.ti.finish,")]
    assert any(f"dag_id={ETL}" in line and "task_id=extract" in line for line in finished)
