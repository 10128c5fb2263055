"""Airflow's own environment, run from the tests' one."""

import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from model_server import COMMAND
from servers import find_free_port

RUN_SECONDS = 420
POLL_SECONDS = 0.5
SHOWN_CHARACTERS = 3000
ROOT = Path(__file__).parents[1]
PYTHON = Path(os.environ.get("SERVICIO_ML_AIRFLOW_PYTHON", ROOT / ".venv-airflow" / "bin" / "python"))


def get_airflow_python() -> str:
    """The interpreter of Airflow; a test that asks for it is skipped where there is none."""
    if shutil.which(PYTHON) is None:
        pytest.skip(f"no Airflow at {PYTHON}; run make test, or set SERVICIO_ML_AIRFLOW_PYTHON")
    return str(PYTHON)


def build_clean_environment(**settings: object) -> dict[str, str]:
    """This environment without settings of ours and of Airflow's, and with those given."""
    own = ("SERVICIO_ML_", "AIRFLOW_", "STATSD_", "PYTHONPATH")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return inherited | {name: str(value) for name, value in settings.items()}


@cache
def describe_dags(use_cases: str = "") -> Mapping[str, Any]:
    """Describe the DAGs by `airflow/documents.py --json`."""
    given = {"SERVICIO_ML_USE_CASES_DIR": use_cases} if use_cases else {}
    done = subprocess.run(
        [get_airflow_python(), str(ROOT / "airflow" / "documents.py"), "--json"],
        env=build_clean_environment(**given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


class AirflowClient:
    """A running Airflow, by its API.

    Args:
        url: URL of its API server.
        password: Password of the user `admin`.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._token = ""
        token = self("POST", "/auth/token", {"username": "admin", "password": password})
        self._token = token["access_token"]

    def __call__(self, method: str, path: str, body: object = None) -> Any:
        """The document of an answer."""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310  our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            return json.loads(answer.read())

    def pause(self, dag: str, *, paused: bool) -> None:
        self("PATCH", f"/api/v2/dags/{dag}", {"is_paused": paused})

    def start_run(self, dag: str, logical_date: str | None = None, **conf: object) -> str:
        """Start a run by hand, one of the past before all others; gives its id."""
        body = {"logical_date": logical_date, "run_after": logical_date, "conf": conf}
        started: str = self("POST", f"/api/v2/dags/{dag}/dagRuns", body)["dag_run_id"]
        return started

    def list_runs(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG, the oldest first."""
        path = f"/api/v2/dags/{dag}/dagRuns?order_by=id"
        found: list[dict[str, Any]] = self("GET", path)["dag_runs"]
        return found

    def get_run(self, dag: str, run: str) -> dict[str, Any]:
        """Return a run by its id."""
        found: dict[str, Any] = self("GET", f"/api/v2/dags/{dag}/dagRuns/{quote(run)}")
        return found

    def list_tasks(self, dag: str, run: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances?limit=100"
        found: list[dict[str, Any]] = self("GET", path)["task_instances"]
        return found

    def get_states(self, dag: str, run: str) -> dict[str, str]:
        """The state of each task of a run that is not mapped."""
        return {task["task_id"]: task["state"] for task in self.list_tasks(dag, run) if task["map_index"] < 0}

    def get_result(self, dag: str, run: str, task: str) -> Any:
        """Return the result of a task."""
        path = f"/api/v2/dags/{dag}/dagRuns/{quote(run)}/taskInstances/{task}/xcomEntries/return_value"
        return self("GET", path + "?deserialize=true")["value"]

    def wait_for_runs(self, dag: str, count: int) -> list[dict[str, Any]]:
        """Wait until a DAG has had that many runs, none of which has failed; gives them."""
        for _ in range(int(RUN_SECONDS / POLL_SECONDS)):
            runs = self.list_runs(dag)
            states = [run["state"] for run in runs[:count]]
            if states == ["success"] * count:
                return runs[:count]
            if "failed" in states:
                raise AssertionError(self._collect_failures(dag, runs))
            threading.Event().wait(POLL_SECONDS)
        raise TimeoutError(f"{dag} has not had {count} runs within {RUN_SECONDS} s: {self.list_runs(dag)}")

    def _collect_failures(self, dag: str, runs: Sequence[Mapping[str, Any]]) -> str:
        """The last lines of the logs of what has failed."""
        failures = []
        for run in runs:
            for task in self.list_tasks(dag, run["dag_run_id"]):
                if task["state"] == "failed":
                    path = f"/api/v2/dags/{dag}/dagRuns/{quote(run['dag_run_id'])}/taskInstances"
                    log = self(
                        "GET",
                        f"{path}/{task['task_id']}/logs/{task['try_number']}?map_index={task['map_index']}",
                    )
                    failures.append(f"{task['task_id']}: {json.dumps(log)[-SHOWN_CHARACTERS:]}")
        return "\n".join([dag, *failures])


@contextmanager
def run_standalone(state: Path, **settings: object) -> Iterator[AirflowClient]:
    """`make airflow` on a state folder and a free port, stopped as by Ctrl-C; nothing of it is left."""
    port = find_free_port()
    own = {"SERVICIO_ML_STATE_DIR": state, "SERVICIO_ML_COMMAND": COMMAND, "AIRFLOW__API__PORT": port}
    output = state / "make-airflow.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [get_airflow_python(), str(ROOT / "airflow" / "standalone.py")],
            env=build_clean_environment(**own, **settings), stdout=log, stderr=log, cwd=ROOT,
        )  # fmt: skip
    try:
        for _ in range(int(RUN_SECONDS / POLL_SECONDS)):
            if "Ctrl-C" in output.read_text() or process.poll() is not None:
                break
            threading.Event().wait(POLL_SECONDS)
        printed = dict(line.split(": ", 1) for line in output.read_text().splitlines() if ": " in line)
        yield AirflowClient(printed["Airflow"], printed["password"])
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0, output.read_text()
