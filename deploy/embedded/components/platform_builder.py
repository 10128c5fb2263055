"""Choice of the components that this machine can run, and of those that are missing."""

import os
import secrets
import shutil
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from deploy.embedded import monitoring_config
from deploy.embedded.components import programs
from deploy.embedded.components.component import Component, EmbeddedPlatform, MissingComponent
from deploy.embedded.components.valkey import find_bundled_valkey
from deploy.embedded.grafana_config import build_settings, find_home, write_provisioning
from deploy.embedded.processes import ports
from deploy.embedded.releases.table import describe_source, find_program, load_releases
from deploy.embedded.settings import LOOPBACK, PlatformSetup, build_local_url

REDIS_PORT = 6379
REDIS_SECONDS = 3
TOKEN_BYTES = 32
PROMETHEUS_VARIABLE = "SERVICIO_ML_PROMETHEUS_URL"
"""Variable with the Prometheus that the pages query; the server has no such setting."""
GRAFANA_VARIABLE = "SERVICIO_ML_GRAFANA_URL"
"""Variable with the address of the dashboards, to which the pages link."""
REDIS_PROGRAMS = ("redis-server", "valkey-server")
PURPOSES = {
    "prometheus": ("Prometheus", "metrics, drift over time and alerts need it"),
    "alertmanager": ("Alertmanager", "alerts that start a retraining need it"),
    "grafana": ("Grafana", "the dashboards in grafana/ need it"),
}
"""Name of a release to the title and the purpose of its program."""


def build_platform(setup: PlatformSetup) -> EmbeddedPlatform:
    """Build the platform from the programs that this machine has."""
    builder = PlatformBuilder(setup)
    builder.add_broker()
    builder.add(programs.build_api(setup))
    if setup.settings.mlflow_url:
        # the address may hold a password: the message names the variable, not its value
        builder.add_missing("MLflow", "SERVICIO_ML_MLFLOW_URL names another")
    else:
        builder.add(programs.build_mlflow(setup))
    builder.add(programs.build_streamlit(setup))
    builder.add(programs.build_scheduler())
    builder.add_monitoring()
    components = sorted(builder.components, key=lambda each: each.order)
    return EmbeddedPlatform(components=components, missing=builder.missing, variables=builder.variables)


