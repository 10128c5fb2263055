"""Real servers on free loopback ports, stopped when a test is done with them."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest

START_SECONDS = 120
BETWEEN_LOOKS_SECONDS = 0.2


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Return when the address answers; fail when the process ends or the time is up."""
    looks = int(START_SECONDS / BETWEEN_LOOKS_SECONDS)
    for _ in range(looks):
        if process.poll() is not None:
            raise RuntimeError(f"the server of {url} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  an address of our own
                return
        except (urllib.error.URLError, OSError):
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS} s")


@contextmanager
def mlflow_server(folder: Path, *, port: int = 0, database: str = "") -> Iterator[str]:
    """An MLflow tracking server with its database and artifacts in a folder; gives its address."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", database or f"sqlite:///{folder}/server.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {**os.environ, **quiet}
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        wait_until_ready(f"{url}/health", process)
        yield url
    finally:
        os.killpg(process.pid, 15)
        process.wait(timeout=60)


@contextmanager
def redis_server(folder: Path, port: int = 0) -> Iterator[str]:
    """A Redis that keeps nothing on the disk; gives its address. Without the program the test is skipped.

    It takes a free port unless one is given.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no redis-server; install the Debian package redis-server")
    port = port or free_port()
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until_open(port, process)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_open(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a server accepts connections; fail when the process ends or the time is up."""
    for _ in range(int(START_SECONDS / BETWEEN_LOOKS_SECONDS)):
        if process.poll() is not None:
            raise RuntimeError(f"the server at port {port} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            threading.Event().wait(BETWEEN_LOOKS_SECONDS)
        else:
            return
    raise TimeoutError(f"port {port} was not open within {START_SECONDS} s")


@contextmanager
def prometheus_server(config: Path, data: Path, *options: str, port: int = 0) -> Iterator[str]:
    """A Prometheus with a configuration and a folder of its data; gives its address.

    Without the program the test is skipped. It takes a free port unless one is given.
    """
    port = port or free_port()
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={data}", *options)
    with _ready("prometheus", port, data, arguments) as url:
        yield url


@contextmanager
def alertmanager_server(config: Path, data: Path, *options: str, port: int = 0) -> Iterator[str]:
    """An Alertmanager without a cluster; as `prometheus_server`."""
    port = port or free_port()
    arguments = (f"--config.file={config}", f"--storage.path={data}", "--cluster.listen-address=", *options)
    with _ready("prometheus-alertmanager", port, data, arguments) as url:
        yield url


@contextmanager
def _ready(name: str, port: int, data: Path, arguments: Sequence[str]) -> Iterator[str]:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"no {name}; install the Debian package {name}")
    data.mkdir(parents=True, exist_ok=True)
    command = [program, f"--web.listen-address=127.0.0.1:{port}", *arguments]
    with (data / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/-/ready", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=60)


POSTGRES_PASSWORD = "p@ss/w:rd %25?#"  # noqa: S105  of a server that lives as long as a test
UNPRIVILEGED = ("postgres", "nobody")
"""Users under whom PostgreSQL is run for root, as which it refuses to run."""


@dataclass
class PostgresServer:
    """A PostgreSQL that can be stopped and started again at the same port."""

    programs: Path
    folder: Path
    user: str | None
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres", password: str = POSTGRES_PASSWORD) -> str:
        return f"postgresql://postgres:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += [part for option in options for part in ("-c", option)]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=self.user, cwd=self.folder)
        _wait_until_open(self.port, self.process)

    def stop(self) -> None:
        """End every connection at once."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
            self.process = None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL with a database of its own. Without the programs the test is skipped."""
    places = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    programs = next((place for place in places if (place / "initdb").exists()), None)
    if programs is None:
        pytest.skip("no initdb; install the Debian package postgresql")
    user = next((name for name in UNPRIVILEGED if _exists(name)), None) if os.geteuid() == 0 else None
    # pytest's own folders are closed to other users
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "password").write_text(POSTGRES_PASSWORD)
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)
        command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "postgres", "-N"]
        command += ["--auth=scram-sha-256", "--pwfile", str(folder / "password"), "--encoding=UTF8"]
        subprocess.run(command, check=True, capture_output=True, user=user, cwd=folder)
        server = PostgresServer(programs, folder, user)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
