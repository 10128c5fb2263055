"""The pages: a running `streamlit run`, and a canned server for what a page does with each answer."""

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

from servers import free_port, wait_until_ready

ROOT = Path(__file__).parents[1]
APP = ROOT / "streamlit_app" / "app.py"
NOWHERE, NO_METRICS = "http://127.0.0.1:9", "http://127.0.0.1:7"
"""Where nobody answers: no server, no Prometheus."""
STOP_SECONDS = 30


@contextmanager
def pages(folder: Path, *, api: str, prometheus: str = NO_METRICS, **settings: object) -> Iterator[str]:
    """The pages over a server and a Prometheus; gives their address.

    Args:
        folder: For the log.
        api: Address of the server.
        prometheus: Of Prometheus; nobody answers when not given.
        settings: More of the pages' settings.
    """
    port = free_port()
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
class Call:
    """A request that a canned server got."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Canned:
    """A real HTTP server that gives prepared answers.

    Attributes:
        url: Its address.
        answers: By method and path: the status, and a JSON document, text or bytes, or a function of the
            call that gives both.
        otherwise: The status and the document where nothing is prepared.
        calls: What it was asked, in order.
    """

    url: str
    answers: dict[tuple[str, str], Any] = field(default_factory=dict)
    otherwise: tuple[int, Any] = (404, {"title": "Not Found", "detail": "nothing is served here"})
    calls: list[Call] = field(default_factory=list)

    def give(self, method: str, path: str, document: Any, status: int = 200) -> None:
        """Prepare an answer."""
        self.answers[method, path] = (status, document)

    def asked(self, method: str, path: str) -> list[Call]:
        """What it was asked there."""
        return [call for call in self.calls if (call.method, call.path) == (method, path)]


@contextmanager
def canned() -> Iterator[Canned]:
    """A canned server; what is not prepared is refused as a server of ours refuses it."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            call = Call(
                method=self.command, path=parts.path, query=dict(parse_qsl(parts.query)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(raw) if raw else None,
            )  # fmt: skip
            service.calls.append(call)
            found = service.answers.get((self.command, parts.path), service.otherwise)
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
    service = Canned(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
