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

import psutil
import pytest

START_SECONDS = 120
POLL_SECONDS = 0.2


def find_free_port() -> int:
    """Find a loopback port on which no process listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the address answers; fail when the process ends or after the timeout."""
    looks = int(START_SECONDS / POLL_SECONDS)
    for _ in range(looks):
        if process.poll() is not None:
            raise RuntimeError(f"the server of {url} ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  an address of our own
                return
        except (urllib.error.URLError, OSError):
            threading.Event().wait(POLL_SECONDS)
    raise TimeoutError(f"{url} did not answer within {START_SECONDS} s")


@contextmanager
def start_mlflow_server(folder: Path, *, port: int = 0, database: str = "") -> Iterator[str]:
    """Run an MLflow tracking server with its data in a folder; yield its address."""
    port = port or find_free_port()
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
def start_redis_server(folder: Path, port: int = 0) -> Iterator[str]:
    """Run a Redis without persistence; yield its address. Without the program the test is skipped.

    It takes a free port unless one is given.
    """
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        pytest.skip("no redis-server; install the Debian package redis-server")
    port = port or find_free_port()
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
    """Wait until a server accepts connections; fail when the process ends or after the timeout."""
    for _ in range(int(START_SECONDS / POLL_SECONDS)):
        if process.poll() is not None:
            raise RuntimeError(f"the server at port {port} ended with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            threading.Event().wait(POLL_SECONDS)
        else:
            return
    raise TimeoutError(f"port {port} was not open within {START_SECONDS} s")


@contextmanager
def start_prometheus_server(config: Path, data: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Run a Prometheus with a configuration and a data folder; yield its address.

    Without the program the test is skipped. It takes a free port unless one is given.
    """
    port = port or find_free_port()
    arguments = (f"--config.file={config}", f"--storage.tsdb.path={data}", *options)
    with _start_ready("prometheus", port, data, arguments) as url:
        yield url


@contextmanager
def start_alertmanager_server(config: Path, data: Path, *options: str, port: int = 0) -> Iterator[str]:
    """Run an Alertmanager without a cluster, as `start_prometheus_server` does."""
    port = port or find_free_port()
    arguments = (f"--config.file={config}", f"--storage.path={data}", "--cluster.listen-address=", *options)
    with _start_ready("prometheus-alertmanager", port, data, arguments) as url:
        yield url


@contextmanager
def _start_ready(name: str, port: int, data: Path, arguments: Sequence[str]) -> Iterator[str]:
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
"""Users that run PostgreSQL for root, as it refuses to run as root."""


@dataclass
class PostgresServer:
    """A PostgreSQL that can be stopped and started again at the same port."""

    programs: Path
    folder: Path
    user: str | None
    port: int = field(default_factory=find_free_port)
    process: subprocess.Popen[bytes] | None = None

    def build_url(self, database: str = "postgres", password: str = POSTGRES_PASSWORD) -> str:
        return f"postgresql://postgres:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off")
        command = [str(self.programs / "postgres"), "-D", str(self.folder / "data"), "-p", str(self.port)]
        command += [word for option in options for word in ("-c", option)]
        with (self.folder / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=self.user, cwd=self.folder)
        _wait_until_open(self.port, self.process)

    def stop(self, by: int = signal.SIGINT) -> None:
        """Stop the server and close every connection at once; SIGKILL leaves what a crash leaves."""
        if self.process is not None:
            backends = psutil.Process(self.process.pid).children(recursive=True)
            self.process.send_signal(by)
            self.process.wait(timeout=60)
            self.process = None
            # those of a killed server end by themselves; until then no other starts on their folder
            psutil.wait_procs(backends, timeout=60)


@contextmanager
def start_postgres_server(programs: Path | None = None) -> Iterator[PostgresServer]:
    """Run a PostgreSQL with its own database; without the programs the test is skipped.

    Args:
        programs: Folder of its programs; that of the machine if None.
    """
    places = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    programs = programs or next((place for place in places if (place / "initdb").exists()), None)
    if programs is None:
        pytest.skip("no initdb; install the Debian package postgresql")
    user = next((name for name in UNPRIVILEGED if _has_user(name)), None) if os.geteuid() == 0 else None
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


def _has_user(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
