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

from airflow_runner import AirflowClient, build_clean_environment, run_standalone
from model_server import COMMAND, ModelServer, run_model_server, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
RAIN = "rain_australia"
ETL, TRAIN, DRIFT = f"etl_process_{RAIN}", f"train_model_{RAIN}", f"drift_report_{RAIN}"
CANDIDATES = 4
ROWS = 4000
FIRST = "2017-05"
"""The sample ends in the month after it."""
PREDICTIONS = 600
NEVER_SECONDS = 86_400
TRIES = 4
RECORD = {"date": "2017-06-15", "location": "Sydney", "humidity_3pm": 71, "pressure_3pm": 1009.2}
STARTED_IN = time.strftime("%Y-%m", time.gmtime())  # this month, unless one ends meanwhile
OPPOSITE = {"Yes": "No", "No": "Yes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowPlatform:
    """An Airflow and a server over one state folder, with the calls to a webhook and the lines to StatsD."""

    airflow: AirflowClient
    server: ModelServer
    state: Path
    webhook_calls: list[dict[str, Any]]
    statsd_lines: list[str]

    def get_champion(self) -> int:
        """The version that the server answers with."""
        version: int = json.loads(self.server("GET", f"/models/{RAIN}").body)["champion"]
        return version

    def count_versions(self) -> int:
        """Count the registered versions."""
        with closing(sqlite3.connect(self.state / "mlflow.db")) as database:
            [[count]] = database.execute("select count(*) from model_versions where name = ?", [RAIN])
        assert isinstance(count, int)
        return count


def _run_command(state: Path, *words: str) -> None:
    environment = build_clean_environment(SERVICIO_ML_STATE_DIR=state)
    subprocess.run([COMMAND, *words], env=environment, capture_output=True, check=True)


def _create_sample(state: Path, seed: int) -> str:
    """A raw file."""
    path = str(state / f"sample-{seed}.csv")
    _run_command(state, "data", "sample", RAIN, "--rows", str(ROWS), "--seed", str(seed), "--output", path)
    return path


@dataclass(frozen=True, slots=True)
class Webhook:
    """Keeps what is posted to it."""

    received: list[dict[str, Any]] = field(default_factory=list)

    def create_handler(self) -> Callable[..., BaseHTTPRequestHandler]:
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


@contextmanager
def _run_statsd() -> Iterator[tuple[int, list[str]]]:
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
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowPlatform]:
    """Everything, with short waits."""
    state = tmp_path_factory.mktemp("state")
    webhook = Webhook()
    listener = HTTPServer(("127.0.0.1", 0), webhook.create_handler())
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    home = state / "airflow"
    home.mkdir()
    variables = {"training_trials": "1", f"source_{RAIN}": _create_sample(state, seed=0)}
    webhooks = {"failure_webhook": {"conn_type": "http", "host": f"http://127.0.0.1:{listener.server_port}"}}
    (home / "variables.yaml").write_text(yaml.safe_dump(variables))
    (home / "connections.yaml").write_text(yaml.safe_dump(webhooks))
    with _run_statsd() as (port, statsd_lines):
        statsd = {"STATSD_HOST": "127.0.0.1", "STATSD_PORT": port, "AIRFLOW__METRICS__STATSD_ON": True}
        with (
            # it loads a new champion on request only
            run_model_server(
                state, ready=False, workers=1, models=RAIN, poll_seconds=NEVER_SECONDS
            ) as server,
            run_standalone(
                state,
                SERVICIO_ML_API_URL=server.url,
                AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY=1,
                AIRFLOW__METRICS__STATSD_PORT=port,
                **statsd,
            ) as airflow,
        ):
            yield AirflowPlatform(
                airflow=airflow,
                server=server,
                state=state,
                webhook_calls=webhook.received,
                statsd_lines=statsd_lines,
            )
    listener.shutdown()
    listener.server_close()


