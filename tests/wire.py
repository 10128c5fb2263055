"""A server behind a raw socket: connections, requests as bytes, and responses as they were received."""

import asyncio
import io
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import uvicorn
from fastapi import APIRouter

from services import ServiceFixture, create_service
from servicio_ml.api.protocol import FastPathProtocol
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.asgi import AsgiApp
from servicio_ml.serving.http.health import build_health_routes
from servicio_ml.serving.prediction.service import Service

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT = "/models/small/predict"
BODY_LIMIT = 1 << 20
"""Body limit in bytes, as tests/services.py sets it."""
WAIT_SECONDS = 30
BACKLOG = 64
BuildRoutes = Callable[[Service], APIRouter]


@dataclass(frozen=True, slots=True, kw_only=True)
class WireResponse:
    """A response as it was received."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class WireConnection:
    """A raw connection to the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.read.close()
        self.socket.close()

    def send(self, *chunks: bytes) -> None:
        self.socket.sendall(b"".join(chunks))

    def read_head(self) -> tuple[int, dict[str, str]]:
        status = int(self.read.readline().split()[1])
        lines = iter(lambda: self.read.readline().decode().strip(), "")
        return status, {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}

    def read_response(self, *, bodiless: bool = False) -> WireResponse:
        status, headers = self.read_head()
        length = 0 if bodiless else int(headers["content-length"])
        return WireResponse(status=status, headers=headers, body=self.read.read(length))

    @property
    def is_closed(self) -> bool:
        """Whether the server has closed the connection without a response."""
        return bool(self.read.read(1) == b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireServer:
    """A running server and its service."""

    made: ServiceFixture
    gateway: Gateway
    port: int
    log_lines: io.BytesIO
    fast_paths: list[str]
    """Paths of the requests that took the fast path."""

    def connect(self) -> WireConnection:
        return WireConnection(self.port)


class RecordingGateway(Gateway):
    """A gateway that records the requests on the fast path."""

    def handle_fast(self, scope: Any, target: Any, body: bytes, respond: Any) -> None:
        self.fast_paths.append(scope["path"])
        super().handle_fast(scope, target, body, respond)

    fast_paths: list[str]


@contextmanager
def run_server(app: AsgiApp) -> Iterator[int]:
    """Run a server for an application on a free port, in a thread."""
    # listens before the server starts: early connections wait in the queue
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listening:
        config = uvicorn.Config(
            app, http=FastPathProtocol, lifespan="off", access_log=False, log_config=None, proxy_headers=False
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listening])))
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


@contextmanager
def start_wire_server(
    folder: Path, artifact: Path, *builders: BuildRoutes, **settings: Any
) -> Iterator[WireServer]:
    """Start a server with the health routes, the predictions and further routes."""
    made, lines = create_service(folder, artifact, **settings), io.BytesIO()
    routes = [build(made.service) for build in builders]
    app = build_app(made.service, [build_health_routes(made.service, lambda: b"metrics"), *routes])
    gateway = RecordingGateway(app, made.service, AccessLog(lines), random.Random(5).getrandbits)  # noqa: S311  ids, no secrets
    gateway.fast_paths = []
    with run_server(gateway) as port:
        yield WireServer(
            made=made, gateway=gateway, port=port, log_lines=lines, fast_paths=gateway.fast_paths
        )
    # whatever was sent: no request is left in flight at the end
    assert gateway.in_flight == 0


def format_request(
    record: object = None,
    *,
    path: str = PREDICT,
    version: str = "1.1",
    headers: str = "",
    method: str = "POST",
) -> bytes:
    """Format a request."""
    body = json.dumps(RECORD if record is None else record).encode()
    head = (
        f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