class PlatformBuilder:
    """Collects components, missing components and environment variables.

    Args:
        setup: Options, settings and paths of the platform.
    """

    def __init__(self, setup: PlatformSetup) -> None:
        self._setup, self._options = setup, setup.options
        self.components: list[Component] = []
        self.missing: list[MissingComponent] = []
        prometheus = os.environ.get(PROMETHEUS_VARIABLE) or build_local_url(setup.options.prometheus_port)
        self.variables = {**setup.build_variables(), PROMETHEUS_VARIABLE: prometheus}

    def add(self, component: Component) -> None:
        self.components.append(component)

    def add_missing(self, title: str, reason: str) -> None:
        self.missing.append(MissingComponent(title=title, reason=reason))

    def add_broker(self) -> None:
        """Add the stream worker if a Redis answers or can be started."""
        url = self._setup.settings.redis_url
        if url:
            if problem := _check_redis(url):
                self.add_missing(
                    "Stream worker",
                    f"SERVICIO_ML_REDIS_URL: {problem}; start that server and `make up` again",
                )
                return
        elif program := next(filter(None, map(shutil.which, REDIS_PROGRAMS)), "") or find_bundled_valkey():
            # another Redis often has 6379 already; no other program needs to know the port
            port = self._options.redis_port or ports.find_free_port(REDIS_PORT, self._list_ports())
            self.add(programs.build_redis(self._setup, program, port))
            url = f"redis://{LOOPBACK}:{port}/0"
        else:
            self.add_missing("Redis", "the stream worker needs redis-server or valkey-server; install one")
            return
        self.variables["SERVICIO_ML_REDIS_URL"] = url
        self.add(programs.build_stream_worker(self._options.stream_metrics_port))

    def add_monitoring(self) -> None:
        """Add the programs of monitoring that exist; only Alertmanager opens the hook."""
        folder = self._setup.paths.run
        targets = {"servicio-ml": self._setup.settings.port}
        if any(component.name == "stream-worker" for component in self.components):
            targets["stream-worker"] = self._options.stream_metrics_port
        if program := self._find_program("alertmanager"):
            token = (self._setup.settings.hook_token_file or _ensure_token(self._setup.paths.token)).resolve()
            self.variables["SERVICIO_ML_HOOK_TOKEN_FILE"] = str(token)
            targets["alertmanager"] = self._options.alertmanager_port
            config = monitoring_config.write_alertmanager_config(self._setup, folder / "alertmanager", token)
            self.add(programs.build_alertmanager(self._setup, program, config))
        if program := self._find_statsd_exporter():
            self.variables |= {"STATSD_HOST": LOOPBACK, "STATSD_PORT": str(self._setup.settings.statsd_port)}
            targets["statsd"] = self._options.statsd_exporter_port
            self.add(programs.build_statsd_exporter(self._setup, program))
        if program := self._find_program("prometheus"):
            targets["prometheus"] = self._options.prometheus_port
            config = monitoring_config.write_prometheus_config(self._setup, folder / "prometheus", targets)
            self.add(programs.build_prometheus(self._setup, program, config))
        self.add_missing("Airflow", "it runs beside the platform, on the same state: make airflow")
        self._add_grafana()

    def _add_grafana(self) -> None:
        """Add Grafana with the committed dashboards if its program and its own folder exist."""
        program = self._find_program("grafana")
        home = find_home(program) if program else None
        if home is None:
            if program:
                self.add_missing(
                    "Grafana", f"{program} has no conf/defaults.ini in its folder or share/grafana"
                )
            return
        settings = build_settings(self._setup, write_provisioning(self._setup.paths.run / "grafana"))
        component = programs.build_grafana(self._setup, program, home, settings)
        # the committed data source reads this variable
        self.variables |= {
            "PROMETHEUS_URL": self.variables[PROMETHEUS_VARIABLE],
            GRAFANA_VARIABLE: component.url,
        }
        self.add(component)

    def _find_statsd_exporter(self) -> str:
        """Find the exporter of StatsD metrics; empty without one, and where another host receives them."""
        if self._setup.settings.statsd_host:
            return ""
        return find_program(load_releases()["statsd-exporter"], self._setup.paths.programs)

    def _find_program(self, name: str) -> str:
        """Find the path of a program; if there is none, record it as missing and return an empty string."""
        release = load_releases()[name]
        found = find_program(release, self._setup.paths.programs)
        if not found:
            title, purpose = PURPOSES[name]
            self.add_missing(title, f"{purpose}; {describe_source(release)}")
        return found

    def _list_ports(self) -> list[int]:
        options, settings = self._options, self._setup.settings
        return [
            *(settings.port, settings.grpc_port, options.mlflow_port, options.streamlit_port),
            *(options.prometheus_port, options.alertmanager_port, options.stream_metrics_port),
            options.statsd_exporter_port,
            options.grafana_port,
        ]


def _check_redis(url: str) -> str:
    """Describe why a Redis does not answer; empty if it does."""
    try:
        with Redis.from_url(
            url, socket_connect_timeout=REDIS_SECONDS, socket_timeout=REDIS_SECONDS
        ) as connection:
            connection.ping()
    except (RedisError, OSError, ValueError) as error:
        return str(error)
    return ""


def _ensure_token(path: Path) -> Path:
    """Create the file with the hook's token, readable by its owner only, unless it exists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists() or not path.read_text().strip():
        # the mode comes first, so that the token is never readable by others
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(TOKEN_BYTES))
    return path
