"""Reload requests to a running server, repeated until it knows the model."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from servers import find_free_port
from servicio_ml.adapters.api_server import ApiServer
from servicio_ml.errors import ReloadError

ReceivedRequests = list[tuple[str, str | None]]


@contextmanager
def _run_server(*answers: tuple[int, object]) -> Iterator[tuple[str, ReceivedRequests]]:
    """Serve the responses in turn; yield the address and the requests received."""
    received: ReceivedRequests = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, document = answers[min(len(received), len(answers) - 1)]
            received.append((self.path, self.headers["X-API-Key"]))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    server = HTTPServer(("127.0.0.1", find_free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_champion_version_is_returned_and_the_key_is_sent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    with _run_server((200, {"champion": 7})) as (url, received):
        assert ApiServer(url, tmp_path / "key", 0).reload("rain") == 7
    assert received == [("/models/rain/reload", "secret")]


@pytest.mark.parametrize("status", [404, 503], ids=["unknown", "not loaded"])
def test_a_server_that_does_not_know_the_model_yet_is_asked_again(status: int) -> None:
    with _run_server((status, {}), (200, {"champion": 1})) as (url, received):
        assert ApiServer(url, None, 30).reload("rain") == 1
    assert received == [("/models/rain/reload", None)] * 2
    with (
        _run_server((status, {"detail": "no"})) as (url, _),
        pytest.raises(ReloadError, match=f"{status}.*no"),
    ):
        ApiServer(url, None, 0).reload("rain")


@pytest.mark.parametrize(
    ("status", "document", "message"),
    [
        (401, {}, "name a file with an API key in SERVICIO_ML_API_KEY_FILE"),
        (403, {}, "needs the scope admin"),
        (500, {"detail": "broken"}, "500.*broken"),
        (520, {"detail": "an unknown status of a proxy"}, "520.*of a proxy"),
        (200, {"hello": 1}, "SERVICIO_ML_API_URL"),
        (200, [], "SERVICIO_ML_API_URL"),
    ],
    ids=["no key", "weak key", "fault", "status of a proxy", "another server", "no document"],
)
def test_an_error_says_what_to_do(status: int, document: object, message: str) -> None:
    with _run_server((status, document)) as (url, received), pytest.raises(ReloadError, match=message):
        ApiServer(url, None, 30).reload("rain")
    assert len(received) == 1


def test_an_unreachable_server_is_an_error() -> None:
    with pytest.raises(ReloadError, match=r"SERVICIO_ML_API_URL.*SERVICIO_ML_POLL_SECONDS"):
        ApiServer(f"http://127.0.0.1:{find_free_port()}", None, 30).reload("rain")


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with _run_server((200, {"champion": 1})) as (url, received), pytest.raises(ReloadError, match="nowhere"):
        ApiServer(url, tmp_path / "nowhere", 0).reload("rain")
    assert received == []
