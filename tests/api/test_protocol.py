"""The fast path over a socket: complete and broken requests, one at a time and pipelined."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from model_server import wait_until
from servicio_ml.api import protocol
from servicio_ml.api.known_head import KnownHead, find_known_head
from servicio_ml.domain.prediction import parse_prediction_id
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.http.asgi import Message
from servicio_ml.serving.rest.predict import PredictTarget
from wire import BODY_LIMIT, PREDICT, RECORD, WireResponse, WireServer, format_request, start_wire_server

CONNECTIONS, REQUESTS = 32, 1000


@pytest.fixture
def server(tmp_path: Path, artifact_folder: Path) -> Iterator[WireServer]:
    with start_wire_server(tmp_path, artifact_folder) as made:
        yield made


def add_request_id(request: str) -> str:
    return f"X-Request-ID: {request}\r\n"


def encode_chunks(*chunks: bytes) -> bytes:
    """Format a request with a chunked body."""
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


def read_logged_weight(server: WireServer, prediction_id: str) -> float:
    """Return the logged weight of a prediction's record."""
    key, place = parse_prediction_id(prediction_id)
    chunk = server.made.log.written_chunks[key]
    row = np.frombuffer(chunk.places, dtype=np.uint32).tolist().index(place)
    features = np.frombuffer(chunk.features, dtype=np.float32).reshape(chunk.rows, len(RECORD))
    return float(features[row, list(RECORD).index("weight")])


def test_a_connection_is_kept(server: WireServer) -> None:
    with server.connect() as line:
        ids = set()
        for _ in range(3):
            line.send(format_request())
            answer = line.read_response()
            assert (answer.status, answer.document["model"]) == (200, "small")
            assert "connection" not in answer.headers
            assert answer.headers["content-type"] == "application/json"
            ids.add(answer.document["prediction_id"])
    assert len(ids) == 3
    assert server.fast_paths == [PREDICT] * 3


def format_mixed_request(index: int) -> bytes:
    """Format a request with a weight of its own: every third goes through ASGI, every fourth is refused."""
    return format_request(
        {**RECORD, "weight": index / 4 if index % 4 else 99.0},
        path=PREDICT if index % 3 else f"{PREDICT}?alias=champion", headers=add_request_id(f"r{index}"),
    )  # fmt: skip


def test_pipelined_requests_are_answered_in_order(server: WireServer) -> None:
    with server.connect() as line:
        line.send(*map(format_mixed_request, range(20)))
        answers = [line.read_response() for _ in range(20)]
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r{i}" for i in range(20)]
    assert [answer.status for answer in answers] == [200 if i % 4 else 422 for i in range(20)]
    for index, answer in enumerate(answers):
        if answer.status == 200:
            assert read_logged_weight(server, answer.document["prediction_id"]) == index / 4
    through_asgi = len(range(0, 20, 3))
    assert len(server.fast_paths) == 20 - through_asgi


