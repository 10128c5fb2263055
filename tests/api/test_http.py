"""HTTP of strangers over a socket: the fast path and the framework's routes answer or refuse it alike."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from servicio_ml.serving.graphql import schema as graphql
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.rest import explain, what_if
from wire import PREDICT, RECORD, WireServer, start_wire_server

JSON_TYPE = "Content-Type: application/json\r\n"
SHORT_WAIT_SECONDS = 10
DEPTH, MANY_DIGITS, VERY_MANY_DIGITS = 10_000, 400, 5_000
TENSORS = [
    {"name": "weight", "shape": [1], "datatype": "FP64", "data": [0.25]},
    {"name": "day", "shape": [1], "datatype": "BYTES", "data": ["2020-01-31"]},
]
GRAPHQL = 'mutation ($records: [JSON!]!) { predict(model: "small", records: $records) { prediction } }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A route with a valid document; `refusal` is the status of a document that is no valid JSON."""

    path: str
    document: Mapping[str, Any]
    refusal: int = 422

    @property
    def body(self) -> bytes:
        return json.dumps(self.document).encode()


TARGETS: Mapping[str, Target] = {
    "fast path": Target(path=PREDICT, document=RECORD),
    "batch": Target(path=f"{PREDICT}/batch", document={"records": [RECORD]}),
    "OIP": Target(path="/v2/models/small/infer", document={"inputs": TENSORS}, refusal=400),
    "GraphQL": Target(path="/graphql", document={"query": GRAPHQL, "variables": {"records": [RECORD]}}),
    "explain": Target(path="/models/small/explain", document=RECORD),
    "what-if": Target(
        path="/models/small/what-if", document={"record": RECORD, "field": "size", "values": [1]}
    ),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Iterator[WireServer]:
    routes = (oip.build_routes, graphql.build_routes, explain.build_routes, what_if.build_routes)
    with start_wire_server(tmp_path_factory.mktemp("http"), artifact_folder, *routes) as made:
        yield made


def format_bytes(
    path: str,
    body: bytes,
    *,
    method: str = "POST",
    version: str = "1.1",
    headers: str = "",
    host: str = "Host: localhost\r\n",
    length: str | None = None,
) -> bytes:
    """Format a request; an empty length sends none."""
    counted = f"Content-Length: {len(body)}\r\n" if length is None else length
    head = f"{method} {path} HTTP/{version}\r\n{host}{JSON_TYPE}{headers}{counted}\r\n"
    return head.encode("latin-1") + body


def format_chunked(path: str, body: bytes, *, version: str = "1.1", trailer: bytes = b"") -> bytes:
    head = format_bytes(path, b"", version=version, length="Transfer-Encoding: chunked\r\n")
    half = len(body) // 2
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in (body[:half], body[half:]))
    return head + chunks + b"0\r\n" + trailer + b"\r\n"


