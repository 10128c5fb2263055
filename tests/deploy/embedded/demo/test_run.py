"""The demonstration sends its rows in three ways and their ground truth later."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest

from deploy.embedded.demo.model_client import ModelClient
from deploy.embedded.demo.rows import DemoRow, InjectedFault
from deploy.embedded.demo.run import DemoPlan, run_demo
from deploy.embedded.settings import PlatformError, read_setup

BAD = "invalid"


class Server:
    """Answers as the API does and records the requests."""

    def __init__(self, *, streams: bool) -> None:
        self.requests: list[tuple[str, Any]] = []
        self._streams = streams

    def __call__(self, request: httpx.Request) -> httpx.Response:
        what, body = request.url.path.removeprefix("/models/m/"), json.loads(request.content)
        self.requests.append((what, body))
        if what == "enqueue":
            return httpx.Response(202 if self._streams else 503)
        if BAD in str(body):
            return httpx.Response(422)
        if what == "predict":
            return httpx.Response(200, json={"prediction_id": f"id-{body['x']}"})
        if what == "predict/batch":
            predictions = [{"prediction_id": f"id-{each['x']}"} for each in body["records"]]
            return httpx.Response(200, json={"predictions": predictions})
        return httpx.Response(200, json={})


def _create_client(server: Server) -> ModelClient:
    api = httpx.Client(base_url="http://server", transport=httpx.MockTransport(server))
    return ModelClient(model="m", rows=iter(()), fault=InjectedFault(lost="", shifted={}, unseen=""), api=api)


def _build_rows(*values: object) -> list[DemoRow]:
    return [DemoRow(record={"x": value}, truth=f"truth of {value}") for value in values]


@pytest.mark.parametrize("streams", [True, False])
def test_rows_are_sent_alone_as_a_batch_and_through_the_stream(*, streams: bool) -> None:
    server = Server(streams=streams)
    client = _create_client(server)
    client.send(_build_rows(1, 2, 3, 4, 5, 6), label_at=10)
    client.send(_build_rows(7, 8, 9, 10), label_at=10)
    requests = [what for what, _ in server.requests]
    assert requests.count("enqueue") == (2 if streams else 1)
    assert requests.count("predict") == 3
    assert requests.count("predict/batch") == 2
    assert client.counts["predictions"] == len(client.pending_labels)


def test_ground_truth_is_sent_once_when_it_is_due() -> None:
    server = Server(streams=True)
    client = _create_client(server)
    client.streams = False
    client.send(_build_rows(1), label_at=10)
    client.send(_build_rows(2, 3), label_at=20)
    client.send_due_labels(9.9)
    assert client.counts["ground truths"] == 0
    client.send_due_labels(10)
    client.send_due_labels(10)
    [labels] = [body["labels"] for what, body in server.requests if what == "feedback/batch"]
    assert labels == [{"prediction_id": "id-1", "actual": "truth of 1"}]
    client.send_due_labels(20)
    assert client.counts["ground truths"] == 3
    assert not client.pending_labels


def test_an_invalid_row_does_not_reject_the_others() -> None:
    server = Server(streams=False)
    client = _create_client(server)
    client.streams = False
    client.send(_build_rows(1, 2, BAD, 4, 5), label_at=0)
    assert client.counts["refused"] == 1
    assert client.counts["predictions"] == 4


class Closed(BaseHTTPRequestHandler):
    """Server that requires a key."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/" else 401)
        self.end_headers()
        if self.path == "/":
            self.wfile.write(b'{"models": ["rain_australia"], "default_model": "rain_australia"}')

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_requires_a_key_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    with HTTPServer(("127.0.0.1", 0), Closed) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("SERVICIO_ML_PORT", str(server.server_port))
        try:
            with pytest.raises(PlatformError, match=r"schema answers 401; .*SERVICIO_ML_API_KEY_FILE"):
                run_demo(read_setup(), DemoPlan(rate=1, minutes=1, drift_after=1, label_after=1))
        finally:
            server.shutdown()
            thread.join()
