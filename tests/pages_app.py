"""The pages as a process of `streamlit run`, and a fake server for the responses that they get."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from servers import find_free_port, wait_until_ready

ROOT = Path(__file__).parents[1]
APP = ROOT / "streamlit_app" / "app.py"
UNREACHABLE_API, UNREACHABLE_PROMETHEUS = "http://127.0.0.1:9", "http://127.0.0.1:7"
"""Addresses without a service."""
STOP_SECONDS = 30


@contextmanager
def run_pages(
    folder: Path, *, api: str, prometheus: str = UNREACHABLE_PROMETHEUS, **settings: object
) -> Iterator[str]:
    """Run the pages over a server and a Prometheus; yield their address.

    Args:
        folder: Folder of the log.
        api: Address of the server.
        prometheus: Address of Prometheus; no service by default.
        settings: Further settings of the pages.
    """
    port = find_free_port()
    given = {"api_url": api, "prometheus_url": prometheus, **settings}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SERVICIO_ML_")}
    environment = {
        **inherited,
        **{f"SERVICIO_ML_{name.upper()}": str(value) for name, value in given.items()},
    }
    command = [sys.executable, "-m", "streamlit", "run", str(APP), "--server.port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "pages.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, cwd=folder, start_new_session=True
        )
    try:
        wait_until_ready(f"{url}/_stcore/health", process)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=STOP_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCall:
    """A request that the fake server received."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class FakeServer:
    """A real HTTP server with prepared responses.

    Attributes:
        url: Address of the server.
        responses: Responses by method and path: the status, and a JSON document, text or bytes; or a
            function of the request that returns both.
        default_response: Response to all other requests.
        calls: Requests, in order.
    """

    url: str
    responses: dict[tuple[str, str], Any] = field(default_factory=dict)
    default_response: tuple[int, Any] = (404, {"title": "Not Found", "detail": "nothing is served here"})
    calls: list[RecordedCall] = field(default_factory=list)

    def set_response(self, method: str, path: str, document: Any, status: int = 200) -> None:
        """Prepare a response."""
        self.responses[method, path] = (status, document)

    def find_calls(self, method: str, path: str) -> list[RecordedCall]:
        """Find the requests with a method and path."""
        return [call for call in self.calls if (call.method, call.path) == (method, path)]


def _read_body(raw: bytes) -> Any:
    """Read JSON, or the bytes of an uploaded file."""
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return raw


@contextmanager
def run_fake_server() -> Iterator[FakeServer]:
    """Run a fake server, which answers requests without a prepared response with 404."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            url = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = RecordedCall(
                method=self.command, path=url.path, query=dict(parse_qsl(url.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=_read_body(raw),
            )  # fmt: skip
            service.calls.append(call)
            found = service.responses.get((self.command, url.path), service.default_response)
            status, document = found(call) if callable(found) else found
            kind = "text/plain" if isinstance(document, str | bytes) else "application/json"
            body = json.dumps(document) if kind == "application/json" else document
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else body.encode())

        do_GET = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815  the names that http.server calls

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service = FakeServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
