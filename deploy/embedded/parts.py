"""The parts of this machine's platform: what runs here, and what is missing."""

import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.embedded import ports, watch
from deploy.embedded.part import Missing, Part, Platform
from deploy.embedded.settings import LOOPBACK, ROOT, Setup, local_url

REDIS_PORT = 6379
REDIS_SECONDS = 3
TOKEN_BYTES = 32
RETENTION = "90d"
"""Of Prometheus' samples; the longest window and what it is compared with take 31 days."""
DRAINS = 2
"""HTTP's, then gRPC's."""
CLOSING_SECONDS = 15
"""For the API to ship the rest of its log and to end its workers."""
PROMETHEUS = "SERVICIO_ML_PROMETHEUS_URL"
"""What the pages ask; no setting of the platform's own."""
FIRST, LAST = 0, 20
"""In the order of the starts."""
PACKAGES = {
    "Redis": (("redis-server", "valkey-server"), "the stream worker needs Redis or Valkey", "redis-server"),
    "Prometheus": (("prometheus",), "metrics, drift over time and alerts need it", "prometheus"),
    "Alertmanager": (
        ("prometheus-alertmanager", "alertmanager"),
        "alerts that start a retraining need it",
        "prometheus-alertmanager",
    ),
}
"""Title to the names of its program, what it is for, and its Debian package."""


def platform(setup: Setup) -> Platform:
    """What can run on this machine."""
    made = Parts(setup)
    made.broker()
    made.add(_api(setup))
    if setup.platform.mlflow_url:
        made.lack("MLflow", "SERVICIO_ML_MLFLOW_URL names another")
    else:
        made.add(_mlflow(setup))
    made.add(_streamlit(setup))
    made.watchers()
    parts = sorted(made.parts, key=lambda each: each.order)
    return Platform(parts=parts, missing=made.missing, settings=made.settings)


class Parts:
    """A platform in the making.

    Args:
        setup: What was told.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup, self._given = setup, setup.given
        self.parts: list[Part] = []
        self.missing: list[Missing] = []
        self.settings = {
            **setup.environment(),
            PROMETHEUS: os.environ.get(PROMETHEUS) or local_url(setup.given.prometheus_port),
        }

    def add(self, part: Part) -> None:
        self.parts.append(part)

    def lack(self, title: str, why: str) -> None:
        self.missing.append(Missing(title=title, why=why))

    def broker(self) -> None:
        """The stream worker where there is a Redis, or the program to start one."""
        url = self._setup.platform.redis_url
        if url:
            problem = _unreachable(url)
            if problem:
                self.lack(
                    "Stream worker",
                    f"SERVICIO_ML_REDIS_URL: {problem}; start that server and `make up` again",
                )
                return
        elif program := self._program("Redis"):
            port = self._given.redis_port or ports.free_from(REDIS_PORT, self._numbers())
            self.add(_redis(self._setup, program, port))
            url = f"redis://{LOOPBACK}:{port}/0"
        else:
            return
        self.settings["SERVICIO_ML_REDIS_URL"] = url
        self.add(_stream_worker(self._given.stream_metrics_port))

    def watchers(self) -> None:
        """Prometheus and Alertmanager where their programs are; the hook is open where they are."""
        folder = self._setup.places.run
        targets = {"servicio-ml": self._setup.platform.port}
        if any(part.name == "stream-worker" for part in self.parts):
            targets["stream-worker"] = self._given.stream_metrics_port
        if program := self._program("Alertmanager"):
            token = self._setup.platform.hook_token_file or _token(self._setup.places.token)
            self.settings["SERVICIO_ML_HOOK_TOKEN_FILE"] = str(token.resolve())
            targets["alertmanager"] = self._given.alertmanager_port
            config = watch.alertmanager(self._setup, folder / "alertmanager", token.resolve())
            self.add(_alertmanager(self._setup, program, config))
        if program := self._program("Prometheus"):
            targets["prometheus"] = self._given.prometheus_port
            config = watch.prometheus(self._setup, folder / "prometheus", targets)
            self.add(_prometheus(self._setup, program, config))
        self.lack("Airflow", "it runs beside the platform, on the same state: make airflow")
        self.lack("Grafana", "its dashboards are in grafana/; see docs/deploy-compose.md")

    def _program(self, title: str) -> str:
        """Where a program is; noted as missing and empty when it is not there."""
        names, purpose, package = PACKAGES[title]
        found = next(filter(None, map(shutil.which, names)), "")
        if not found:
            self.lack(title, f"{purpose}; on Debian and Ubuntu: apt-get install {package}")
        return found

    def _numbers(self) -> list[int]:
        given, told = self._given, self._setup.platform
        return [
            *(told.port, told.grpc_port, given.mlflow_port, given.streamlit_port, given.prometheus_port),
            *(given.alertmanager_port, given.stream_metrics_port),
        ]


def _unreachable(url: str) -> str:
    """What is wrong with a Redis; empty when it answers."""
    try:
        with Redis.from_url(url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS) as asked:
            asked.ping()
    except (RedisError, OSError, ValueError) as error:
        return str(error)
    return ""


def _token(path: Path) -> Path:
    """A file with a token that only its owner may read, made at the first start."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or not path.read_text().strip():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(TOKEN_BYTES))
    return path


