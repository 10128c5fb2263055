"""CeleryExecutor over PostgreSQL and Redis: one training's candidates on two workers, into one database."""

import os
import re
import secrets
import signal
import subprocess
import urllib.error
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from airflow_runner import ROOT, AirflowClient, build_clean_environment, get_airflow_python
from model_server import COMMAND, wait_until
from servers import (
    PostgresServer,
    find_free_port,
    start_postgres_server,
    start_redis_server,
    wait_until_ready,
)
from servicio_ml.domain.search import BLEND
from servicio_ml.use_cases.catalogue import find

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HEART = "heart_disease"
TRAIN = f"train_model_{HEART}"
TRIALS = 2
WORKERS = ("first", "second")
STOP_SECONDS = 30
STUDY_NAME_PARTS = 3
"""Number of slash-separated names in a study's name: use case, candidate, digest of data and definition."""
PLACEHOLDER = re.compile(r"HOST|PASSWORD|SECRET$|USER")
OWN_VARIABLES = ("SERVICIO_ML_LAKE_URL", "SERVICIO_ML_API_KEY_FILE", "AIRFLOW__SECRETS__BACKEND")
"""Prefixes of the template's variables that this test leaves out."""


def _read_template() -> Mapping[str, str]:
    """The variables of the template that need no filling in."""
    lines = (ROOT / "airflow/config/celery.env.template").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    return {
        name: value
        for name, value in given.items()
        if not PLACEHOLDER.search(value) and not name.startswith(OWN_VARIABLES)
    }


def _build_environment(state: Path, redis: str, postgres: PostgresServer, url: str) -> dict[str, str]:
    """The template, filled in."""
    address, study = postgres.build_url("airflow"), postgres.build_url("studies")
    secret = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    filled = {
        **_read_template(),
        "AIRFLOW_HOME": state / "airflow",
        "AIRFLOW_CONFIG": ROOT / "airflow/config/airflow.cfg",
        "AIRFLOW__CORE__DAGS_FOLDER": ROOT / "airflow/dags",
        "PYTHONPATH": ROOT / "servicio-ml/src",
        "AIRFLOW__CELERY__BROKER_URL": redis,
        "AIRFLOW__CELERY__RESULT_BACKEND": address.replace("postgresql:", "db+postgresql:"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address.replace("postgresql:", "postgresql+psycopg2:"),
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": 1,
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__METRICS__STATSD_ON": False,
        "SERVICIO_ML_COMMAND": COMMAND,
        "SERVICIO_ML_STATE_DIR": state,
        "SERVICIO_ML_STUDY_URL": study.replace("postgresql:", "postgresql+psycopg:"),
        "AIRFLOW__API_AUTH__JWT_SECRET": secret,
        "AIRFLOW__API__SECRET_KEY": secret,
        "AIRFLOW__CORE__FERNET_KEY": secret,
    }
    return build_clean_environment(**filled)


@dataclass(frozen=True, slots=True)
class AirflowMachine:
    """Folder and environment of Airflow's processes, with a log for each."""

    folder: Path
    environment: Mapping[str, str]

    def get_log_path(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def run_command(self, *words: str) -> None:
        subprocess.run(words, env=self.environment, check=True, capture_output=True)

    @contextmanager
    def start_process(self, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of Airflow, stopped in the end."""
        command = [get_airflow_python(), "-m", "airflow", *words]
        with self.get_log_path(name).open("wb") as log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, env=self.environment, start_new_session=True
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL with the two databases."""
    with start_postgres_server() as server:
        _run_query(server.build_url(), "create database airflow")
        _run_query(server.build_url(), "create database studies")
        yield server


def _run_query(url: str, statement: str) -> list[tuple[object, ...]]:
    """The rows of a statement, if it gives any."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        result = connection.execute(text(statement))
        rows = [tuple(row) for row in result] if result.returns_rows else []
    engine.dispose()
    return rows


def test_candidates_are_tuned_on_two_workers_into_one_database(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    url, password = f"http://127.0.0.1:{find_free_port()}", secrets.token_urlsafe()
    (tmp_path / "airflow").mkdir()
    passwords = tmp_path / "airflow" / "simple_auth_manager_passwords.json.generated"
    passwords.write_text(f'{{"admin": "{password}"}}')
    with ExitStack() as stack:
        redis = stack.enter_context(start_redis_server(tmp_path))
        machine = AirflowMachine(tmp_path, _build_environment(tmp_path, redis, postgres, url))
        machine.run_command(COMMAND, "data", "sample", HEART, "--rows", "600")
        machine.run_command(COMMAND, "etl", HEART)
        machine.run_command(get_airflow_python(), "-m", "airflow", "db", "migrate")
        server = stack.enter_context(machine.start_process("api-server", "api-server"))
        for name in ("scheduler", "dag-processor"):
            stack.enter_context(machine.start_process(name, name))
        for name in WORKERS:
            words = ("celery", "worker", "--celery-hostname", f"{name}@here", "--skip-serve-logs")
            stack.enter_context(machine.start_process(name, *words))
        wait_until_ready(f"{url}/api/v2/version", server)
        airflow = AirflowClient(url, password)
        wait_until(f"{TRAIN} is known", lambda: _is_dag_known(airflow))
        run = airflow.start_run(TRAIN, trials=TRIALS)
        airflow.wait_for_runs(TRAIN, 1)
        tuned = [task["id"] for task in airflow.list_tasks(TRAIN, run) if task["task_id"] == "tune"]
    candidates = {each.name for each in find(HEART).candidates if each.family != BLEND}
    assert len(tuned) == len(candidates)
    for name in WORKERS:
        log = machine.get_log_path(name).read_text()
        assert any(task in log for task in tuned), f"the {name} worker tuned nothing"
    assert _count_trials(postgres.build_url("studies")) == dict.fromkeys(candidates, TRIALS)


def _count_trials(url: str) -> dict[str, object]:
    """Count the trials of each candidate in the database, without its refinement."""
    study_rows = _run_query(
        url, "select study_name, count(*) from trials join studies using (study_id) group by study_name"
    )
    # a refinement adds to the study's name
    split_names = [(str(name).split("/"), count) for name, count in study_rows]
    return {names[1]: count for names, count in split_names if len(names) == STUDY_NAME_PARTS}


def _is_dag_known(airflow: AirflowClient) -> bool:
    """Whether the DAG has been read."""
    try:
        airflow("GET", f"/api/v2/dags/{TRAIN}")
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    return True
