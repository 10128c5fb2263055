"""A platform under load with a real Prometheus: two versions, shadow rows, labels, a stream, pipelines."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from documents import ROOT
from model_server import ModelServer, ModelShelf, run_model_server
from monitoring import rules
from npm_packages import copy_postgres
from servers import (
    find_free_port,
    start_postgres_server,
    start_prometheus_server,
    start_redis_server,
    wait_until_ready,
)
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.domain.use_case import Task
from small_use_case import generate_rows
from statsd_exporter import HOST, run_statsd_exporter

STEP, WINDOWS = "5s", ("1h", "1d")
SCRAPE_SECONDS = 1
BATCH_ROWS, LABELLED_SHARE = 200, 0.8
BATCH_INTERVAL_SECONDS = 0.5
TASKS = {"small": Task.BINARY, "three": Task.MULTICLASS, "price": Task.REGRESSION}
ROLLED_OUT = ("small", "price")
"""Models with a rollout: a classifier and a regression."""
MONITORING_ROLE = "watcher"
CHECKPOINTS = ROOT / "tests" / "compose" / "standins" / "checkpoints.yaml"
TOKEN = "token-of-a-test-that-is-long-enough"  # noqa: S105  of a server that lives as long as a test
STORE = """\
SeaweedFS_s3_request_total{{type="PUT",code="200",bucket="mlflow"}} {0}
SeaweedFS_s3_request_total{{type="GET",code="200",bucket="data"}} {1}
SeaweedFS_s3_request_total{{type="GET",code="404",bucket="data"}} {0}
SeaweedFS_s3_request_seconds_bucket{{type="GET",bucket="data",le="0.01"}} {0}
SeaweedFS_s3_request_seconds_bucket{{type="GET",bucket="data",le="0.02"}} {1}
SeaweedFS_s3_request_seconds_bucket{{type="GET",bucket="data",le="+Inf"}} {1}
SeaweedFS_s3_bucket_traffic_received_bytes_total{{bucket="mlflow"}} {2}
SeaweedFS_s3_bucket_traffic_sent_bytes_total{{bucket="data"}} {2}
SeaweedFS_s3_bucket_size_bytes{{bucket="data"}} 52428800
SeaweedFS_s3_bucket_size_bytes{{bucket="mlflow"}} 262144000
SeaweedFS_s3_bucket_object_count{{bucket="data"}} 120
SeaweedFS_s3_bucket_object_count{{bucket="mlflow"}} 640
SeaweedFS_volumeServer_volumes{{collection="data",type="volume"}} 7
SeaweedFS_volumeServer_read_only_volumes{{collection="data",type="noWriteCanDelete"}} 0
SeaweedFS_volumeServer_max_volumes 8
SeaweedFS_volumeServer_total_disk_size{{collection="data",type="normal"}} 57671680
SeaweedFS_volumeServer_total_disk_size{{collection="mlflow",type="normal"}} 288358400
SeaweedFS_volumeServer_resource{{name="/data",type="all"}} 107374182400
SeaweedFS_volumeServer_resource{{name="/data",type="free"}} 64424509440
process_resident_memory_bytes 180000000
process_cpu_seconds_total {0}
process_open_fds 42
process_start_time_seconds 1700000000
"""
"""Metrics of SeaweedFS as weed/stats/metrics.go registers them: the program is not in Debian."""
AIRFLOW = (
    "airflow.scheduler_heartbeat:1|c",
    "airflow.scheduler.tasks.starving:0|g",
    "airflow.scheduler.tasks.executable:1|g",
    *(
        f"airflow.executor.{state}:{number}|g"
        for state, number in (("open_slots", 28), ("queued_tasks", 1), ("running_tasks", 3))
    ),
    *(
        f"airflow.pool.{state}_slots.default_pool:{number}|g"
        for state, number in (("open", 124), ("queued", 1), ("running", 3))
    ),
    "airflow.dag_processing.import_errors:0|g",
    "airflow.dag_processing.total_parse_time:1.4|g",
    "airflow.dagbag_size:15|g",
    "airflow.dagrun.duration.success.etl_process_small:64000|ms",
    "airflow.dagrun.duration.failed.train_model_three:402000|ms",
    "airflow.dag.etl_process_small.etl.duration:61000|ms",
    "airflow.dag.train_model_three.train.duration:395000|ms",
    "airflow.ti.finish.etl_process_small.etl.success:1|c",
    "airflow.ti.finish.train_model_three.train.failed:1|c",
    "airflow.dagrun.schedule_delay.etl_process_small:900|ms",
    "airflow.dagrun.dependency-check.etl_process_small:35|ms",
    "airflow.dagrun.dependency-check.train_model_three:60|ms",
    "airflow.operator_successes__BashDecoratedOperator:1|c",
    "airflow.operator_failures__BashDecoratedOperator:1|c",
)
"""Metrics that Airflow 3.3 sends by default."""


def _build_pipeline_metrics(now: float) -> Iterator[str]:
    for name, late in (("small", 3600), ("three", 40 * 86400), ("price", 7200)):
        for step, seconds in (("etl", 61), ("train", 380), ("report", 44)):
            yield f"servicio_ml.{step}.{name}.success:1|c"
            yield f"servicio_ml.{step}.{name}.failure:{int(name == 'three')}|c"
            yield f"servicio_ml.{step}.{name}:{seconds * 1000}|ms"
            yield f"servicio_ml.{step}.{name}.success_timestamp_seconds:{now - late}|g"
        for status, number in (
            ("read", 1000),
            ("train", 700),
            ("test", 250),
            ("quarantined", 30),
            ("later", 20),
        ):
            yield f"servicio_ml.etl.{name}.rows_{status}:{number}|g"
    yield "servicio_ml.promotion.small.promoted:1|c"
    yield "servicio_ml.promotion.three.rejected:1|c"


@dataclass
class TrafficLoad:
    """Requests to the platform, some of them invalid, and their ground truth.

    Attributes:
        platform: Server under load.
        shift: Added to the weight, once `faults_started` is set.
        faults_started: From then on the rows drift, a sensor fails and the labels of `three` are others.
    """

    platform: ModelServer
    shift: float = 2.0
    faults_started: threading.Event = field(default_factory=threading.Event)
    uses_stream: bool = False
    _seed: int = 0

    def send_batch(self) -> None:
        """Send a batch to each model, its labels, a refused row and a request to the stream."""
        self._seed += 1
        for model, task in TASKS.items():
            table = generate_rows(task, BATCH_ROWS, seed=self._seed)
            truths = table["outcome"].to_list()
            records = [self._change_record(model, each) for each in table.drop("outcome").to_dicts()]
            answer = self.platform("POST", f"/models/{model}/predict/batch", {"records": records})
            assert answer.status == 200, answer.body
            self._send_labels(model, answer.document["predictions"], truths)
            self.platform("POST", f"/models/{model}/predict", records[0])
            self.platform("POST", f"/models/{model}/predict", {**records[0], "colour": "mauve"})
            if self.uses_stream:
                self.platform("POST", f"/models/{model}/enqueue", records[0])

    def _change_record(self, model: str, record: dict[str, Any]) -> dict[str, Any]:
        record = {**record, "day": str(record["day"])[:10]}
        if self.faults_started.is_set() and model == "small":
            record["weight"] = min(record["weight"] + self.shift, 10)
            record["size"] = None
        return record

    def _send_labels(self, model: str, answers: Sequence[Mapping[str, Any]], truths: Sequence[Any]) -> None:
        if self.faults_started.is_set() and model == "three":
            truths = [truths[0]] * len(truths)
        known = [
            {"prediction_id": answer["prediction_id"], "actual": truth}
            for answer, truth in zip(answers, truths, strict=True)
        ][: round(len(truths) * LABELLED_SHARE)]
        answer = self.platform("POST", f"/models/{model}/feedback/batch", {"labels": known})
        assert answer.status == 200, answer.body

    def start_rollouts(self) -> None:
        """Start rollouts that remain in their first step."""
        for model in ROLLED_OUT:
            answer = self.platform(
                "POST", f"/models/{model}/rollout", {"ramp": {"shadow": 1, "min_hours": 9}}
            )
            assert answer.status == 200, answer.body

    def send_alert(self) -> None:
        """Send an alert that starts nothing to the hook."""
        labels = {"alertname": "FeatureDrift", "model": "small", "cause": "drift", "severity": "ticket"}
        starts = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        alert = {"status": "firing", "labels": labels, "startsAt": starts, "fingerprint": "0123456789abcdef"}
        result = {"version": "4", "alerts": [alert]}
        answer = self.platform("POST", "/hooks/alertmanager", result, {"Authorization": f"Bearer {TOKEN}"})
        assert answer.status == 200, answer.body


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredPlatform:
    """A running platform.

    Attributes:
        prometheus: Address of the Prometheus that scrapes it.
        jobs: Scraped jobs, without those whose programs this machine does not have.
        load: Requests to the platform.
    """

    prometheus: str
    jobs: frozenset[str]
    load: TrafficLoad


@contextmanager
def run_monitored_platform(folder: Path, artifacts: Mapping[str, Path]) -> Iterator[MonitoredPlatform]:
    """Run a platform under load.

    Args:
        folder: For its state.
        artifacts: Artifact folder by model of `TASKS`.
    """
    shelf = ModelShelf(folder / "state")
    for model, artifact in artifacts.items():
        shelf.add(model, artifact)
    for model in ROLLED_OUT:
        shelf.add(model, artifacts[model], CHALLENGER)
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    with ExitStack() as stack:
        ports: dict[str, int] = {}
        redis = _enter_if_installed(stack, start_redis_server(folder))
        settings = {
            "workers": 1, "shadow_share": 1, "default_model": "small", "hook_token_file": folder / "token",
            **({"redis_url": redis} if redis else {}),
        }  # fmt: skip
        platform = stack.enter_context(run_model_server(shelf.state, **settings))
        ports["servicio-ml"] = int(platform.url.rpartition(":")[2])
        if redis:
            ports["stream-worker"] = stack.enter_context(_start_stream_worker(folder, shelf.state, redis))
        udp, url = stack.enter_context(run_statsd_exporter(ROOT / "monitoring" / "statsd" / "mapping.yaml"))
        ports["statsd"] = int(url.rpartition(":")[2].partition("/")[0])
        if postgres := _enter_if_installed(stack, _start_postgres_exporter(folder)):
            ports["postgres"] = postgres
        ports["s3"] = stack.enter_context(_serve_object_store_metrics())
        load = TrafficLoad(platform=platform, uses_stream=bool(redis))
        load.send_alert()
        load.start_rollouts()
        config = _write_configuration(folder, {**ports, "prometheus": (own := find_free_port())})
        prometheus = stack.enter_context(start_prometheus_server(config, folder / "tsdb", port=own))
        stack.enter_context(_repeat_in_background(load.send_batch))
        stack.enter_context(_repeat_in_background(lambda: _send_statsd(udp)))
        yield MonitoredPlatform(prometheus=prometheus, jobs=frozenset(ports), load=load)


def _enter_if_installed(stack: ExitStack, server: Any) -> Any:
    """Start a server; None where its program is not installed."""
    try:
        return stack.enter_context(server)
    except pytest.skip.Exception:
        return None


def _write_configuration(folder: Path, ports: Mapping[str, int]) -> Path:
    """Write the configuration of Prometheus: the rules of the repository with a short step."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules.to_document(rules.build_groups(STEP, WINDOWS))))
    interval = f"{SCRAPE_SECONDS}s"
    document = {
        "global": {"scrape_interval": interval, "evaluation_interval": interval},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [f"{HOST}:{port}"]}]}
            for job, port in ports.items()
        ],
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@contextmanager
def _repeat_in_background(work: Callable[[], None]) -> Iterator[None]:
    """Repeat work in a thread; an error is raised at the end."""
    stop, failed = threading.Event(), list[Exception]()

    def repeat() -> None:
        while not stop.wait(BATCH_INTERVAL_SECONDS):
            try:
                work()
            except Exception as error:  # noqa: BLE001  raised below, in the test's own thread
                failed.append(error)
                return

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if failed:
        raise failed[0]


