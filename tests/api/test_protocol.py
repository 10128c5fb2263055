"""The short road as bytes on the wire: what clients may send, whole or broken, alone or many at once."""

import asyncio
import io
import json
import random
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import uvicorn

from platforms import until
from services import Bench, bench
from servicio_ml.api.protocol import ShortRoad
from servicio_ml.domain.prediction import parsed_id
from servicio_ml.serving.accesslog import AccessLog
from servicio_ml.serving.app import application
from servicio_ml.serving.edge import App, Edge
from servicio_ml.serving.keys import Key, Keys, Scope, digested
from servicio_ml.serving.rest import health_routes

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT = "/models/small/predict"
BODY_LIMIT = 1 << 20
"""Bytes that tests/services.py sets."""
WAIT_SECONDS = 30
CONNECTIONS, REQUESTS = 32, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Line:
    """A connection of bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.read = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.read.close()
        self.socket.close()

    def send(self, *parts: bytes) -> None:
        self.socket.sendall(b"".join(parts))

    def head(self) -> tuple[int, dict[str, str]]:
        status = int(self.read.readline().split()[1])
        lines = iter(lambda: self.read.readline().decode().strip(), "")
        return status, {name.lower(): value for name, _, value in (each.partition(": ") for each in lines)}

    def hear(self, *, bodiless: bool = False) -> Heard:
        status, headers = self.head()
        length = 0 if bodiless else int(headers["content-length"])
        return Heard(status=status, headers=headers, body=self.read.read(length))

    @property
    def closed(self) -> bool:
        """Whether the server has hung up, with nothing said before."""
        return bool(self.read.read(1) == b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """A running server with its bench."""

    made: Bench
    edge: Edge
    port: int
    lines: io.BytesIO
    begun: list[str]
    """Paths that went the short road."""

    def line(self) -> Line:
        return Line(self.port)


class Watched(Edge):
    """An edge that notes what begins on the short road."""

    def begin(self, scope: Any, body: bytes, respond: Any) -> None:
        self.begun.append(scope["path"])
        super().begin(scope, body, respond)

    begun: list[str]


@contextmanager
def running(app: App) -> Iterator[int]:
    """A server of one application on a free port, in a thread."""
    # it listens before the server starts: whoever connects early waits in the queue
    with socket.create_server(("127.0.0.1", 0), backlog=CONNECTIONS * 2) as listening:
        config = uvicorn.Config(
            app, http=ShortRoad, lifespan="off", access_log=False, log_config=None, proxy_headers=False
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
def opened(folder: Path, artifact: Path, **settings: Any) -> Iterator[Street]:
    made, lines = bench(folder, artifact, **settings), io.BytesIO()
    app = application(made.service, [health_routes(made.service, lambda: b"metrics")])
    edge = Watched(app, made.service, AccessLog(lines), random.Random(5).getrandbits)  # noqa: S311  ids, no secrets
    edge.begun = []
    with running(edge) as port:
        yield Street(made=made, edge=edge, port=port, lines=lines, begun=edge.begun)
    # after everything, whatever was sent: nothing is left in hand
    assert edge.in_hand == 0


@pytest.fixture
def street(tmp_path: Path, artifact_folder: Path) -> Iterator[Street]:
    with opened(tmp_path, artifact_folder) as made:
        yield made


def asked(
    record: object = None,
    *,
    path: str = PREDICT,
    version: str = "1.1",
    headers: str = "",
    method: str = "POST",
) -> bytes:
    """A request as bytes."""
    body = json.dumps(RECORD if record is None else record).encode()
    head = (
        f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def named(request: str) -> str:
    return f"X-Request-ID: {request}\r\n"


def chunked(*parts: bytes) -> bytes:
    """A request whose body comes in chunks."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def logged_weight(street: Street, prediction_id: str) -> float:
    """What was logged of the record that an answer answers."""
    key, place = parsed_id(prediction_id)
    chunk = street.made.log.written[key]
    row = np.frombuffer(chunk.places, dtype=np.uint32).tolist().index(place)
    features = np.frombuffer(chunk.features, dtype=np.float32).reshape(chunk.rows, len(RECORD))
    return float(features[row, list(RECORD).index("weight")])


