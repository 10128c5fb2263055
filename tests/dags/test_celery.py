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

from apache import ROOT, Airflow, clean, python
from platforms import COMMAND, until
from servers import PostgresServer, free_port, postgres_server, redis_server, wait_until_ready
from servicio_ml.use_cases.catalogue import find

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
HEART = "heart_disease"
TRAIN = f"train_model_{HEART}"
TRIALS = 2
WORKERS = ("first", "second")
STOP_SECONDS = 30
PARTS = 3
"""Of the name of a study: use case, candidate, digest of the data."""
PLACEHOLDER = re.compile(r"HOST|PASSWORD|SECRET$|USER")
OURS = ("SERVICIO_ML_LAKE_URL", "SERVICIO_ML_API_KEY_FILE", "AIRFLOW__SECRETS__BACKEND")
"""Of the template, what this test does without."""


def _template() -> Mapping[str, str]:
    """The variables of the template that need no filling in."""
    lines = (ROOT / "airflow/config/celery.env.template").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if re.match(r"[A-Z_]+=", line))
    return {
        name: value
        for name, value in given.items()
        if not PLACEHOLDER.search(value) and not name.startswith(OURS)
    }


def _environment(state: Path, redis: str, postgres: PostgresServer, url: str) -> dict[str, str]:
    """The template, filled in."""
    address, study = postgres.url("airflow"), postgres.url("studies")
    secret = urlsafe_b64encode(secrets.token_bytes(32)).decode()
    filled = {
        **_template(),
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
    return clean(**filled)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where processes of Airflow run, with a log each."""

    folder: Path
    environment: Mapping[str, str]

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def once(self, *words: str) -> None:
        subprocess.run(words, env=self.environment, check=True, capture_output=True)

    @contextmanager
    def process(self, name: str, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A process of Airflow, stopped in the end."""
        command = [python(), "-m", "airflow", *words]
        with self.log(name).open("wb") as log:
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
    with postgres_server() as server:
        _query(server.url(), "create database airflow")
        _query(server.url(), "create database studies")
        yield server


def _query(url: str, statement: str) -> list[tuple[object, ...]]:
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
    url, password = f"http://127.0.0.1:{free_port()}", secrets.token_urlsafe()
    (tmp_path / "airflow").mkdir()
    passwords = tmp_path / "airflow" / "simple_auth_manager_passwords.json.generated"
    passwords.write_text(f'{{"admin": "{password}"}}')
    with ExitStack() as stack:
        redis = stack.enter_context(redis_server(tmp_path))
        machine = Machine(tmp_path, _environment(tmp_path, redis, postgres, url))
        machine.once(COMMAND, "data", "sample", HEART, "--rows", "600")
        machine.once(COMMAND, "etl", HEART)
        machine.once(python(), "-m", "airflow", "db", "migrate")
        server = stack.enter_context(machine.process("api-server", "api-server"))
        for name in ("scheduler", "dag-processor"):
            stack.enter_context(machine.process(name, name))
        for name in WORKERS:
            words = ("celery", "worker", "--celery-hostname", f"{name}@here", "--skip-serve-logs")
            stack.enter_context(machine.process(name, *words))
        wait_until_ready(f"{url}/api/v2/version", server)
        airflow = Airflow(url, password)
        until(f"{TRAIN} is known", lambda: _known(airflow))
        run = airflow.start(TRAIN, trials=TRIALS)
        airflow.ended(TRAIN, 1)
        tuned = [task["id"] for task in airflow.tasks(TRAIN, run) if task["task_id"] == "tune"]
    candidates = {candidate.name for candidate in find(HEART).candidates}
    assert len(tuned) == len(candidates)
    for name in WORKERS:
        log = machine.log(name).read_text()
        assert any(task in log for task in tuned), f"the {name} worker tuned nothing"
    counted = _query(
        postgres.url("studies"),
        "select study_name, count(*) from trials join studies using (study_id) group by study_name",
    )
    # a refinement's name has more parts
    trials = {parts[1]: count for name, count in counted if len(parts := str(name).split("/")) == PARTS}
    assert trials == dict.fromkeys(candidates, TRIALS)


def _known(airflow: Airflow) -> bool:
    """Whether the DAG has been read."""
    try:
        airflow("GET", f"/api/v2/dags/{TRAIN}")
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    return True