def send(
    server: WireServer, raw: bytes, *, bodiless: bool = False, predictions: int = 0
) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and return status, headers and body of the response; interim responses are read over.

    As many predictions as given are sent before, after which the connection knows their head.
    """
    with server.connect() as line:
        line.socket.settimeout(SHORT_WAIT_SECONDS)
        for _ in range(predictions):
            line.send(format_bytes(PREDICT, TARGETS["fast path"].body))
            assert line.read_response().status == 200
        line.send(raw)
        status, headers = line.read_head()
        while status == 100:
            status, headers = line.read_head()
        return status, headers, b"" if bodiless else line.read.read(int(headers["content-length"]))


Format = Callable[[Target], bytes]


def add_headers(headers: str) -> Format:
    return lambda to: format_bytes(to.path, to.body, headers=headers)


def replace_length(length: str) -> Format:
    return lambda to: format_bytes(to.path, to.body, length=length)


def add_encoding(name: str, compress: Callable[[bytes], bytes]) -> Format:
    headers = f"Content-Encoding: {name}\r\n"
    return lambda to: format_bytes(to.path, compress(to.body), headers=headers)


def encode_slash(to: Target) -> bytes:
    """Encode the last slash of the path, or one at its end."""
    start, _, name = to.path.rpartition("/")
    return format_bytes(f"{start}%2F{name}" if start else f"{to.path}%2f", to.body)


HEADS: Mapping[str, tuple[int, Format]] = {
    "plain": (200, lambda to: format_bytes(to.path, to.body)),
    "chunks": (200, lambda to: format_chunked(to.path, to.body)),
    "chunks with a trailer": (200, lambda to: format_chunked(to.path, to.body, trailer=b"X-Sum: 1\r\n")),
    "expects 100": (200, add_headers("Expect: 100-continue\r\n")),
    "HTTP/1.0": (200, lambda to: format_bytes(to.path, to.body, version="1.0", host="")),
    "absolute form": (200, lambda to: format_bytes(f"http://localhost{to.path}", to.body)),
    "authority form": (400, lambda to: format_bytes("localhost:80", to.body)),
    "asterisk form": (404, lambda _: format_bytes("*", b"", method="OPTIONS")),
    "encoded letter": (200, lambda to: format_bytes(to.path.replace("l", "%6c"), to.body)),
    "encoded slash": (400, encode_slash),
    "doubled slash": (404, lambda to: format_bytes(f"/{to.path}", to.body)),
    "slashes at the end": (404, lambda to: format_bytes(f"{to.path}//", to.body)),
    "dots": (404, lambda to: format_bytes(f"/x/..{to.path}", to.body)),
    "encoded NUL": (400, lambda to: format_bytes(f"{to.path}%00", to.body)),
    "encoded line feed": (400, lambda to: format_bytes(f"{to.path}%0a", to.body)),
    "path that is no UTF-8": (404, lambda to: format_bytes(f"{to.path}%ff", to.body)),
    "two lengths": (400, add_headers("Content-Length: 3\r\n")),
    "length and chunks": (400, add_headers("Transfer-Encoding: chunked\r\n")),
    "unknown transfer encoding": (400, replace_length("Transfer-Encoding: gzip\r\n")),
    "negative length": (400, replace_length("Content-Length: -1\r\n")),
    "length beyond 64 bits": (400, replace_length("Content-Length: 99999999999999999999\r\n")),
    "no host": (400, lambda to: format_bytes(to.path, to.body, host="")),
    "two hosts": (400, add_headers("Host: localhost\r\n")),
    "two content types": (400, add_headers(JSON_TYPE)),
    "two keys": (400, add_headers("X-API-Key: a\r\nX-API-Key: b\r\n")),
    "two request ids": (400, add_headers("X-Request-ID: a\r\n" * 2)),
    "two accepted types": (200, add_headers("Accept: */*\r\nAccept: text/plain\r\n")),
    "folded header": (400, add_headers("X-A: b\r\n c\r\n")),
    "space before the colon": (400, add_headers("X-A : b\r\n")),
    "NUL in a header": (400, add_headers("X-A: \0\r\n")),
    "header in Latin-1": (200, add_headers("X-Client-Key: \xe9\xff\r\n")),
    "gzip": (415, add_encoding("gzip", gzip.compress)),
    "deflate": (415, add_encoding("deflate", zlib.compress)),
    "no encoding": (200, add_headers("Content-Encoding: identity\r\n")),
}  # fmt: skip
"""Status of a request by what is unusual in its head."""


def repeat_first_key(body: bytes) -> bytes:
    return body[:-1] + b", " + body[1:]


def replace_weight(body: bytes, value: bytes) -> bytes:
    assert b"0.25" in body
    return body.replace(b"0.25", value)


BODIES: Mapping[str, Callable[[bytes], bytes]] = {
    "repeated key": repeat_first_key,
    "repeated key within": lambda body: replace_weight(body, b'{"a": 1, "a": 2}'),
    "half a surrogate pair": lambda body: body.replace(b"2020-01-31", b"\\ud800"),
    "half a surrogate pair in a key": lambda body: body[:-1] + b', "\\udc00": 1}',
    "surrogate in UTF-8": lambda body: body.replace(b"2020", b"\xed\xa0\x80"),
    "nesting": lambda body: replace_weight(body, b"[" * DEPTH + b"]" * DEPTH),
    "nesting of objects": lambda body: replace_weight(body, b'{"a":' * DEPTH + b"1" + b"}" * DEPTH),
    "nesting without an end": lambda _: b"[" * DEPTH,
    "byte order mark": lambda body: b"\xef\xbb\xbf" + body,
    "UTF-16": lambda body: body.decode().encode("utf-16"),
    "NUL at the end": lambda body: body + b"\0",
    "two documents": lambda body: body * 2,
    "no document": lambda _: b"",
}
"""Bodies that are no JSON of the platform."""
NUMBERS = {
    "400 digits": b"9" * MANY_DIGITS,
    "5,000 digits": b"9" * VERY_MANY_DIGITS,
    "minus 5,000 digits": b"-" + b"9" * VERY_MANY_DIGITS,
    "beyond float64": b"1e99999",
}


def is_graphql_fault(body: bytes) -> bool:
    """Whether GraphQL reports a fault, which has status 200."""
    return bool(json.loads(body).get("errors"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", HEADS)
def test_a_head_is_taken_or_refused_alike(case: str, target: str, server: WireServer) -> None:
    status, build = HEADS[case]
    answered, _, body = send(server, build(TARGETS[target]))
    assert answered == status, body


@pytest.mark.parametrize("case", HEADS)
def test_a_head_is_taken_or_refused_alike_after_predictions(case: str, server: WireServer) -> None:
    status, build = HEADS[case]
    answered, _, body = send(server, build(TARGETS["fast path"]), predictions=3)
    assert answered == status, body


@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_refused_alike_after_predictions(case: str, server: WireServer) -> None:
    raw = format_bytes(PREDICT, BODIES[case](TARGETS["fast path"].body))
    assert send(server, raw, predictions=3)[0] in {400, 422}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "GET", "PUT", "DELETE", "TRACE", "CONNECT", "PATCH"])
def test_other_methods_are_refused_with_the_one_that_is_allowed(
    method: str, target: str, server: WireServer
) -> None:
    raw = format_bytes(TARGETS[target].path, b"", method=method)
    status, headers, _ = send(server, raw, bodiless=method == "HEAD")
    assert (status, headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("target", TARGETS)
def test_an_unknown_method_is_no_http(target: str, server: WireServer) -> None:
    assert send(server, format_bytes(TARGETS[target].path, b"", method="BREW"))[0] == 400


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", BODIES)
def test_a_body_is_refused_alike(case: str, target: str, server: WireServer) -> None:
    to = TARGETS[target]
    status, _, body = send(server, format_bytes(to.path, BODIES[case](to.body)))
    if target == "GraphQL" and status == 200:
        assert is_graphql_fault(body)
    else:
        # the framework reads a body before ours does, and says 400 where it is nested too deeply
        assert status in {to.refusal, 400 if "nesting" in case else to.refusal}, body


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_beyond_every_range_is_refused(number: str, target: str, server: WireServer) -> None:
    to = TARGETS[target]
    status, _, body = send(server, format_bytes(to.path, replace_weight(to.body, NUMBERS[number])))
    assert 400 <= status < 500 or (target == "GraphQL" and is_graphql_fault(body)), body
    # the message shows no number of thousands of digits
    assert len(body) < 4 * VERY_MANY_DIGITS


@pytest.mark.parametrize("target", TARGETS)
def test_a_repeated_key_is_named(target: str, server: WireServer) -> None:
    to = TARGETS[target]
    key = next(iter(to.document))
    assert key in send(server, format_bytes(to.path, repeat_first_key(to.body)))[2].decode()


@pytest.mark.parametrize("target", TARGETS)
def test_pipelined_requests_of_all_kinds_are_answered_in_order(target: str, server: WireServer) -> None:
    to = TARGETS[target]
    good, bad = format_bytes(to.path, to.body), format_bytes(to.path, b"{")
    with server.connect() as line:
        line.send(good, bad, format_chunked(to.path, to.body), format_bytes(f"{to.path}/x", b""), good)
        assert [line.read_response().status for _ in range(5)] == [200, to.refusal, 200, 404, 200]


@pytest.mark.parametrize(("target", "status"), [("fast path", 200), ("batch", 200), ("explain", 404)])
def test_a_slash_at_the_end_is_for_predictions(target: str, status: int, server: WireServer) -> None:
    to = TARGETS[target]
    assert send(server, format_bytes(f"{to.path}/", to.body))[0] == status


def test_colons_within_texts_are_no_members(server: WireServer) -> None:
    record = {**RECORD, "colour": "a:b::c"}
    status, _, body = send(server, format_bytes(PREDICT, json.dumps(record).encode()))
    assert status == 422
    assert [each["field"] for each in json.loads(body)["errors"]] == ["colour"]
