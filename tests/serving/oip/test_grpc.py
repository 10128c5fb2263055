"""The protocol over gRPC: answers, errors as status codes, keys, health, reflection, nonsense."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import given
from hypothesis import strategies as st

from servers import find_free_port
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface
from servicio_ml.errors import JournalError
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.grpc_server import start_grpc_server
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow
SECONDS = 30
"""After which a call that hangs fails its test."""
INFER = "/inference.GRPCInferenceService/ModelInfer"
KEYS = ApiKeys(
    (
        ApiKey(name="user", scopes=frozenset({Scope.PREDICT}), digest=hash_key("user-key")),
        ApiKey(name="boss", scopes=frozenset({Scope.ADMIN}), digest=hash_key("boss-key")),
    )
)
Conversation = Callable[[grpc.aio.Channel], Awaitable[None]]


@pytest.fixture
def service_fixture(artifact_folder: Path, tmp_path: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder, max_rows=100)


@asynccontextmanager
async def run_server(
    service_fixture: ServiceFixture, announce: Callable[[], None] = lambda: None
) -> AsyncIterator[grpc.aio.Channel]:
    port = find_free_port()
    server = await start_grpc_server(service_fixture.service, "127.0.0.1", port, announce)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(0)


def run_with_server(
    service_fixture: ServiceFixture, run_client: Conversation, announce: Callable[[], None] = lambda: None
) -> None:
    """Talk to a server of its own."""

    async def run() -> None:
        async with asyncio.timeout(SECONDS), run_server(service_fixture, announce) as channel:
            await run_client(channel)

    asyncio.run(run())


def create_stub(channel: grpc.aio.Channel) -> Any:
    return GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated


def build_tensor(
    name: str, datatype: str, contents: dict[str, Sequence[Any]]
) -> pb.ModelInferRequest.InferInputTensor:
    (values,) = contents.values()
    return pb.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=[len(values)], contents=pb.InferTensorContents(**contents)
    )


def build_typed_request(**changes: Any) -> pb.ModelInferRequest:
    """Two rows in typed contents."""
    inputs = [
        build_tensor("day", "BYTES", {"bytes_contents": [b"2020-01-31", b"2020-02-01"]}),
        build_tensor("size", "FP64", {"fp64_contents": [1.5, np.nan]}),
        build_tensor("weight", "FP32", {"fp32_contents": [0.25, -1]}),
        build_tensor("colour", "BYTES", {"bytes_contents": [b"green", b""]}),
    ]
    return pb.ModelInferRequest(**{"model_name": "small", "inputs": inputs, **changes})


def build_raw_request(**changes: Any) -> pb.ModelInferRequest:
    """Build a request with the two rows of `build_typed_request` in raw contents."""
    values = np.array([[18292, 1.5, 0.25, 1], [18293, np.nan, -1, np.nan]], dtype="<f4")
    features = pb.ModelInferRequest.InferInputTensor(name="features", datatype="FP32", shape=[2, 4])
    return pb.ModelInferRequest(
        **{"model_name": "small", "inputs": [features], "raw_input_contents": [values.tobytes()], **changes}
    )


async def capture_refusal(call: Awaitable[Any]) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def test_typed_and_raw_contents(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        typed = await create_stub(channel).ModelInfer(build_typed_request(id="mine"))
        assert (typed.model_name, typed.model_version, typed.id) == ("small", "1", "mine")
        assert [each.name for each in typed.outputs] == ["prediction", "probability", "prediction_id"]
        assert not typed.raw_output_contents
        prediction, probability, ids = (each.contents for each in typed.outputs)
        assert len(service_fixture.log.find([each.decode() for each in ids.bytes_contents])) == 2
        bare = await create_stub(channel).ModelInfer(
            build_raw_request(outputs=[{"name": "probability"}, {"name": "prediction"}])
        )
        assert [each.name for each in bare.outputs] == ["probability", "prediction"]
        assert not any(each.HasField("contents") for each in bare.outputs)
        assert np.frombuffer(bare.raw_output_contents[0]).tolist() == list(probability.fp64_contents)
        texts = b"".join(len(each).to_bytes(4, "little") + each for each in prediction.bytes_contents)
        assert bare.raw_output_contents[1] == texts
        assert {chunk.protocol for chunk in service_fixture.log.written_chunks.values()} == {Interface.GRPC}

    run_with_server(service_fixture, run_client)


CONTENTS = {
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip


def test_each_datatype_has_its_contents(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        day = build_tensor("day", "BYTES", {"bytes_contents": [b"2020-01-31"]})
        answers = [
            await create_stub(channel).ModelInfer(
                pb.ModelInferRequest(
                    model_name="small", inputs=[day, build_tensor("weight", datatype, {field: [2]})]
                )
            )
            for datatype, field in CONTENTS.items()
        ]
        assert len({answer.outputs[1].contents.fp64_contents[0] for answer in answers}) == 1

    run_with_server(service_fixture, run_client)


WEIGHT = build_tensor("weight", "FP64", {"fp64_contents": [1.0]})
REFUSED: dict[str, tuple[pb.ModelInferRequest, StatusCode, str]] = {
    "unknown model": (build_typed_request(model_name="nobody"), StatusCode.NOT_FOUND, "model 'nobody'"),
    "unknown version": (build_typed_request(model_version="9"), StatusCode.NOT_FOUND, "'9'"),
    "nothing": (pb.ModelInferRequest(model_name="small"), StatusCode.INVALID_ARGUMENT, "no input tensor"),
    "unknown output": (
        build_typed_request(outputs=[{"name": "x"}]),
        StatusCode.INVALID_ARGUMENT,
        "output 'x'",
    ),
    "raw of another number": (
        build_typed_request(raw_input_contents=[b""]),
        StatusCode.INVALID_ARGUMENT,
        "are 4 inputs",
    ),
    "raw and typed": (
        build_typed_request(raw_input_contents=[b""] * 4),
        StatusCode.INVALID_ARGUMENT,
        "has contents and",
    ),
    "raw too short": (
        build_raw_request(raw_input_contents=[b"123"]),
        StatusCode.INVALID_ARGUMENT,
        "has 3 bytes",
    ),
    "contents of another datatype": (
        build_typed_request(inputs=[build_tensor("weight", "FP64", {"fp32_contents": [1.0]})]),
        StatusCode.INVALID_ARGUMENT,
        "'weight' of 'FP64' has fp32_contents; FP64 stands in fp64_contents",
    ),
    "unknown datatype": (
        build_typed_request(inputs=[build_tensor("weight", "FP16", {"bool_contents": [True]})]),
        StatusCode.INVALID_ARGUMENT,
        "'weight' of 'FP16' has bool_contents; datatypes are",
    ),
    "no UTF-8": (
        build_typed_request(inputs=[build_tensor("day", "BYTES", {"bytes_contents": [b"\xff"]})]),
        StatusCode.INVALID_ARGUMENT,
        "BYTES hold UTF-8 text",
    ),
    "missing field": (
        build_typed_request(inputs=[WEIGHT]),
        StatusCode.INVALID_ARGUMENT,
        "field 'day': null is not allowed",
    ),
    "many long faults": (
        build_typed_request(inputs=[build_tensor("é" * 4000, "FP64", {"fp64_contents": [1.0]})]),
        StatusCode.INVALID_ARGUMENT,
        "no such input",
    ),
}


@pytest.mark.parametrize(("request_", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(
    service_fixture: ServiceFixture, request_: pb.ModelInferRequest, code: StatusCode, message: str
) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        given, details = await capture_refusal(create_stub(channel).ModelInfer(request_))
        assert (given, message in details) == (code, True), details
        assert not service_fixture.log.written_chunks

    run_with_server(service_fixture, run_client)


def test_a_long_error_fits_the_status_message(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        code, details = await capture_refusal(
            create_stub(channel).ModelInfer(build_typed_request(model_name="😀" * 5000))
        )
        assert (code, "model '😀😀" in details) == (StatusCode.NOT_FOUND, True)

    run_with_server(service_fixture, run_client)


def test_the_message_of_an_unexpected_error_is_hidden(
    service_fixture: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def raise_unexpected(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(type(service_fixture.service.predictor), "resolve", raise_unexpected)

    async def run_client(channel: grpc.aio.Channel) -> None:
        code, details = await capture_refusal(create_stub(channel).ModelInfer(build_typed_request()))
        assert (code, "secret" in details) == (StatusCode.INTERNAL, False)

    run_with_server(service_fixture, run_client)


def test_a_journal_that_cannot_be_written(
    service_fixture: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_full(_: object) -> None:
        raise JournalError("here", "full")

    monkeypatch.setattr(service_fixture.log, "write", raise_full)

    async def run_client(channel: grpc.aio.Channel) -> None:
        code, _ = await capture_refusal(create_stub(channel).ModelInfer(build_typed_request()))
        assert code is StatusCode.UNAVAILABLE

    run_with_server(service_fixture, run_client)


def test_a_stream_goes_on_after_an_error(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        requests = [
            build_typed_request(id="a"),
            build_typed_request(id="b", model_name="nobody"),
            build_typed_request(id="c", inputs=[WEIGHT]),
            build_raw_request(id="d"),
        ]
        answers = [answer async for answer in create_stub(channel).ModelStreamInfer(iter(requests))]
        assert [answer.infer_response.id for answer in answers] == ["a", "b", "c", "d"]
        assert [bool(answer.error_message) for answer in answers] == [False, True, True, False]
        assert "model 'nobody'" in answers[1].error_message
        assert len(answers[3].infer_response.raw_output_contents) == 3

    run_with_server(service_fixture, run_client)


# by hand, as clients of gRPC differ in how often they ping
HTTP2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
PING_FRAME = bytes([0, 0, 8, 6, 0, 0, 0, 0, 0]) + b"12345678"
PINGS, PING_PAUSE_SECONDS = 10, 0.15
TOO_MANY_PINGS = b"too_many_pings"


@pytest.mark.parametrize(
    ("ping_seconds", "kept"), [(0.1, True), (300, False)], ids=["allowed", "too frequent"]
)
def test_an_idle_client_may_ping_as_often_as_the_setting_says(
    service_fixture: ServiceFixture,
    ping_seconds: float,
    kept: bool,  # noqa: FBT001
) -> None:
    async def keep_pinging() -> bool:
        port = find_free_port()
        server = await start_grpc_server(
            service_fixture.service, "127.0.0.1", port, ping_seconds=ping_seconds
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(HTTP2_PREFACE)
            for _ in range(PINGS):
                writer.write(PING_FRAME)
                await asyncio.sleep(PING_PAUSE_SECONDS)
            return TOO_MANY_PINGS not in await reader.read(1 << 16)
        except ConnectionError:
            return False
        finally:
            writer.transport.abort()
            await server.stop(0)

    assert asyncio.run(keep_pinging()) is kept


def test_no_message_in_a_stream(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        call = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=None,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        answers = [
            each async for each in call(iter([b"nonsense", build_typed_request(id="a").SerializeToString()]))
        ]
        assert "8 bytes are no inference.ModelInferRequest" in answers[0].error_message
        assert answers[1].infer_response.id == "a"

    run_with_server(service_fixture, run_client)


def test_metadata_and_repository(service_fixture: ServiceFixture, artifact_folder: Path) -> None:
    message: list[str] = []

    async def run_client(channel: grpc.aio.Channel) -> None:
        client = create_stub(channel)
        assert (await client.ServerLive(pb.ServerLiveRequest())).live
        assert (await client.ServerReady(pb.ServerReadyRequest())).ready
        assert (await client.ServerMetadata(pb.ServerMetadataRequest())).name == "servicio-ml"
        metadata = await client.ModelMetadata(pb.ModelMetadataRequest(name="small"))
        assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs][:2] == [
            ("day", "BYTES", [-1]), ("size", "FP64", [-1]),
        ]  # fmt: skip
        version = service_fixture.registry.register("small", artifact_folder, run_id="run", tags={}).version
        await client.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="small"))
        assert (message, version) == (["look"], 2)
        ready = [
            (await client.ModelReady(pb.ModelReadyRequest(name=name, version=wanted))).ready
            for name, wanted in (
                ("small", ""),
                ("small", "1"),
                ("small", "2"),
                ("small", "9"),
                ("nobody", ""),
            )
        ]
        assert ready == [True, True, False, False, False]
        unload = pb.RepositoryModelUnloadRequest(model_name="small")
        code, _ = await capture_refusal(client.RepositoryModelUnload(unload))
        assert code is StatusCode.INVALID_ARGUMENT
        assert (await client.ModelInfer(build_typed_request(model_version="2"))).model_version == "2"
        index = await client.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
        assert [(each.version, each.state) for each in index.models] == [("2", "READY"), ("1", "READY")]
        await client.RepositoryModelUnload(unload)
        index = await client.RepositoryIndex(pb.RepositoryIndexRequest())
        assert [(each.version, each.state) for each in index.models] == [("2", "UNAVAILABLE"), ("1", "READY")]
        parameter = pb.ModelRepositoryParameter(string_param="{}")
        config = pb.RepositoryModelLoadRequest(model_name="small", parameters={"config": parameter})
        assert (await capture_refusal(client.RepositoryModelLoad(config)))[0] is StatusCode.INVALID_ARGUMENT

    run_with_server(service_fixture, run_client, lambda: message.append("look"))


KEYED: dict[str, tuple[tuple[tuple[str, str], ...], StatusCode, StatusCode]] = {
    "none": ((), StatusCode.UNAUTHENTICATED, StatusCode.UNAUTHENTICATED),
    "unknown": ((("x-api-key", "x"),), StatusCode.UNAUTHENTICATED, StatusCode.UNAUTHENTICATED),
    "user": ((("x-api-key", "user-key"),), StatusCode.OK, StatusCode.PERMISSION_DENIED),
    "boss": ((("authorization", "Bearer boss-key"),), StatusCode.OK, StatusCode.OK),
}


@pytest.mark.parametrize(("metadata", "predict", "admin"), KEYED.values(), ids=KEYED)
def test_keys(
    artifact_folder: Path, tmp_path: Path, metadata: tuple[tuple[str, str], ...],
    predict: StatusCode, admin: StatusCode,
) -> None:  # fmt: skip
    service_fixture = create_service(tmp_path, artifact_folder, keys=KEYS)

    async def run_client(channel: grpc.aio.Channel) -> None:
        client, load = create_stub(channel), pb.RepositoryModelLoadRequest(model_name="small")
        assert await client.ModelInfer(build_typed_request(), metadata=metadata).code() is predict
        stream = client.ModelStreamInfer(iter([build_typed_request()]), metadata=metadata)
        with suppress(grpc.aio.AioRpcError):
            assert [bool(each.error_message) async for each in stream] == [False]
        assert await stream.code() is predict
        assert await client.RepositoryModelLoad(load, metadata=metadata).code() is admin
        assert await client.ServerReady(pb.ServerReadyRequest()).code() is StatusCode.OK

    run_with_server(service_fixture, run_client)


def test_a_client_of_the_canary(artifact_folder: Path, tmp_path: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(canary=0.999))
    service_fixture.promote(artifact_folder, "challenger")

    async def run_client(channel: grpc.aio.Channel) -> None:
        keyed = [(), (("x-client-key", "me"),)]
        answers = [
            await create_stub(channel).ModelInfer(build_typed_request(), metadata=each) for each in keyed
        ]
        assert [answer.model_version for answer in answers] == ["1", "2"]

    run_with_server(service_fixture, run_client)


def test_request_metrics(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        await create_stub(channel).ModelInfer(build_typed_request())
        await capture_refusal(create_stub(channel).ModelInfer(build_typed_request(model_name="nobody")))

    run_with_server(service_fixture, run_client)
    for status in ("OK", "NOT_FOUND"):
        labels = {"method": "grpc", "route": INFER, "status": status}
        assert service_fixture.metrics.get_sample_value("http_requests_total", labels) == 1
    timed = {"method": "grpc", "route": INFER}
    assert service_fixture.metrics.get_sample_value("http_request_duration_seconds_count", timed) == 2


def test_health_follows_readiness(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, None, names=["small"])
    statuses = health_pb2.HealthCheckResponse.ServingStatus

    async def run_client(channel: grpc.aio.Channel) -> None:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="small")
        seen = health.Watch(request)
        assert (await seen.read()).status == statuses.NOT_SERVING
        await asyncio.to_thread(service_fixture.promote, artifact_folder)
        assert (await seen.read()).status == statuses.SERVING
        for name in ("", "inference.GRPCInferenceService", "small"):
            answer: Any = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == statuses.SERVING
        call: Any = health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert await call.code() is StatusCode.NOT_FOUND
        seen.cancel()

    run_with_server(service_fixture, run_client)


def test_reflection(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = [each async for each in reflection.ServerReflectionInfo(iter(asked))]
        names = {each.name for each in answer.list_services_response.service}
        assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names

    run_with_server(service_fixture, run_client)


def test_a_message_that_is_too_large(service_fixture: ServiceFixture) -> None:
    async def run_client(channel: grpc.aio.Channel) -> None:
        code, _ = await capture_refusal(
            create_stub(channel).ModelInfer(build_raw_request(raw_input_contents=[bytes(1 << 20)]))
        )
        assert code is StatusCode.RESOURCE_EXHAUSTED

    run_with_server(service_fixture, run_client)


def test_two_servers_share_the_port(service_fixture: ServiceFixture) -> None:
    async def run() -> None:
        port = find_free_port()
        servers = [await start_grpc_server(service_fixture.service, "127.0.0.1", port) for _ in range(2)]
        await servers[0].stop(0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert (
                await create_stub(channel).ModelInfer(build_typed_request(), wait_for_ready=True)
            ).model_version == "1"
        await servers[1].stop(0)

    asyncio.run(asyncio.wait_for(run(), SECONDS))


def test_more_calls_than_the_limit(service_fixture: ServiceFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    resolve = service_fixture.service.predictor.resolve

    async def wait_and_resolve(*arguments: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await resolve(*arguments)

    monkeypatch.setattr(service_fixture.service.predictor, "resolve", wait_and_resolve)
    one = replace(service_fixture.service, limits=replace(service_fixture.service.limits, concurrency=1))

    async def run_client(channel: grpc.aio.Channel) -> None:
        call = create_stub(channel).ModelInfer(build_typed_request())
        await entered.wait()
        assert (await capture_refusal(create_stub(channel).ModelInfer(build_typed_request())))[
            0
        ] is StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        assert (await call).model_version == "1"

    run_with_server(replace(service_fixture, service=one), run_client)


def test_a_stop_finishes_the_calls_in_flight(
    service_fixture: ServiceFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    resolve = service_fixture.service.predictor.resolve

    async def wait_and_resolve(*arguments: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await resolve(*arguments)

    monkeypatch.setattr(service_fixture.service.predictor, "resolve", wait_and_resolve)

    async def run() -> None:
        port = find_free_port()
        server = await start_grpc_server(service_fixture.service, "127.0.0.1", port)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = create_stub(channel).ModelInfer(build_typed_request())
            await entered.wait()
            stopping = asyncio.create_task(server.stop(SECONDS))
            go_on.set()
            assert (await call).model_version == "1"
            await stopping

    asyncio.run(asyncio.wait_for(run(), SECONDS))


NAMES = st.sampled_from(["day", "size", "weight", "colour", "features", ""]) | st.text(max_size=3)
TYPED = st.builds(
    lambda name, datatype, shape, contents: pb.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=shape, contents=contents
    ),
    NAMES, st.sampled_from([*CONTENTS, "BYTES", "BOOL", ""]), st.lists(st.integers(-1, 4), max_size=3),
    st.builds(
        lambda field, values: pb.InferTensorContents(**{field: values}),
        st.sampled_from(["int_contents", "fp64_contents"]), st.lists(st.integers(-3, 3), max_size=4),
    ) | st.builds(
        lambda values: pb.InferTensorContents(bytes_contents=values), st.lists(st.binary(max_size=5))
    ),
)  # fmt: skip
MESSAGES = st.builds(
    lambda inputs, raw: pb.ModelInferRequest(model_name="small", inputs=inputs, raw_input_contents=raw),
    st.lists(TYPED, max_size=4), st.just([]) | st.lists(st.binary(max_size=12), max_size=4),
).map(lambda message: message.SerializeToString())  # fmt: skip


def test_any_message_is_answered_or_refused_in_time(service_fixture: ServiceFixture) -> None:
    """Random bytes and messages that make no sense alike; nothing hangs."""
    seen: set[StatusCode] = set()

    def send(loop: asyncio.AbstractEventLoop, channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(INFER, request_serializer=None, response_deserializer=None)

        @given(body=st.binary(max_size=64) | MESSAGES)
        def check_body(body: bytes) -> None:
            async def get_code() -> StatusCode:
                code: StatusCode = await call(body, timeout=SECONDS).code()
                return code

            code = asyncio.run_coroutine_threadsafe(get_code(), loop).result(SECONDS)
            seen.add(code)
            assert code in {StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND}

        check_body()

    async def run() -> None:
        async with run_server(service_fixture) as channel:
            await asyncio.to_thread(send, asyncio.get_running_loop(), channel)
            assert (await create_stub(channel).ModelInfer(build_typed_request())).model_version == "1"

    asyncio.run(run())
    assert {StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND} <= seen
