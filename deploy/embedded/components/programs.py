"""Command line, ports and readiness check of each program of the platform."""

import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.embedded.components.component import Component
from deploy.embedded.settings import LOOPBACK, ROOT, PlatformSetup, build_local_url
from servicio_ml.bootstrap import build_sqlite_url

RETENTION = "90d"
"""Retention of Prometheus' samples; the longest window and what it is compared with need 31 days."""
DRAINS = 2
"""The server drains HTTP first, then gRPC, each for up to `drain_seconds`."""
CLOSING_SECONDS = 15
"""Time for the API to ship the rest of its journal and to end its workers, in seconds."""
OVERVIEW_PATH = "/d/servicio-ml-overview"
"""Path of the first dashboard."""
FIRST, LAST = 0, 20
"""Lowest and highest start order."""


def _find_beside(name: str) -> str:
    """Path of a program of this virtual environment."""
    return str(Path(sys.executable).parent / name)


def build_redis(setup: PlatformSetup, program: str, port: int) -> Component:
    data = setup.paths.state / "redis"
    data.mkdir(parents=True, exist_ok=True)
    # every request of a stream survives a crash: an append-only file, no snapshots, no eviction
    options: Mapping[str, str] = {
        "port": str(port), "bind": LOOPBACK, "dir": str(data), "appendonly": "yes", "save": "",
        "maxmemory-policy": "noeviction", "daemonize": "no",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Component(
        name="redis", title="Redis", command=[program, *words], ports={port: "REDIS_PORT"},
        ready=f"tcp://{LOOPBACK}:{port}", order=FIRST,
    )  # fmt: skip


def build_api(setup: PlatformSetup) -> Component:
    settings, used = setup.settings, {setup.settings.port: "SERVICIO_ML_PORT"}
    if settings.grpc_port:
        used[settings.grpc_port] = "SERVICIO_ML_GRPC_PORT"
    return Component(
        name="api", title="API", command=[_find_beside("servicio-ml"), "serve"], ports=used,
        url=setup.api_url, ready=f"{setup.api_url}/health/live", order=FIRST + 1,
        stop_seconds=DRAINS * settings.drain_seconds + CLOSING_SECONDS,
    )  # fmt: skip


def build_stream_worker(port: int) -> Component:
    return Component(
        name="stream-worker", title="Stream worker",
        command=[_find_beside("servicio-ml"), "stream-worker", "--metrics-port", str(port)],
        ports={port: "STREAM_METRICS_PORT"}, ready=build_local_url(port),
    )  # fmt: skip


def build_scheduler() -> Component:
    return Component(
        name="scheduler", title="Scheduler of the drift reports", ports={}, ready="",
        command=[sys.executable, "-m", "deploy.embedded.scheduler"],
    )  # fmt: skip


def build_mlflow(setup: PlatformSetup) -> Component:
    # the server and the commands share one SQLite file: its locks keep their writes apart
    state, port = setup.paths.state, setup.options.mlflow_port
    options = {
        "host": LOOPBACK, "port": str(port), "workers": "1",
        "backend-store-uri": build_sqlite_url(state / "mlflow.db"),
        "artifacts-destination": (state / "mlflow-artifacts").as_uri(),
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    url = build_local_url(port)
    return Component(
        name="mlflow", title="MLflow", command=[_find_beside("mlflow"), "server", *words],
        ports={port: "MLFLOW_PORT"}, url=url, ready=f"{url}/health",
    )  # fmt: skip


def build_streamlit(setup: PlatformSetup) -> Component:
    port = setup.options.streamlit_port
    options = {
        "server.address": LOOPBACK, "server.port": str(port), "server.headless": "true",
        "server.fileWatcherType": "none", "browser.gatherUsageStats": "false",
    }  # fmt: skip
    words = [f"--{name}={value}" for name, value in options.items()]
    url = build_local_url(port)
    return Component(
        name="streamlit", title="Pages", ports={port: "STREAMLIT_PORT"}, url=url,
        ready=f"{url}/_stcore/health",
        command=[_find_beside("streamlit"), "run", str(ROOT / "streamlit_app" / "app.py"), *words],
    )  # fmt: skip


def build_alertmanager(setup: PlatformSetup, program: str, config: Path) -> Component:
    port = setup.options.alertmanager_port
    words = [f"--config.file={config}", f"--storage.path={setup.paths.state / 'alertmanager'}"]
    words += ["--cluster.listen-address=", f"--web.listen-address={LOOPBACK}:{port}"]
    url = build_local_url(port)
    return Component(
        name="alertmanager", title="Alertmanager", command=[program, *words],
        ports={port: "ALERTMANAGER_PORT"}, url=url, ready=f"{url}/-/ready", order=LAST,
    )  # fmt: skip


def build_grafana(setup: PlatformSetup, program: str, home: Path, settings: Mapping[str, str]) -> Component:
    port = setup.options.grafana_port
    url = build_local_url(port)
    # words of the command line win over variables of the environment, which could open other addresses
    words = [f"--homepath={home}", *(f"cfg:{name}={value}" for name, value in settings.items())]
    return Component(
        name="grafana", title="Grafana", command=[program, "server", *words], ports={port: "GRAFANA_PORT"},
        url=f"{url}{OVERVIEW_PATH}", ready=f"{url}/api/health", order=LAST,
    )  # fmt: skip


def build_statsd_exporter(setup: PlatformSetup, program: str) -> Component:
    port, udp = setup.options.statsd_exporter_port, setup.settings.statsd_port
    # as in docker-compose.yaml; the mapping file says why tags are not parsed
    words = [f"--statsd.mapping-config={ROOT / 'monitoring' / 'statsd' / 'mapping.yaml'}"]
    words += ["--no-statsd.parse-influxdb-tags", f"--statsd.listen-udp={LOOPBACK}:{udp}"]
    words += ["--statsd.listen-tcp=", f"--web.listen-address={LOOPBACK}:{port}"]
    return Component(
        name="statsd-exporter", title="StatsD exporter", command=[program, *words],
        ports={port: "STATSD_EXPORTER_PORT"}, ready=f"{build_local_url(port)}/metrics", order=FIRST,
    )  # fmt: skip


def build_prometheus(setup: PlatformSetup, program: str, config: Path) -> Component:
    port = setup.options.prometheus_port
    words = [f"--config.file={config}", f"--storage.tsdb.path={setup.paths.state / 'prometheus'}"]
    words += [f"--storage.tsdb.retention.time={RETENTION}", f"--web.listen-address={LOOPBACK}:{port}"]
    url = build_local_url(port)
    return Component(
        name="prometheus", title="Prometheus", command=[program, *words],
        ports={port: "PROMETHEUS_PORT"}, url=url, ready=f"{url}/-/ready", order=LAST,
    )  # fmt: skip
