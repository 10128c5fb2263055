"""What the demonstration does with its rows and with what happened."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from deploy.embedded.demo import Client, Plan, demo
from deploy.embedded.demo_rows import Fault, Row
from deploy.embedded.settings import PlatformError, read

BAD = "nobody knows"


class Server:
    """Answers as the API does; keeps what it was asked."""

    def __init__(self, *, streams: bool) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._streams = streams

    def __call__(self, request: httpx.Request) -> httpx.Response:
        what, body = request.url.path.removeprefix("/models/m/"), json.loads(request.content)
        self.asked.append((what, body))
        if what == "enqueue":
            return httpx.Response(202 if self._streams else 503)
        if BAD in str(body):
            return httpx.Response(422)
        if what == "predict":
            return httpx.Response(200, json={"prediction_id": f"id-{body['x']}"})
        if what == "predict/batch":
            told = [{"prediction_id": f"id-{each['x']}"} for each in body["records"]]
            return httpx.Response(200, json={"predictions": told})
        return httpx.Response(200, json={})


def _client(server: Server) -> Client:
    api = httpx.Client(base_url="http://server", transport=httpx.MockTransport(server))
    return Client(model="m", rows=iter(()), fault=Fault(lost="", shifted={}, unseen=""), api=api)


def _rows(*values: object) -> list[Row]:
    return [Row(record={"x": value}, truth=f"truth of {value}") for value in values]


@pytest.mark.parametrize("streams", [True, False])
def test_rows_go_alone_together_and_over_the_stream(*, streams: bool) -> None:
    server = Server(streams=streams)
    client = _client(server)
    client.send(_rows(1, 2, 3, 4, 5, 6), label_at=10)
    client.send(_rows(7, 8, 9, 10), label_at=10)
    asked = [what for what, _ in server.asked]
    assert asked.count("enqueue") == (2 if streams else 1)
    assert asked.count("predict") == 3
    assert asked.count("predict/batch") == 2
    assert client.counts["predictions"] == len(client.waiting)


def test_truth_comes_late_and_once() -> None:
    server = Server(streams=True)
    client = _client(server)
    client.streams = False
    client.send(_rows(1), label_at=10)
    client.send(_rows(2, 3), label_at=20)
    client.label(9.9)
    assert client.counts["ground truths"] == 0
    client.label(10)
    client.label(10)
    [told] = [body["labels"] for what, body in server.asked if what == "feedback/batch"]
    assert told == [{"prediction_id": "id-1", "actual": "truth of 1"}]
    client.label(20)
    assert client.counts["ground truths"] == 3
    assert not client.waiting


def test_a_bad_row_does_not_take_the_others_along() -> None:
    server = Server(streams=False)
    client = _client(server)
    client.streams = False
    client.send(_rows(1, 2, BAD, 4, 5), label_at=0)
    assert client.counts["refused"] == 1
    assert client.counts["predictions"] == 4


class Closed(BaseHTTPRequestHandler):
    """A server that asks for a key."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 401)
        self.end_headers()
        if self.path == "/":
            self.wfile.write(b'{"models": ["rain_australia"], "default_model": "rain_australia"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_asks_for_a_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("SERVICIO_ML_PORT", str(server.server_port))
        try:
            with pytest.raises(PlatformError, match=r"schema answers 401; .*SERVICIO_ML_API_KEY_FILE"):
                demo(read(), Plan(rate=1, minutes=1, drift_after=1, label_after=1))
        finally:
            server.shutdown()
            thread.join()
