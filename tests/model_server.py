"""A real `servicio-ml serve` on free loopback ports, with a real registry."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asgi import AsgiResponse
from servers import find_free_port, wait_until_ready
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.domain.promotion import CHAMPION

COMMAND = str(Path(sys.executable).with_name("servicio-ml"))
WAIT_SECONDS = 60
BETWEEN_LOOKS_SECONDS = 0.05
MODELS = {"small": "artifact_folder", "three": "multiclass_folder", "price": "regression_folder"}
"""Names of the models that tests serve, with the fixtures of their artifacts."""


class ModelShelf:
    """An MLflow in a folder, or at an address, with the models that a test puts there."""

    def __init__(self, state: Path, url: str = "") -> None:
        self.state = state
        connection = connect(url, state)
        self.registry, self.tracker = MlflowRegistry(connection), MlflowTracker(connection)

    def add(self, model: str, artifact: Path, alias: str = CHAMPION) -> int:
        """Register an artifact and point an alias at it; gives the version."""
        with self.tracker.open_run(model, "fit") as run:
            version = self.registry.register(model, artifact, run_id=run.id, tags={}).version
        self.registry.set_alias(model, alias, version)
        return version


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """A running server."""

    url: str
    grpc: str
    state: Path
    process: subprocess.Popen[bytes]
    errors: Path
    lines: Path

    def __call__(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> AsgiResponse:
        """Call it; any status is an answer."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, raw, given, method=method)  # noqa: S310  our own server
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as answer:  # noqa: S310
                return AsgiResponse(
                    status=answer.status, headers=_lower_names(answer.headers), body=answer.read()
                )
        except urllib.error.HTTPError as refused:
            with refused:
                return AsgiResponse(
                    status=refused.code, headers=_lower_names(refused.headers), body=refused.read()
                )

    def read_metric(self, name: str, **labels: str) -> float:
        """A sample as it is scraped; 0 where there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        for line in self("GET", "/metrics").body.decode().splitlines():
            head, _, value = line.rpartition(" ")
            found, _, rest = head.partition("{")
            if found == name and wanted <= set(rest.rstrip("}").split(",")):
                return float(value)
        return 0.0

    def list_workers(self) -> list[int]:
        """Process ids of the workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [pid for pid in map(int, children) if b"spawn_main" in _read_command(pid)]

    def stop(self, by: int = signal.SIGTERM) -> int:
        """Stop it and give its exit code."""
        self.process.send_signal(by)
        return self.process.wait(timeout=WAIT_SECONDS)


def _lower_names(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _read_command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(what: str, holds: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
    """Return when it holds; fail when it does not in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s: {what}")
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


@contextmanager
def run_model_server(
    state: Path, *, ready: bool = True, workers: int = 2, **settings: object
) -> Iterator[ModelServer]:
    """A server with settings, ready to answer; whatever it left is stopped at the end."""
    port, grpc_port = find_free_port(), find_free_port()
    logs = state / f"serve-{port}"
    logs.mkdir(parents=True)
    given = {
        "state_dir": state,
        "port": port,
        "grpc_port": grpc_port,
        "workers": workers,
        "poll_seconds": 0.5,
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SERVICIO_ML_")}
    environment = {
        **inherited,
        **{f"SERVICIO_ML_{k.upper()}": str(v) for k, v in {**given, **settings}.items()},
    }
    command = [COMMAND, "serve"]
    with (logs / "out").open("wb") as out, (logs / "err").open("wb") as err:
        process = subprocess.Popen(command, stdout=out, stderr=err, env=environment, start_new_session=True)
    platform = ModelServer(
        url=f"http://127.0.0.1:{port}", grpc=f"127.0.0.1:{grpc_port}", state=state, process=process,
        errors=logs / "err", lines=logs / "out",
    )  # fmt: skip
    try:
        wait_until_ready(f"{platform.url}/health/{'ready' if ready else 'live'}", process)
        yield platform
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(timeout=WAIT_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
