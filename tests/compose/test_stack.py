"""The production stack on a Docker engine: it starts, works, keeps its secrets and outlives its parts."""

import json
import re
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import boto3
import grpc
import pytest

from airflow_runner import AirflowClient
from compose.engine import (
    DEFAULT_MODEL,
    REQUEST_SECONDS,
    UPLOAD_KEY,
    Stack,
    find_container,
    kill_container,
)
from deploy.secrets_list import API_KEYS, SECRET_FILES
from messy_files import write_rows
from model_server import wait_until
from servicio_ml.domain.stream import StreamKind, build_stream_name
from servicio_ml.serving.oip.inference_pb2 import ModelReadyRequest
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub
from servicio_ml.use_cases.catalogue import find

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2400)]
HEART = DEFAULT_MODEL
ONE_SHOT = {"airflow-init", "s3-buckets"}
LOOPBACK = "127.0.0.1"
REPLICAS = 2
RECOVERY_SECONDS = 240
SHIP_SECONDS = 120
BETWEEN_LOOKS_SECONDS = 0.5
BETWEEN_PREDICTIONS_SECONDS = 0.05
ROOT_USER = "0"
PATIENT = {field.name: field.example for field in find(HEART).schema.fields}
FRUIT = {"size": 3, "x": 5}
"""A record of the files that the tests upload."""


@pytest.fixture(scope="session")
def airflow(stack: Stack) -> AirflowClient:
    return AirflowClient(stack.build_url("AIRFLOW"), stack.read_secret("airflow_admin_password"))


@pytest.fixture(scope="session")
def trained(stack: Stack, airflow: AirflowClient) -> str:
    """The model that Airflow has trained of a sample, by its DAGs."""
    command = ("servicio-ml", "data", "sample", HEART, "--rows", "600")
    stack("run", "--rm", "--no-deps", "--quiet-pull", "airflow-cli", *command)
    wait_until("the DAGs are known", lambda: _is_known(airflow, f"etl_process_{HEART}"))
    # unpaused, it runs the past slot at once; its data starts the training
    airflow.pause(f"etl_process_{HEART}", paused=False)
    airflow.wait_for_runs(f"etl_process_{HEART}", 1)
    airflow.wait_for_runs(f"train_model_{HEART}", 1)
    wait_until("the server has the champion", lambda: _predict(stack))
    return HEART


def _is_known(airflow: AirflowClient, dag: str) -> bool:
    try:
        airflow("GET", f"/api/v2/dags/{dag}")
    except urllib.error.HTTPError as refused:
        refused.close()
        return False
    return True


def _predict(stack: Stack, model: str = HEART, record: Mapping[str, Any] = PATIENT) -> str:
    """The id of an answered prediction; empty when it was not answered."""
    try:
        path = f"/models/{model}/predict"
        answer = stack.request("API", path, record, X_API_Key=stack.read_secret("api_predict_key"))
    except OSError as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()
        return ""
    return str(answer["prediction_id"])


def _read_logged_ids(stack: Stack) -> set[str]:
    return set(stack.query("servicio_ml", "SELECT prediction_id FROM prediction"))


def test_every_service_is_well(stack: Stack) -> None:
    states = {stack.get_service(each): each["State"] for each in stack.list_containers()}
    assert {name for name, state in states.items() if state.get("Health", {}).get("Status") == "healthy"} == (
        set(states) - ONE_SHOT
    )
    assert {states[name]["ExitCode"] for name in ONE_SHOT} == {0}


def test_no_secret_is_seen_from_outside(stack: Stack) -> None:
    containers = stack.list_containers()
    lines = [line for each in containers if each["State"]["Running"] for line in _list_processes(each)]
    visible = json.dumps(containers) + "\n".join(lines) + stack("logs", "--no-color")
    # the file of hashed keys holds words that are no secret
    secrets = {name: stack.read_secret(name) for name in SECRET_FILES if name != API_KEYS}
    assert [name for name, secret in secrets.items() if secret in visible] == []
    assert "{secret:valkey_password}" in visible