def _beside(name: str) -> str:
    """A program of this environment."""
    return str(Path(sys.executable).parent / name)


def _redis(setup: Setup, program: str, port: int) -> Part:
    data = setup.places.state / "redis"
    data.mkdir(parents=True, exist_ok=True)
    options: Mapping[str, str] = {
        "port": str(port), "bind": LOOPBACK, "dir": str(data), "appendonly": "yes", "save": "",
        "maxmemory-policy": "noeviction", "daemonize": "no",
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    return Part(
        name="redis", title="Redis", command=[program, *words], ports={port: "REDIS_PORT"},
        ready=f"tcp://{LOOPBACK}:{port}", order=FIRST,
    )  # fmt: skip


def _api(setup: Setup) -> Part:
    told, used = setup.platform, {setup.platform.port: "SERVICIO_ML_PORT"}
    if told.grpc_port:
        used[told.grpc_port] = "SERVICIO_ML_GRPC_PORT"
    return Part(
        name="api", title="API", command=[_beside("servicio-ml"), "serve"], ports=used, url=setup.api_url,
        ready=f"{setup.api_url}/health/live", stop_seconds=DRAINS * told.drain_seconds + CLOSING_SECONDS,
        order=FIRST + 1,
    )  # fmt: skip


def _stream_worker(port: int) -> Part:
    return Part(
        name="stream-worker", title="Stream worker",
        command=[_beside("servicio-ml"), "stream-worker", "--metrics-port", str(port)],
        ports={port: "STREAM_METRICS_PORT"}, ready=local_url(port),
    )  # fmt: skip


def _mlflow(setup: Setup) -> Part:
    """It shows the file that the commands write: SQLite's locks keep them apart."""
    state, port = setup.places.state, setup.given.mlflow_port
    options = {
        "host": LOOPBACK, "port": str(port), "workers": "1",
        "backend-store-uri": f"sqlite:///{state}/mlflow.db",
        "artifacts-destination": str(state / "mlflow-artifacts"),
    }  # fmt: skip
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    url = local_url(port)
    return Part(
        name="mlflow", title="MLflow", command=[_beside("mlflow"), "server", *words],
        ports={port: "MLFLOW_PORT"}, url=url, ready=f"{url}/health",
    )  # fmt: skip


def _streamlit(setup: Setup) -> Part:
    port = setup.given.streamlit_port
    options = {
        "server.address": LOOPBACK, "server.port": str(port), "server.headless": "true",
        "server.fileWatcherType": "none", "browser.gatherUsageStats": "false",
    }  # fmt: skip
    words = [f"--{name}={value}" for name, value in options.items()]
    url = local_url(port)
    return Part(
        name="streamlit", title="Pages", ports={port: "STREAMLIT_PORT"}, url=url,
        ready=f"{url}/_stcore/health",
        command=[_beside("streamlit"), "run", str(ROOT / "streamlit_app" / "app.py"), *words],
    )  # fmt: skip


def _alertmanager(setup: Setup, program: str, config: Path) -> Part:
    port = setup.given.alertmanager_port
    words = [f"--config.file={config}", f"--storage.path={setup.places.state / 'alertmanager'}"]
    words += ["--cluster.listen-address=", f"--web.listen-address={LOOPBACK}:{port}"]
    url = local_url(port)
    return Part(
        name="alertmanager", title="Alertmanager", command=[program, *words],
        ports={port: "ALERTMANAGER_PORT"}, url=url, ready=f"{url}/-/ready", order=LAST,
    )  # fmt: skip


def _prometheus(setup: Setup, program: str, config: Path) -> Part:
    port = setup.given.prometheus_port
    words = [f"--config.file={config}", f"--storage.tsdb.path={setup.places.state / 'prometheus'}"]
    words += [f"--storage.tsdb.retention.time={RETENTION}", f"--web.listen-address={LOOPBACK}:{port}"]
    url = local_url(port)
    return Part(
        name="prometheus", title="Prometheus", command=[program, *words],
        ports={port: "PROMETHEUS_PORT"}, url=url, ready=f"{url}/-/ready", order=LAST,
    )  # fmt: skip