def _send_statsd(udp: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
        for line in (*_build_pipeline_metrics(time.time()), *AIRFLOW):
            out.sendto(line.encode(), (HOST, udp))


@contextmanager
def _start_stream_worker(folder: Path, state: Path, redis: str) -> Iterator[int]:
    """Run a stream worker; yield the port of its metrics."""
    port = find_free_port()
    words = ["stream-worker", "--metrics-port", str(port)]
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *words]
    settings = {"SERVICIO_ML_STATE_DIR": str(state), "SERVICIO_ML_REDIS_URL": redis}
    with (folder / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **settings})
    try:
        wait_until_ready(f"http://{HOST}:{port}/metrics", process)
        yield port
    finally:
        process.terminate()
        process.wait(timeout=60)


def _copy_postgres(place: str) -> Path:
    Path(place).chmod(0o755)
    return copy_postgres(Path(place))


@contextmanager
def _start_postgres_exporter(folder: Path) -> Iterator[int]:
    """Run Debian's exporter at a PostgreSQL 17; yield its port. Without the programs the test is skipped."""
    program = shutil.which("prometheus-postgres-exporter")
    if program is None:
        pytest.skip("no prometheus-postgres-exporter; install the Debian package of this name")
    # its user must be able to enter the folder of its programs
    with tempfile.TemporaryDirectory() as place, start_postgres_server(_copy_postgres(place)) as server:
        with psycopg.connect(server.build_url(), autocommit=True) as connection:
            connection.execute(
                f"CREATE ROLE {MONITORING_ROLE} LOGIN PASSWORD '{MONITORING_ROLE}' IN ROLE pg_monitor"
            )
        # the exporter's own parser of addresses does not take every password
        source = (
            f"postgresql://{MONITORING_ROLE}:{MONITORING_ROLE}@{HOST}:{server.port}/postgres?sslmode=disable"
        )
        port = find_free_port()
        with (folder / "exporter.log").open("wb") as log:
            process = subprocess.Popen(
                [program, f"--web.listen-address={HOST}:{port}", f"--extend.query-path={CHECKPOINTS}"],
                stdout=log,
                stderr=log,
                env={**os.environ, "DATA_SOURCE_NAME": source},
            )
        try:
            wait_until_ready(f"http://{HOST}:{port}/metrics", process)
            with _repeat_in_background(lambda: _query_database(server.build_url())):
                yield port
        finally:
            process.terminate()
            process.wait(timeout=60)


def _query_database(url: str) -> None:
    """Give the database some work; it reports its statistics when a connection ends."""
    with psycopg.connect(url) as connection:
        connection.execute("SELECT count(*) FROM pg_class")


@contextmanager
def _serve_object_store_metrics() -> Iterator[int]:
    """Serve the metrics of an object store with traffic; yield the port."""
    began = time.monotonic()

    class MetricsHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            age = int(time.monotonic() - began)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(STORE.format(age, 7 * age, 40_000 * age).encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer((HOST, 0), MetricsHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
