"""Mutated bodies of every interface: answered or refused, without internal errors or memory that grows."""

import asyncio
import gc
import json
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Never

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgi import AsgiResponse, ask
from fakes.broker import MemoryBroker, MemoryStreams
from mutations import mutate
from services import ServiceFixture, create_service
from servicio_ml.domain.stream import StreamKind, build_stream_name
from servicio_ml.errors import RequestError
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.graphql import schema as graphql
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models import arrow
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.oip.grpc_calls import build_tolerant_deserializer
from servicio_ml.serving.oip.grpc_service import InferenceService
from servicio_ml.serving.oip.http_messages import HEADER_LENGTH
from servicio_ml.serving.rest import alertmanager, explain, what_if
from servicio_ml.serving.stream.worker import StreamWorker

pytestmark = pytest.mark.slow

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green", "identifier": "892"}
COLUMNS = {name: [value, value] for name, value in RECORD.items()}
PREDICT, BATCH, INFER = "/models/small/predict", "/models/small/predict/batch", "/v2/models/small/infer"
MUTATION = 'mutation ($records: [JSON!]!) { predict(model: "small", records: $records) { prediction } }'
SEED, BODIES, MANY_BODIES, WARM_UP = 20260914, 150, 20_000, 50
MAX_GROWTH_BYTES = 64 << 20
"""Memory that the process may hold after the mutated bodies, beyond what it held before."""
SERVER_CODES = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNAVAILABLE}


def encode_json(document: object) -> bytes:
    return json.dumps(document).encode()


