"""A server is told of a new champion, and given time to hear of the model."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from servers import free_port
from servicio_ml.adapters.api_server import ApiServer
from servicio_ml.errors import ReloadError

Asked = list[tuple[str, str | None]]


@contextmanager
def _server(*answers: tuple[int, object]) -> Iterator[tuple[str, Asked]]:
    """A server that gives these answers one after the other, and what it was asked."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, document = answers[min(len(asked), len(answers) - 1)]
            asked.append((self.path, self.headers["X-API-Key"]))
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing is shown."""

    server = HTTPServer(("127.0.0.1", free_port()), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_version_that_answers_is_given_and_the_key_is_sent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("secret\n")
    with _server((200, {"champion": 7})) as (url, asked):
        assert ApiServer(url, tmp_path / "key", 0).reload("rain") == 7
    assert asked == [("/models/rain/reload", "secret")]


@pytest.mark.parametrize("status", [404, 503], ids=["unknown", "not loaded"])
def test_a_server_that_has_not_heard_of_the_model_is_asked_again(status: int) -> None:
    with _server((status, {}), (200, {"champion": 1})) as (url, asked):
        assert ApiServer(url, None, 30).reload("rain") == 1
    assert asked == [("/models/rain/reload", None)] * 2
    with _server((status, {"detail": "no"})) as (url, _), pytest.raises(ReloadError, match=f"{status}.*no"):
        ApiServer(url, None, 0).reload("rain")


@pytest.mark.parametrize(
    ("status", "document", "said"),
    [
        (401, {}, "name a file with an API key in SERVICIO_ML_API_KEY_FILE"),
        (403, {}, "needs the scope admin"),
        (500, {"detail": "broken"}, "500.*broken"),
        (200, {"hello": 1}, "SERVICIO_ML_API_URL"),
        (200, [], "SERVICIO_ML_API_URL"),
    ],
    ids=["no key", "weak key", "fault", "another server", "no document"],
)
def test_a_refusal_says_what_to_do(status: int, document: object, said: str) -> None:
    with _server((status, document)) as (url, asked), pytest.raises(ReloadError, match=said):
        ApiServer(url, None, 30).reload("rain")
    assert len(asked) == 1


def test_nobody_there_is_told() -> None:
    with pytest.raises(ReloadError, match=r"SERVICIO_ML_API_URL.*SERVICIO_ML_POLL_SECONDS"):
        ApiServer(f"http://127.0.0.1:{free_port()}", None, 30).reload("rain")


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with _server((200, {"champion": 1})) as (url, asked), pytest.raises(ReloadError, match="nowhere"):
        ApiServer(url, tmp_path / "nowhere", 0).reload("rain")
    assert asked == []