@pytest.fixture
def known_heads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Lengths of the requests whose head was known."""
    found: list[bytes] = []
    build = KnownHead.build_scope

    def record(head: KnownHead, length: bytes) -> Message:
        found.append(length)
        return build(head, length)

    monkeypatch.setattr(KnownHead, "build_scope", record)
    return found


def test_a_head_that_comes_again_is_parsed_once(server: WireServer, known_heads: list[bytes]) -> None:
    weights = [0.5, 0.25, 0.125, -1.0, 0.0625]
    requests = [format_request({**RECORD, "weight": weight}) for weight in weights]
    with server.connect() as line:
        for request, weight in zip(requests, weights, strict=True):
            line.send(request)
            answer = line.read_response()
            assert read_logged_weight(server, answer.document["prediction_id"]) == weight
    lengths = [b"%d" % len(request.partition(b"\r\n\r\n")[2]) for request in requests]
    # the first may be the rest of something; the second is parsed and kept
    assert known_heads == lengths[2:]


def test_parts_and_followers_of_a_known_head(server: WireServer, known_heads: list[bytes]) -> None:
    request, other = format_request(), format_request(headers=add_request_id("other"))
    with server.connect() as line:
        for packets, responses in (
            ([request], 1), ([request], 1), ([request + request], 2),
            ([request[:-1], request[-1:]], 1), ([other], 1),
        ):  # fmt: skip
            for packet in packets:
                line.send(packet)
            answers = [line.read_response() for _ in range(responses)]
            assert [answer.status for answer in answers] == [200] * responses
    assert answers[-1].headers["x-request-id"] == "other"
    assert known_heads == []


KNOWN = KnownHead(
    start=b"POST /predict HTTP/1.1\r\ncontent-length: ", end=b"\r\nhost: a\r\n\r\n",
    scope={"headers": [(b"content-length", b"2"), (b"host", b"a")], "state": {}}, length_place=0,
    target=PredictTarget("/predict", "small", batch=False),
)  # fmt: skip


@pytest.mark.parametrize(
    ("length", "body", "found"),
    [
        (b"2", b"{}", b"2"),
        (b"0", b"", b"0"),
        (b"02", b"{}", b"02"),
        (b"2", b"{}{", None),
        (b"3", b"{}", None),
        (b"", b"", None),
        (b"+2", b"{}", None),
        (b" 2", b"{}", None),
        (b"2 ", b"{}", None),
        (b"2, 2", b"{}", None),
        ("٢".encode(), b"{}", None),
        (b"2\r\nx: y", b"{}", None),
        (b"100000", b"x" * 100_000, None),
    ],
)
def test_only_another_length_is_a_known_head(length: bytes, body: bytes, found: bytes | None) -> None:
    assert KNOWN.find_length(KNOWN.start + length + KNOWN.end + body) == found


@pytest.mark.parametrize(
    "head",
    [
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length:2\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2 \r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_a_length_that_is_written_in_another_way_is_not_kept(head: str) -> None:
    scope = {"headers": [(b"host", b"a"), (b"content-length", b"2")]}
    assert find_known_head(head.encode() + b"{}", 2, scope, KNOWN.target) is None


def test_very_many_pipelined_requests(server: WireServer) -> None:
    refused = b"POST /predict HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with server.connect() as line:
        # all of them wait for the first, and are then refused one after the other
        line.send(format_request(), refused * 4000)
        assert line.read_response().status == 200
        assert [line.read_response().status for _ in range(4000)] == [422] * 4000


def test_a_body_in_several_packets(server: WireServer) -> None:
    request = format_request({**RECORD, "weight": -1.5})
    with server.connect() as line:
        for start in range(len(request)):
            line.send(request[start : start + 1])
        answer = line.read_response()
    assert read_logged_weight(server, answer.document["prediction_id"]) == -1.5
    assert server.fast_paths == [PREDICT]


@pytest.mark.parametrize(
    ("version", "headers"),
    [("1.1", "Connection: close\r\n"), ("1.0", ""), ("1.0", "Connection: keep-alive\r\n")],
    ids=["close", "1.0", "1.0 keep-alive"],
)
def test_a_connection_is_closed(server: WireServer, version: str, headers: str) -> None:
    with server.connect() as line:
        line.send(format_request(version=version, headers=headers))
        answer = line.read_response()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert line.is_closed
    assert server.fast_paths == [PREDICT]


def test_a_client_that_expects_100_is_asked_to_continue(server: WireServer) -> None:
    request = format_request(headers="Expect: 100-continue\r\n")
    head, _, body = request.partition(b"\r\n\r\n")
    with server.connect() as line:
        line.send(head, b"\r\n\r\n")
        assert line.read_head() == (100, {})
        line.send(body)
        assert line.read_response().document["model"] == "small"
        line.send(format_request())
        assert line.read_response().status == 200


def test_a_body_in_chunks(server: WireServer) -> None:
    body = json.dumps({**RECORD, "weight": 2.75}).encode()
    with server.connect() as line:
        line.send(encode_chunks(body[:7], body[7:8], body[8:]))
        answer = line.read_response()
    assert read_logged_weight(server, answer.document["prediction_id"]) == 2.75
    assert server.fast_paths == [PREDICT]


@pytest.mark.parametrize("size", [1 << 16, 1 << 18], ids=["at the mark", "above the mark"])
def test_a_long_body_within_the_limit(server: WireServer, size: int) -> None:
    body = json.dumps(RECORD).encode()
    with server.connect() as line:
        line.send(
            encode_chunks(body, b" " * (size - len(body))), format_request(headers=add_request_id("next"))
        )
        assert line.read_response().status == 200
        assert line.read_response().headers["x-request-id"] == "next"


def test_a_body_above_the_limit(server: WireServer) -> None:
    chunk = b" " * (1 << 15)
    with server.connect() as line:
        line.send(encode_chunks(*[chunk] * (BODY_LIMIT // len(chunk) + 1)))
        answer = line.read_response()
    assert answer.status == 413
    assert str(BODY_LIMIT) in answer.document["detail"]
    with server.connect() as line:
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_LIMIT + 1}\r\n\r\n"
        line.send(head.encode(), chunk * 3)
        assert line.read_response().status == 413


@pytest.mark.parametrize("reset", [False, True], ids=["hangs up", "resets"])
@pytest.mark.parametrize("sent", [30, -5, None], ids=["in the head", "in the body", "before the answer"])
def test_a_client_that_goes_away(server: WireServer, sent: int | None, *, reset: bool) -> None:
    for _ in range(5):
        with server.connect() as line:
            line.send(format_request()[:sent])
            if reset:
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with server.connect() as line:
        line.send(format_request())
        assert line.read_response().status == 200


def test_a_client_that_goes_away_with_others_waiting(server: WireServer) -> None:
    for _ in range(5):
        with server.connect() as line:
            line.send(format_request() * 50)
            line.read_response()
    with server.connect() as line:
        line.send(format_request())
        assert line.read_response().status == 200


@pytest.mark.parametrize(
    "said",
    [b"nonsense\r\n\r\n", b"POST  HTTP/1.1\r\n\r\n", b"POST /predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
     b"POST /pr\xe9dict HTTP/1.1\r\n\r\n"],
    ids=["line", "no path", "length", "no ASCII"],
)  # fmt: skip
def test_what_is_no_http(server: WireServer, said: bytes) -> None:
    with server.connect() as line:
        line.send(said)
        answer = line.read_response()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert line.is_closed
    with server.connect() as line:
        line.send(format_request())
        assert line.read_response().status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods(server: WireServer, method: str) -> None:
    with server.connect() as line:
        line.send(f"{method} {PREDICT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode(), format_request())
        answer = line.read_response(bodiless=method == "HEAD")
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert line.read_response().status == 200
    assert server.fast_paths == [PREDICT]


def test_no_body_is_a_fault(server: WireServer) -> None:
    with server.connect() as line:
        line.send(f"POST {PREDICT} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert line.read_response().status == 422


def test_keys_and_limits_hold_on_the_fast_path(tmp_path: Path, artifact_folder: Path) -> None:
    keys = ApiKeys((ApiKey(name="user", scopes=frozenset({Scope.PREDICT}), digest=hash_key("user-key")),))
    with start_wire_server(tmp_path, artifact_folder, keys=keys) as server, server.connect() as line:
        line.send(
            format_request(),
            format_request(headers="X-API-Key: user-key\r\n"),
            format_request(headers="X-API-Key: other\r\n"),
        )
        assert [line.read_response().status for _ in range(3)] == [401, 200, 401]
        assert server.fast_paths == [PREDICT] * 3


def test_1000_requests_on_32_connections_each_get_their_own_answer(server: WireServer) -> None:
    def send_requests(connection: int) -> list[tuple[float, WireResponse]]:
        heard = []
        with server.connect() as line:
            for turn in range(connection, REQUESTS, CONNECTIONS):
                weight = turn / 128
                line.send(format_request({**RECORD, "weight": weight}, headers=add_request_id(f"{turn}")))
                answer = line.read_response()
                assert (answer.status, answer.headers["x-request-id"]) == (200, f"{turn}")
                heard.append((weight, answer))
        return heard

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        every = [each for heard in pool.map(send_requests, range(CONNECTIONS)) for each in heard]
    assert len(every) == REQUESTS
    assert len({answer.document["prediction_id"] for _, answer in every}) == REQUESTS
    for weight, answer in every:
        assert read_logged_weight(server, answer.document["prediction_id"]) == weight
    labels = {"method": "POST", "route": "/models/{model}/predict", "status": "200"}

    def has_counted() -> bool:
        # a call is has_counted after it was answered
        server.gateway.request_counts.flush()
        return server.made.metrics.get_sample_value("http_requests_total", labels) == REQUESTS

    wait_until("all are has_counted", has_counted)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", 408),
        (b"POST /models/small/predict HTTP/1.1\r\nHost: loc", 408),
        (b"POST /models/small/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", 408),
        (
            b"POST /models/small/predict/batch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{",
            408,
        ),
        (format_request() + b"POST /models/small/pre", 200),
    ],
    ids=["nothing", "half a head", "half a body", "half a body of the framework", "half a second request"],
)
def test_a_request_that_does_not_arrive_is_ended(
    sent: bytes, status: int, server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_RECEIVE_SECONDS", 0.3)
    with server.connect() as line:
        line.send(sent)
        answer = line.read_response()
        assert answer.status == status
        if status == 200:
            answer = line.read_response()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert b"send it again" in answer.body
        assert line.is_closed


def test_a_connection_that_sends_requests_is_not_ended(
    server: WireServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "MAX_RECEIVE_SECONDS", 0.2)
    with server.connect() as line:
        for _ in range(8):
            line.send(format_request())
            assert line.read_response().status == 200
            threading.Event().wait(0.1)