def test_a_connection_is_kept(street: Street) -> None:
    with street.line() as line:
        ids = set()
        for _ in range(3):
            line.send(asked())
            answer = line.hear()
            assert (answer.status, answer.document["model"]) == (200, "small")
            assert "connection" not in answer.headers
            assert answer.headers["content-type"] == "application/json"
            ids.add(answer.document["prediction_id"])
    assert len(ids) == 3
    assert street.begun == [PREDICT] * 3


def test_pipelined_requests_are_answered_in_order(street: Street) -> None:
    weights = [index / 4 for index in range(20)]
    requests = [
        # every third goes the long road, every fourth is refused
        asked(
            {**RECORD, "weight": weight if index % 4 else 99.0},
            path=PREDICT if index % 3 else f"{PREDICT}?alias=champion", headers=named(f"r{index}"),
        )
        for index, weight in enumerate(weights)
    ]  # fmt: skip
    with street.line() as line:
        line.send(*requests)
        answers = [line.hear() for _ in requests]
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r{i}" for i in range(20)]
    assert [answer.status for answer in answers] == [200 if i % 4 else 422 for i in range(20)]
    for weight, answer in zip(weights, answers, strict=True):
        if answer.status == 200:
            assert logged_weight(street, answer.document["prediction_id"]) == weight
    assert len(street.begun) == sum(1 for i in range(20) if i % 3)


def test_very_many_pipelined_requests(street: Street) -> None:
    refused = b"POST /predict HTTP/1.1\r\n\r\n"
    with street.line() as line:
        # all of them wait for the first, and are then refused one after the other
        line.send(asked(), refused * 4000)
        assert line.hear().status == 200
        assert [line.hear().status for _ in range(4000)] == [422] * 4000


def test_a_body_in_several_packets(street: Street) -> None:
    request = asked({**RECORD, "weight": -1.5})
    with street.line() as line:
        for start in range(len(request)):
            line.send(request[start : start + 1])
        answer = line.hear()
    assert logged_weight(street, answer.document["prediction_id"]) == -1.5
    assert street.begun == [PREDICT]


@pytest.mark.parametrize(
    ("version", "headers"),
    [("1.1", "Connection: close\r\n"), ("1.0", ""), ("1.0", "Connection: keep-alive\r\n")],
    ids=["close", "1.0", "1.0 keep-alive"],
)
def test_a_connection_is_closed(street: Street, version: str, headers: str) -> None:
    with street.line() as line:
        line.send(asked(version=version, headers=headers))
        answer = line.hear()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert line.closed
    assert street.begun == [PREDICT]