def _kill_tuning() -> None:
    """Kill the first tuning of a candidate that is at work."""

    def kill_first() -> bool:
        for place in Path("/proc").iterdir():
            try:
                words = (place / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if place.name.isdigit() and {b"tune", b"--candidate=lightgbm"} <= set(words):
                os.kill(int(place.name), signal.SIGKILL)
                return True
        return False

    wait_until("a tuning is killed", kill_first)


def _check_decision(platform: AirflowPlatform, run: str) -> Any:
    """Return the decision of a training, after checking that the rest of the run agrees with it."""
    airflow, states = platform.airflow, platform.airflow.get_states(TRAIN, run)
    found = airflow.get_result(TRAIN, run, "judge")
    promoted = found["decision"] == "promoted"
    done, skipped = ("promote", "reject") if promoted else ("reject", "promote")
    assert (states[done], states[skipped]) == ("success", "skipped")
    assert states["reload"] == ("success" if promoted else "skipped")
    assert states["record"] == "success"
    assert platform.get_champion() == (found["challenger"] if promoted else found["champion"])
    return found


def test_a_month_becomes_a_champion_though_a_task_is_killed(platform: AirflowPlatform) -> None:
    airflow = platform.airflow
    airflow.start_run(ETL, f"{FIRST}-01T00:00:00Z")
    airflow.pause(ETL, paused=False)
    airflow.wait_for_runs(ETL, 1)
    _kill_tuning()
    [trained] = airflow.wait_for_runs(TRAIN, 1)
    run = trained["dag_run_id"]
    assert trained["run_type"] == "asset_triggered"
    assert airflow.get_result(TRAIN, run, "plan")["period"] == FIRST
    tuned = [task for task in airflow.list_tasks(TRAIN, run) if task["task_id"] == "tune"]
    assert sorted(task["try_number"] for task in tuned) == [1, 1, 1, 2]
    assert platform.count_versions() == CANDIDATES + airflow.get_result(TRAIN, run, "refine")["better"]
    judged = _check_decision(platform, run)
    assert judged["decision"] == "promoted"
    assert judged["champion"] is None
    assert airflow.get_result(TRAIN, run, "reload") == {"champion": judged["challenger"]}


def test_the_next_month_is_judged_against_that_champion(platform: AirflowPlatform) -> None:
    airflow, before = platform.airflow, platform.get_champion()
    etl = airflow.wait_for_runs(ETL, 2)[1]
    airflow.pause(ETL, paused=True)  # a month that ends now must not start another
    trained = airflow.wait_for_runs(TRAIN, 2)[1]
    assert etl["run_type"] == "scheduled"
    run = trained["dag_run_id"]
    assert airflow.get_result(TRAIN, run, "plan")["period"] == etl["logical_date"][: len(FIRST)]
    assert STARTED_IN <= etl["logical_date"][: len(FIRST)] <= _get_current_month()
    assert _check_decision(platform, run)["champion"] == before


def _get_current_month() -> str:
    return time.strftime("%Y-%m", time.gmtime())


def test_drift_with_impact_starts_a_retraining(platform: AirflowPlatform) -> None:
    airflow, server, before = platform.airflow, platform.server, platform.get_champion()
    answer = server("POST", f"/models/{RAIN}/predict/batch", {"records": [RECORD] * PREDICTIONS})
    labels = [
        {"prediction_id": each["prediction_id"], "actual": OPPOSITE[each["label"]]}
        for each in answer.document["predictions"]
    ]
    assert server("POST", f"/models/{RAIN}/feedback/batch", {"labels": labels}).status == 200
    _run_command(platform.state, "etl", RAIN, "--source", _create_sample(platform.state, seed=1))
    airflow.pause(DRIFT, paused=False)
    [looked] = airflow.wait_for_runs(DRIFT, 1)
    assert airflow.get_result(DRIFT, looked["dag_run_id"], "judge") == {"verdict": "impact"}
    run = airflow.wait_for_runs(TRAIN, 3)[2]["dag_run_id"]
    [event] = airflow("GET", f"/api/v2/dags/{TRAIN}/dagRuns/{quote(run)}/upstreamAssetEvents")["asset_events"]
    assert event["name"] == f"drift/{RAIN}"
    assert _check_decision(platform, run)["champion"] == before


def test_an_event_that_comes_twice_trains_nothing(platform: AirflowPlatform) -> None:
    airflow, versions = platform.airflow, platform.count_versions()
    every = airflow("GET", "/api/v2/assets")["assets"]
    [asset] = [each["id"] for each in every if each["name"] == f"lake/{RAIN}"]
    airflow("POST", "/api/v2/assets/events", {"asset_id": asset})
    run = airflow.wait_for_runs(TRAIN, 4)[3]["dag_run_id"]
    states = airflow.get_states(TRAIN, run)
    assert {task for task, state in states.items() if state == "success"} == {"plan", "something_new"}
    assert platform.count_versions() == versions


def test_a_failure_is_counted_and_reported(platform: AirflowPlatform) -> None:
    airflow = platform.airflow
    airflow.pause(ETL, paused=False)
    run = airflow.start_run(ETL, source="/nowhere.csv")
    wait_until("the webhook is called", lambda: platform.webhook_calls)
    [call] = platform.webhook_calls
    assert (call["dag_id"], call["task_id"], call["try_number"]) == (ETL, "extract", TRIES)
    assert call["log"].startswith(airflow.url)
    wait_until("the run has ended", lambda: airflow.get_run(ETL, run)["state"] == "failed")
    assert airflow.get_states(ETL, run)["fail"] == "success"
    wait_until("it is statsd_lines", lambda: f"servicio_ml.etl.{RAIN}.failure:1|c" in platform.statsd_lines)
    assert platform.statsd_lines.count(f"servicio_ml.etl.{RAIN}.failure:1|c") == 1
    assert len(platform.webhook_calls) == 1
    finished = [line for line in platform.statsd_lines if line.startswith("airflow.ti.finish,")]
    assert any(f"dag_id={ETL}" in line and "task_id=extract" in line for line in finished)