def test_containers_may_do_little(stack: Stack) -> None:
    for each in stack.list_containers():
        name, host = each["Name"], each["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert min(host["Memory"], host["PidsLimit"]) > 0, name
        assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}, (
            name
        )
        bound = [port["HostIp"] for ports in (host["PortBindings"] or {}).values() for port in ports]
        assert set(bound) <= {LOOPBACK}, name
        assert each["Config"]["User"].split(":")[0] not in {"", ROOT_USER, "root"}, name
        if each["State"]["Running"]:
            assert ROOT_USER not in [line.split()[1] for line in _list_processes(each)[1:]], name


def _list_processes(container: dict[str, Any]) -> list[str]:
    """Process, user and command line of each, below a heading."""
    command = ["docker", "top", container["Id"], "-eo", "pid,uid,args"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_roles_of_the_database_reach_no_other_database(stack: Stack) -> None:
    query = (
        "SELECT r.rolname || '@' || d.datname FROM pg_roles r CROSS JOIN pg_database d "
        "WHERE r.rolcanlogin AND r.rolname <> 'postgres' AND d.datname <> 'template0' "
        "AND has_database_privilege(r.rolname, d.datname, 'CONNECT')"
    )
    reached = {"airflow@airflow", "mlflow@mlflow_db", "servicio_ml@servicio_ml", "exporter@postgres"}
    assert set(stack.query("postgres", query)) == reached
    assert stack.query("postgres", "SELECT rolname FROM pg_roles WHERE rolsuper") == ["postgres"]


def test_the_api_wants_a_key(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        stack.request("API", "/models")
    refused.value.close()
    assert refused.value.code == 401


def test_a_prediction_gets_into_the_log_and_the_metrics(stack: Stack, trained: str) -> None:
    made = _predict(stack)
    assert made
    wait_until("it is in PostgreSQL", lambda: made in _read_logged_ids(stack))
    query = quote(f'sum(servicio_ml_predictions_total{{model="{trained}"}}) > 0')
    wait_until("Prometheus has counted it", lambda: _query_prometheus(stack, query))


def test_the_proxy_leads_to_grpc(stack: Stack, trained: str) -> None:
    key = (("x-api-key", stack.read_secret("api_predict_key")),)
    with grpc.insecure_channel(f"{LOOPBACK}:{stack.ports['GRPC']}") as channel:
        ask = GRPCInferenceServiceStub(channel).ModelReady  # type: ignore[no-untyped-call]  # generated

        def is_ready() -> bool:
            with suppress(grpc.RpcError):
                return bool(ask(ModelReadyRequest(name=trained), metadata=key, timeout=REQUEST_SECONDS).ready)
            return False

        wait_until("a replica answers", is_ready)


def _query_prometheus(stack: Stack, query: str) -> list[Any]:
    found: list[Any] = stack.request("PROMETHEUS", f"/api/v1/query?query={query}")["data"]["result"]
    return found


def test_prometheus_finds_every_target_once(stack: Stack) -> None:
    def list_targets() -> list[str]:
        active = stack.request("PROMETHEUS", "/api/v1/targets?state=active")["data"]["activeTargets"]
        return sorted(each["labels"]["job"] for each in active if each["health"] == "up")

    others = ["stream-worker", "statsd", "postgres", "s3", "prometheus", "alertmanager"]
    wait_until("all are up", lambda: list_targets() == sorted(["servicio-ml"] * REPLICAS + others))
    alertmanagers = stack.request("PROMETHEUS", "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert len(alertmanagers) == 1


def test_statsd_of_airflow_and_of_the_steps_is_counted(stack: Stack, trained: str) -> None:
    query = quote(f'servicio_ml_pipeline_runs_total{{use_case="{trained}",outcome="success"}}')
    wait_until("a step is counted", lambda: _query_prometheus(stack, query))
    wait_until("the scheduler is seen", lambda: _query_prometheus(stack, "airflow_scheduler_heartbeat_total"))


def _wait_for_champion(stack: Stack, airflow: AirflowClient, name: str) -> None:
    """Unpause the ETL of a use case, and wait until the server has the model that it leads to."""
    dags = (f"etl_process_{name}", f"train_model_{name}")
    wait_until("its DAGs are known", lambda: all(_is_known(airflow, dag) for dag in dags))
    airflow.pause(dags[0], paused=False)
    for dag in dags:
        airflow.wait_for_runs(dag, 1)
    wait_until("its champion predicts", lambda: _predict(stack, name, FRUIT))


def test_an_uploaded_file_is_drafted_and_published_by_airflow(stack: Stack, airflow: AirflowClient) -> None:
    key = stack.read_secret("api_admin_key")
    content = write_rows("size", lambda i: f"{i * 13 % 70}", rows=600).encode()
    stack.request("API", "/raw-files/plums.csv", content, "PUT", X_API_Key=key)
    draft = {"file": "plums.csv", "answers": {"target": "y"}}
    assert stack.request("API", "/use-cases/plums", draft, "PUT", X_API_Key=key)["written"]
    # without a parameter, its ETL reads the upload
    _wait_for_champion(stack, airflow, "plums")


def test_a_file_that_any_client_of_s3_uploads_is_trained(stack: Stack, airflow: AirflowClient) -> None:
    client = boto3.client(
        "s3", endpoint_url=stack.build_url("S3"), region_name="us-east-1",
        aws_access_key_id=stack.read_secret("s3_access_key"),
        aws_secret_access_key=stack.read_secret("s3_secret_key"),
    )  # fmt: skip
    content = write_rows("size", lambda i: f"{i * 13 % 70}", rows=600).encode()
    client.put_object(Bucket="data", Key=UPLOAD_KEY, Body=content)
    draft = ("servicio-ml", "init", "pears", "--source", f"s3://data/{UPLOAD_KEY}", "--target", "y", "--yes")
    stack("run", "--rm", "--no-deps", "--quiet-pull", "airflow-cli", *draft)
    assert (stack.use_cases / "pears.py").is_file()
    # the variable source_pears names the upload
    _wait_for_champion(stack, airflow, "pears")


def test_a_dag_of_ones_own_is_loaded(airflow: AirflowClient) -> None:
    wait_until("Airflow has it", lambda: _is_known(airflow, "own_dag"))


def test_the_default_model_answers_without_a_name(stack: Stack, trained: str) -> None:
    answer = stack.request("API", "/predict", PATIENT, X_API_Key=stack.read_secret("api_predict_key"))
    assert answer["model"] == trained


def test_exec_gives_airflow_its_secrets(stack: Stack, trained: str) -> None:
    listed = stack("exec", "-T", "airflow-scheduler", "airflow", "dags", "list", "--output", "plain")
    assert f"etl_process_{trained}" in listed


def test_the_demonstration_is_scored_by_the_stream_worker(stack: Stack, trained: str) -> None:
    sample = ("servicio-ml", "stream-sample", trained, "--rows", "40", "--rate", "0", "--drift-after", "20")
    stack("run", "--rm", "--no-deps", "--quiet-pull", "producer", *sample)
    wait_until("all have a result", lambda: int(_ask_valkey(stack, "XLEN", _name_results(trained))) >= 40)
    line = re.compile(rf"{trained}: (\d+) requests, \1 results, 0 dead letters")

    def count_logged() -> int:
        return sum(map(int, line.findall(stack("logs", "--no-color", "stream-worker"))))

    wait_until("the worker has logged them", lambda: count_logged() >= 40)


def test_a_request_of_an_alias_is_scored_by_the_stream_worker(stack: Stack, trained: str) -> None:
    key = stack.read_secret("api_predict_key")
    sent = stack.request("API", f"/models/{trained}/enqueue?alias=champion", PATIENT, X_API_Key=key)
    newest = ("XREVRANGE", _name_results(trained), "+", "-", "COUNT", "9")
    wait_until("it has a result", lambda: sent["message_id"] in _ask_valkey(stack, *newest))


def _name_results(model: str) -> str:
    return build_stream_name(model, StreamKind.RESULTS)


def _ask_valkey(stack: Stack, *words: str) -> str:
    """The answer of Valkey, asked as the documentation does."""
    ask = f"REDISCLI_AUTH=$(cat /run/secrets/valkey_password) valkey-cli {' '.join(words)}"
    return stack("exec", "-T", "valkey", "sh", "-c", ask)


def test_checkpoints_of_postgresql_are_counted(stack: Stack) -> None:
    assert stack.query("postgres", "SHOW server_version_num")[0].startswith("17")
    wait_until(
        "they are in Prometheus", lambda: _query_prometheus(stack, "pg_stat_checkpointer_num_timed_total")
    )


def test_an_alert_starts_a_training_in_airflow(stack: Stack, airflow: AirflowClient, trained: str) -> None:
    now = datetime.now(UTC).isoformat()
    labels = {"alertname": "PerformanceLow", "model": trained, "severity": "page", "cause": "performance"}
    stack.request("ALERTMANAGER", "/api/v2/alerts", [{"labels": labels, "startsAt": now}])
    key = stack.read_secret("api_predict_key")

    def list_decisions() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stack.request("API", f"/models/{trained}/retraining", X_API_Key=key)[
            "decisions"
        ]
        return found

    wait_until(
        "the hook has decided", lambda: any(each["decision"] != "starting" for each in list_decisions())
    )
    newest = list_decisions()[0]
    assert newest["decision"] == "retrain", newest
    assert f"train_model_{trained}" in newest["reference"]
    wait_until("Airflow runs it", lambda: len(airflow.list_runs(f"train_model_{trained}")) > 1)


@pytest.mark.usefixtures("trained")
def test_replicas_write_journals_of_their_own(stack: Stack) -> None:
    replicas = [each for each in stack.list_containers() if stack.get_service(each) == "api"]
    assert len(replicas) == REPLICAS
    looked = stack("exec", "-T", "api", "sh", "-c", "ls /var/lib/servicio-ml/log/journal-*.db")
    workers, files = 2, 2
    assert len(re.findall(r"journal-\d+\.db", looked)) == REPLICAS * workers * files
    assert "journal-stream.db" in looked


@contextmanager
def _predict_steadily(stack: Stack) -> Iterator[set[str]]:
    """Ask for predictions all the time; gives the ids of those that were answered."""
    answered, stop = set[str](), threading.Event()

    def ask() -> None:
        while not stop.wait(BETWEEN_PREDICTIONS_SECONDS):
            if made := _predict(stack):
                answered.add(made)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield answered
    finally:
        stop.set()
        thread.join()


@pytest.mark.usefixtures("trained")
def test_whatever_is_killed_comes_back_and_no_answer_is_lost(stack: Stack) -> None:
    took: dict[str, float] = {}
    with _predict_steadily(stack) as answered:
        victims = [each for each in stack.list_containers() if stack.get_service(each) not in ONE_SHOT]
        for victim in victims:
            before, started = len(answered), time.monotonic()
            kill_container(victim)
            took[victim["Name"]] = _measure_recovery(stack, victim, started)
            wait_until("predictions are answered again", lambda: len(answered) > before)  # noqa: B023  asked at once
        rows = len(answered)
    print(json.dumps({name: round(seconds) for name, seconds in took.items()}), rows)  # noqa: T201  figures for -s
    assert rows > len(victims)
    missing = answered
    for _ in range(int(SHIP_SECONDS / BETWEEN_LOOKS_SECONDS)):
        missing = answered - _read_logged_ids(stack)
        if not missing:
            break
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    assert not missing, f"{len(missing)} of {rows} answered predictions are not in the log"


def _measure_recovery(stack: Stack, victim: dict[str, Any], started: float) -> float:
    """Seconds until a killed container is another process, and healthy."""
    state: dict[str, Any] = {}
    while time.monotonic() < started + RECOVERY_SECONDS:
        with suppress(subprocess.CalledProcessError):
            state = find_container(stack.list_containers(), victim)["State"]
            again = state["StartedAt"] != victim["State"]["StartedAt"]
            if again and state["Running"] and state["Health"]["Status"] == "healthy":
                return time.monotonic() - started
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    raise AssertionError(f"{victim['Name']} has not recovered: {state}{stack.describe_unhealthy()}")


def test_the_database_and_the_lake_are_there_after_all_that(stack: Stack, trained: str) -> None:
    """The killed stores hold what they held: the champion is still served, and the run is still known."""
    wait_until("it predicts", lambda: _predict(stack))
    versions = stack.request(
        "MLFLOW", f"/api/2.0/mlflow/registered-models/alias?name={trained}&alias=champion"
    )["model_version"]
    assert versions["name"] == trained
