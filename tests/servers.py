"""Real servers on free loopback ports, stopped when a test is done with them."""

import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
def mlflow_server(folder: Path) -> Iterator[str]:
    """An MLflow tracking server with its database and artifacts in a folder; gives its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/server.db"),
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