def test_whoever_asks_first_is_told_to_go_on(street: Street) -> None:
    request = asked(headers="Expect: 100-continue\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    with street.line() as line:
        line.send(head, b"\r\n\r\n")
        assert line.head() == (100, {})
        line.send(body)
        assert line.hear().document["model"] == "small"
        line.send(asked())
        assert line.hear().status == 200


def test_a_body_in_chunks(street: Street) -> None:
    body = json.dumps({**RECORD, "weight": 2.75}).encode()
    with street.line() as line:
        line.send(chunked(body[:7], body[7:8], body[8:]))
        answer = line.hear()
    assert logged_weight(street, answer.document["prediction_id"]) == 2.75
    assert street.begun == [PREDICT]


@pytest.mark.parametrize("size", [1 << 16, 1 << 18], ids=["at the mark", "above the mark"])
def test_a_long_body_within_the_limit(street: Street, size: int) -> None:
    body = json.dumps(RECORD).encode()
    with street.line() as line:
        line.send(chunked(body, b" " * (size - len(body))), asked(headers=named("next")))
        assert line.hear().status == 200
        assert line.hear().headers["x-request-id"] == "next"


def test_a_body_above_the_limit(street: Street) -> None:
    part = b" " * (1 << 15)
    with street.line() as line:
        line.send(chunked(*[part] * (BODY_LIMIT // len(part) + 1)))
        answer = line.hear()
    assert answer.status == 413
    assert str(BODY_LIMIT) in answer.document["detail"]
    with street.line() as line:
        line.send(f"POST {PREDICT} HTTP/1.1\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n".encode(), part * 3)
        assert line.hear().status == 413


@pytest.mark.parametrize("reset", [False, True], ids=["hangs up", "resets"])
@pytest.mark.parametrize("sent", [30, -5, None], ids=["in the head", "in the body", "before the answer"])
def test_a_client_that_goes_away(street: Street, sent: int | None, *, reset: bool) -> None:
    for _ in range(5):
        with street.line() as line:
            line.send(asked()[:sent])
            if reset:
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with street.line() as line:
        line.send(asked())
        assert line.hear().status == 200


def test_a_client_that_goes_away_with_others_waiting(street: Street) -> None:
    for _ in range(5):
        with street.line() as line:
            line.send(asked() * 50)
            line.hear()
    with street.line() as line:
        line.send(asked())
        assert line.hear().status == 200


@pytest.mark.parametrize(
    "said",
    [b"nonsense\r\n\r\n", b"POST  HTTP/1.1\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     b"POST /pr\xe9dict HTTP/1.1\r\n\r\n"],
    ids=["line", "no path", "length", "no ASCII"],
)  # fmt: skip
def test_what_is_no_http(street: Street, said: bytes) -> None:
    with street.line() as line:
        line.send(said)
        answer = line.hear()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert line.closed
    with street.line() as line:
        line.send(asked())
        assert line.hear().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods(street: Street, method: str) -> None:
    with street.line() as line:
        line.send(f"{method} {PREDICT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), asked())
        answer = line.hear(bodiless=method == "HEAD")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert line.hear().status == 200
    assert street.begun == [PREDICT]


def test_no_body_is_a_fault(street: Street) -> None:
    with street.line() as line:
        line.send(f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert line.hear().status == 422


def test_keys_and_limits_hold_on_the_short_road(tmp_path: Path, artifact_folder: Path) -> None:
    keys = Keys((Key(name="user", scopes=frozenset({Scope.PREDICT}), digest=digested("user-key")),))
    with opened(tmp_path, artifact_folder, keys=keys) as street, street.line() as line:
        line.send(asked(), asked(headers="X-API-Key: user-key\r\n"), asked(headers="X-API-Key: other\r\n"))
        assert [line.hear().status for _ in range(3)] == [401, 200, 401]
        assert street.begun == [PREDICT] * 3


def test_1000_requests_on_32_connections_each_get_their_own_answer(street: Street) -> None:
    def talk(connection: int) -> list[tuple[float, Heard]]:
        heard = []
        with street.line() as line:
            for turn in range(connection, REQUESTS, CONNECTIONS):
                weight = turn / 128
                line.send(asked({**RECORD, "weight": weight}, headers=named(f"{turn}")))
                answer = line.hear()
                assert (answer.status, answer.headers["x-request-id"]) == (200, f"{turn}")
                heard.append((weight, answer))
        return heard

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        every = [each for heard in pool.map(talk, range(CONNECTIONS)) for each in heard]
    assert len(every) == REQUESTS
    assert len({answer.document["prediction_id"] for _, answer in every}) == REQUESTS
    for weight, answer in every:
        assert logged_weight(street, answer.document["prediction_id"]) == weight
    labels = {"method": "POST", "route": "/models/{model}/predict", "status": "200"}

    def counted() -> bool:
        # a call is counted after it was answered
        street.edge.requests.flush()
        return street.made.metrics.get_sample_value("http_requests_total", labels) == REQUESTS

    until("all are counted", counted)