def write_ipc(open_writer: Callable[..., Any], compression: str | None = None) -> bytes:
    table, sink = pa.table(COLUMNS), pa.BufferOutputStream()
    table = table.set_column(3, "colour", table["colour"].dictionary_encode())
    with open_writer(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def write_parquet() -> bytes:
    sink = BytesIO()
    pq.write_table(pa.table(COLUMNS), sink)
    return sink.getvalue()


def build_tensors() -> list[dict[str, Any]]:
    types = {"day": "BYTES", "size": "FP64", "weight": "FP64", "colour": "BYTES", "identifier": "BYTES"}
    return [
        {"name": name, "shape": [2], "data": COLUMNS[name], "datatype": datatype}
        for name, datatype in types.items()
    ]


def build_binary_request() -> tuple[bytes, int]:
    numbers, text = np.array([1.5, 2.5]).tobytes(), b"\x0a\x00\x00\x002020-01-31" * 2

    def describe_input(name: str, datatype: str, data: bytes) -> dict[str, Any]:
        parameters = {"binary_data_size": len(data)}
        return {"name": name, "shape": [2], "datatype": datatype, "parameters": parameters}

    named = np.array([892, 893]).tobytes()
    inputs = [
        describe_input("weight", "FP64", numbers),
        describe_input("day", "BYTES", text),
        describe_input("identifier", "INT64", named),
    ]
    head = encode_json({"inputs": inputs})
    return head + numbers + text + named, len(head)


def build_grpc_request(*, raw: bool) -> bytes:
    request = pb.ModelInferRequest(model_name="small", id="1")
    request.inputs.add(name="weight", datatype="FP64", shape=[2])
    request.inputs.add(name="day", datatype="BYTES", shape=[2])
    request.inputs.add(name="identifier", datatype="BYTES", shape=[2])
    if raw:
        request.raw_input_contents.extend([np.array([1.5, 2.5]).tobytes(), b"\x0a\x00\x00\x002020-01-31" * 2])
        request.raw_input_contents.append(b"\x03\x00\x00\x00892" * 2)
    else:
        request.inputs[0].contents.fp64_contents.extend([1.5, 2.5])
        request.inputs[1].contents.bytes_contents.extend([b"2020-01-31"] * 2)
        request.inputs[2].contents.bytes_contents.extend([b"892"] * 2)
    return request.SerializeToString()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCase:
    """A valid HTTP request whose body is mutated."""

    path: str
    body: bytes
    headers: Mapping[str, str]


JSON_HEADERS = {"Content-Type": "application/json"}
BINARY_BODY, JSON_LENGTH = build_binary_request()
GRAPHQL_BODY = encode_json({"query": MUTATION, "variables": {"records": [RECORD]}})
WHAT_IF_BODY = encode_json({"record": RECORD, "field": "size", "values": [1, 2]})
ALERT = {
    "status": "firing", "startsAt": "2026-01-01T00:00:00Z", "fingerprint": "f",
    "labels": {"alertname": "A", "model": "small"},
}  # fmt: skip
HTTP_CASES: Mapping[str, HttpCase] = {
    "record": HttpCase(path=PREDICT, body=encode_json(RECORD), headers=JSON_HEADERS),
    "records": HttpCase(path=BATCH, body=encode_json({"records": [RECORD, RECORD]}), headers=JSON_HEADERS),
    "columns": HttpCase(path=BATCH, body=encode_json({"columns": COLUMNS}), headers=JSON_HEADERS),
    "Arrow stream": HttpCase(
        path=BATCH, body=write_ipc(pa.ipc.new_stream), headers={"Content-Type": arrow.STREAM_TYPE}
    ),
    "Arrow stream, lz4": HttpCase(
        path=BATCH, body=write_ipc(pa.ipc.new_stream, "lz4"), headers={"Content-Type": arrow.STREAM_TYPE}
    ),
    "Arrow file": HttpCase(
        path=BATCH, body=write_ipc(pa.ipc.new_file), headers={"Content-Type": arrow.FILE_TYPE}
    ),
    "Parquet": HttpCase(path=BATCH, body=write_parquet(), headers={"Content-Type": arrow.PARQUET_TYPE}),
    "OIP": HttpCase(path=INFER, body=encode_json({"inputs": build_tensors()}), headers=JSON_HEADERS),
    "OIP binary": HttpCase(path=INFER, body=BINARY_BODY, headers={HEADER_LENGTH: str(JSON_LENGTH)}),
    "OIP index": HttpCase(path="/v2/repository/index", body=b'{"ready": true}', headers=JSON_HEADERS),
    "GraphQL": HttpCase(path="/graphql", body=GRAPHQL_BODY, headers=JSON_HEADERS),
    "explain": HttpCase(path="/models/small/explain", body=encode_json(RECORD), headers=JSON_HEADERS),
    "what-if": HttpCase(path="/models/small/what-if", body=WHAT_IF_BODY, headers=JSON_HEADERS),
}
SLOW_CASES = {"explain", "what-if"}
"""Requests that cost a hundred predictions when they are valid."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, identified_folder: Path) -> ServiceFixture:
    return create_service(tmp_path_factory.mktemp("fuzz"), identified_folder)


@pytest.fixture(scope="module")
def gateway(made: ServiceFixture) -> Gateway:
    routes = [each.build_routes(made.service) for each in (oip, graphql, explain, what_if)]
    app = build_app(made.service, routes)
    return Gateway(app, made.service, AccessLog(BytesIO()), random.Random(7).getrandbits)  # noqa: S311  ids, no secrets


def read_memory() -> int:
    """Read the memory of this process, in bytes, without what the allocators only keep."""
    gc.collect()
    pa.default_memory_pool().release_unused()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def check_memory(bodies: Iterator[bytes], send: Callable[[bytes], None]) -> None:
    """Send bodies; the memory after them is that after the first ones."""
    for body in islice(bodies, WARM_UP):
        send(body)
    before = read_memory()
    for body in bodies:
        send(body)
    assert read_memory() - before < MAX_GROWTH_BYTES


def describe(body: bytes) -> str:
    return f"body.hex() = {body.hex()!r}"


def send_http(gateway: Gateway, case: HttpCase, bodies: Iterator[bytes]) -> set[int]:
    """Send mutated bodies, and return the statuses of their responses."""
    statuses = set()
    with asyncio.Runner() as runner:

        def send(body: bytes) -> None:
            response: AsgiResponse = runner.run(ask(gateway, "POST", case.path, "", body, case.headers))
            assert response.status < 500, describe(body)
            statuses.add(response.status)

        check_memory(bodies, send)
    return statuses


class AbortedError(Exception):
    """A gRPC call that was refused."""


class RefusingContext:
    """Context of a gRPC call without a network."""

    code: grpc.StatusCode | None = None

    def invocation_metadata(self) -> tuple[()]:
        return ()

    async def abort(self, code: grpc.StatusCode, _: str) -> Never:
        self.code = code
        raise AbortedError


def send_grpc(made: ServiceFixture, bodies: Iterator[bytes]) -> set[grpc.StatusCode | None]:
    methods, deserialize = (
        InferenceService(made.service, lambda: None),
        build_tolerant_deserializer(pb.ModelInferRequest),
    )
    codes = set()
    with asyncio.Runner() as runner:

        async def infer(body: bytes, context: RefusingContext) -> None:
            message: Any = deserialize(body)
            try:
                response = await methods.ModelInfer(message, context)  # type: ignore[arg-type]  # a fake
                response.SerializeToString()
            except AbortedError:
                pass

        def send(body: bytes) -> None:
            context = RefusingContext()
            runner.run(infer(body, context))
            assert context.code not in SERVER_CODES, describe(body)
            codes.add(context.code)

        check_memory(bodies, send)
    return codes


def send_stream(made: ServiceFixture, bodies: Iterator[bytes]) -> set[str]:
    """Send mutated records over the stream; each has its result or is a dead letter."""
    streams = MemoryStreams()
    broker = MemoryBroker(streams, "worker", made.clock)
    worker = StreamWorker(made.service, broker)
    outcomes = set()

    def send(body: bytes) -> None:
        # as the adapter of Redis reads the bytes
        broker.append("small", {"record": body.decode(errors="backslashreplace")})
        worker.step(0)
        for kind in (StreamKind.RESULTS, StreamKind.DEAD):
            if streams.entries.pop(build_stream_name("small", kind), None):
                outcomes.add(kind.name)

    check_memory(bodies, send)
    return outcomes


@pytest.mark.parametrize("name", HTTP_CASES)
def test_a_valid_body_is_answered(name: str, gateway: Gateway) -> None:
    assert send_http(gateway, HTTP_CASES[name], iter([HTTP_CASES[name].body])) == {200}


@pytest.mark.parametrize("name", HTTP_CASES)
def test_a_mutated_body_is_answered_or_refused(
    name: str, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    case = HTTP_CASES[name]
    statuses = send_http(gateway, case, mutate(case.body, BODIES, SEED))
    assert max(statuses) >= 400
    assert "failed" not in caplog.text


@pytest.mark.parametrize("raw", [False, True], ids=["typed", "raw"])
def test_a_mutated_message_of_grpc_is_answered_or_refused(raw: bool, made: ServiceFixture) -> None:  # noqa: FBT001
    valid = build_grpc_request(raw=raw)
    assert send_grpc(made, iter([valid])) == {None}
    assert grpc.StatusCode.INVALID_ARGUMENT in send_grpc(made, mutate(valid, BODIES, SEED))


def test_a_mutated_message_of_the_stream_is_answered_or_a_dead_letter(made: ServiceFixture) -> None:
    valid = encode_json(RECORD)
    assert send_stream(made, iter([valid])) == {"RESULTS"}
    assert "DEAD" in send_stream(made, mutate(valid, BODIES, SEED))


@pytest.mark.parametrize("seed", range(3))
def test_a_mutated_notification_is_taken_or_refused(seed: int) -> None:
    body = encode_json({"version": "4", "alerts": [ALERT, ALERT]})
    for each in mutate(body, BODIES, seed):
        with suppress(RequestError):
            alertmanager.parse_notification(each)


@pytest.mark.parametrize("name", HTTP_CASES)
def test_many_mutated_bodies_are_answered_or_refused(
    name: str, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    case = HTTP_CASES[name]
    number = MANY_BODIES // 20 if name in SLOW_CASES else MANY_BODIES
    send_http(gateway, case, mutate(case.body, number, SEED + 1))
    assert "failed" not in caplog.text


def test_many_mutated_messages_are_answered_or_refused(made: ServiceFixture) -> None:
    for raw in (False, True):
        send_grpc(made, mutate(build_grpc_request(raw=raw), MANY_BODIES, SEED + 1))
    send_stream(made, mutate(encode_json(RECORD), MANY_BODIES, SEED + 1))
