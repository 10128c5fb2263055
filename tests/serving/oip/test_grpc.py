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

from servers import free_port
from services import Bench, bench
from servicio_ml.domain.prediction import Protocol
from servicio_ml.errors import JournalError
from servicio_ml.serving.keys import Key, Keys, Scope, digested
from servicio_ml.serving.models import Traffic
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.grpc_server import start
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub

pytestmark = pytest.mark.slow
SECONDS = 30
"""After which a call that hangs fails its test."""
INFER = "/inference.GRPCInferenceService/ModelInfer"
KEYS = Keys(
    (
        Key(name="user", scopes=frozenset({Scope.PREDICT}), digest=digested("user-key")),
        Key(name="boss", scopes=frozenset({Scope.ADMIN}), digest=digested("boss-key")),
    )
)
Talk = Callable[[grpc.aio.Channel], Awaitable[None]]


@pytest.fixture
def made(artifact_folder: Path, tmp_path: Path) -> Bench:
    return bench(tmp_path, artifact_folder, max_rows=100)


@asynccontextmanager
async def serving(
    made: Bench, announce: Callable[[], None] = lambda: None
) -> AsyncIterator[grpc.aio.Channel]:
    port = free_port()
    server = await start(made.service, "127.0.0.1", port, announce)
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        await server.stop(0)


def during(made: Bench, talk: Talk, announce: Callable[[], None] = lambda: None) -> None:
    """Talk to a server of its own."""

    async def run() -> None:
        async with asyncio.timeout(SECONDS), serving(made, announce) as channel:
            await talk(channel)

    asyncio.run(run())


def stub(channel: grpc.aio.Channel) -> Any:
    return GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated


def tensor(
    name: str, datatype: str, contents: dict[str, Sequence[Any]]
) -> pb.ModelInferRequest.InferInputTensor:
    (values,) = contents.values()
    return pb.ModelInferRequest.InferInputTensor(
        name=name, datatype=datatype, shape=[len(values)], contents=pb.InferTensorContents(**contents)
    )


def rows(**changes: Any) -> pb.ModelInferRequest:
    """Two rows in typed contents."""
    inputs = [
        tensor("day", "BYTES", {"bytes_contents": [b"2020-01-31", b"2020-02-01"]}),
        tensor("size", "FP64", {"fp64_contents": [1.5, np.nan]}),
        tensor("weight", "FP32", {"fp32_contents": [0.25, -1]}),
        tensor("colour", "BYTES", {"bytes_contents": [b"green", b""]}),
    ]
    return pb.ModelInferRequest(**{"model_name": "small", "inputs": inputs, **changes})


def raw(**changes: Any) -> pb.ModelInferRequest:
    """The same two rows in raw contents."""
    values = np.array([[18292, 1.5, 0.25, 1], [18293, np.nan, -1, np.nan]], dtype="<f4")
    features = pb.ModelInferRequest.InferInputTensor(name="features", datatype="FP32", shape=[2, 4])
    return pb.ModelInferRequest(
        **{"model_name": "small", "inputs": [features], "raw_input_contents": [values.tobytes()], **changes}
    )


async def refused(call: Awaitable[Any]) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


def test_typed_and_raw_contents(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        typed = await stub(channel).ModelInfer(rows(id="mine"))
        assert (typed.model_name, typed.model_version, typed.id) == ("small", "1", "mine")
        assert [each.name for each in typed.outputs] == ["prediction", "probability", "prediction_id"]
        assert not typed.raw_output_contents
        prediction, probability, ids = (each.contents for each in typed.outputs)
        assert len(made.log.find([each.decode() for each in ids.bytes_contents])) == 2
        bare = await stub(channel).ModelInfer(raw(outputs=[{"name": "probability"}, {"name": "prediction"}]))
        assert [each.name for each in bare.outputs] == ["probability", "prediction"]
        assert not any(each.HasField("contents") for each in bare.outputs)
        assert np.frombuffer(bare.raw_output_contents[0]).tolist() == list(probability.fp64_contents)
        texts = b"".join(len(each).to_bytes(4, "little") + each for each in prediction.bytes_contents)
        assert bare.raw_output_contents[1] == texts
        assert {chunk.protocol for chunk in made.log.written.values()} == {Protocol.GRPC}

    during(made, talk)


CONTENTS = {
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents", "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents", "FP32": "fp32_contents", "FP64": "fp64_contents",
}  # fmt: skip


def test_each_datatype_has_its_contents(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        day = tensor("day", "BYTES", {"bytes_contents": [b"2020-01-31"]})
        answers = [
            await stub(channel).ModelInfer(
                pb.ModelInferRequest(
                    model_name="small", inputs=[day, tensor("weight", datatype, {field: [2]})]
                )
            )
            for datatype, field in CONTENTS.items()
        ]
        assert len({answer.outputs[1].contents.fp64_contents[0] for answer in answers}) == 1

    during(made, talk)


WEIGHT = tensor("weight", "FP64", {"fp64_contents": [1.0]})
REFUSED: dict[str, tuple[pb.ModelInferRequest, StatusCode, str]] = {
    "unknown model": (rows(model_name="nobody"), StatusCode.NOT_FOUND, "model 'nobody'"),
    "unknown version": (rows(model_version="9"), StatusCode.NOT_FOUND, "'9'"),
    "nothing": (pb.ModelInferRequest(model_name="small"), StatusCode.INVALID_ARGUMENT, "no input tensor"),
    "unknown output": (rows(outputs=[{"name": "x"}]), StatusCode.INVALID_ARGUMENT, "output 'x'"),
    "raw of another number": (rows(raw_input_contents=[b""]), StatusCode.INVALID_ARGUMENT, "are 4 inputs"),
    "raw and typed": (rows(raw_input_contents=[b""] * 4), StatusCode.INVALID_ARGUMENT, "has contents and"),
    "raw too short": (raw(raw_input_contents=[b"123"]), StatusCode.INVALID_ARGUMENT, "has 3 bytes"),
    "contents of another datatype": (
        rows(inputs=[tensor("weight", "FP64", {"fp32_contents": [1.0]})]),
        StatusCode.INVALID_ARGUMENT, "'weight' of 'FP64' has fp32_contents; FP64 stands in fp64_contents",
    ),
    "unknown datatype": (
        rows(inputs=[tensor("weight", "BOOL", {"bool_contents": [True]})]),
        StatusCode.INVALID_ARGUMENT, "'weight' of 'BOOL' has bool_contents; datatypes are",
    ),
    "no UTF-8": (
        rows(inputs=[tensor("day", "BYTES", {"bytes_contents": [b"\xff"]})]),
        StatusCode.INVALID_ARGUMENT, "BYTES hold UTF-8 text",
    ),
    "missing field": (rows(inputs=[WEIGHT]), StatusCode.INVALID_ARGUMENT, "field 'day': None is not allowed"),
    "many long faults": (
        rows(inputs=[tensor("é" * 4000, "FP64", {"fp64_contents": [1.0]})]),
        StatusCode.INVALID_ARGUMENT, "no such input",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("request_", "code", "told"), REFUSED.values(), ids=REFUSED)
def test_refused(made: Bench, request_: pb.ModelInferRequest, code: StatusCode, told: str) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        given, details = await refused(stub(channel).ModelInfer(request_))
        assert (given, told in details) == (code, True), details
        assert not made.log.written

    during(made, talk)


def test_a_long_error_fits_the_status_message(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        code, details = await refused(stub(channel).ModelInfer(rows(model_name="😀" * 5000)))
        assert (code, "model '😀😀" in details) == (StatusCode.NOT_FOUND, True)

    during(made, talk)


def test_an_error_that_nobody_foresaw_is_not_told(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(type(made.service.predictor), "pick", broken)

    async def talk(channel: grpc.aio.Channel) -> None:
        code, details = await refused(stub(channel).ModelInfer(rows()))
        assert (code, "secret" in details) == (StatusCode.INTERNAL, False)

    during(made, talk)


def test_a_journal_that_cannot_be_written(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object) -> None:
        raise JournalError("here", "full")

    monkeypatch.setattr(made.log, "write", full)

    async def talk(channel: grpc.aio.Channel) -> None:
        code, _ = await refused(stub(channel).ModelInfer(rows()))
        assert code is StatusCode.UNAVAILABLE

    during(made, talk)


def test_a_stream_goes_on_after_an_error(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        requests = [
            rows(id="a"),
            rows(id="b", model_name="nobody"),
            rows(id="c", inputs=[WEIGHT]),
            raw(id="d"),
        ]
        answers = [answer async for answer in stub(channel).ModelStreamInfer(iter(requests))]
        assert [answer.infer_response.id for answer in answers] == ["a", "b", "c", "d"]
        assert [bool(answer.error_message) for answer in answers] == [False, True, True, False]
        assert "model 'nobody'" in answers[1].error_message
        assert len(answers[3].infer_response.raw_output_contents) == 3

    during(made, talk)


def test_no_message_in_a_stream(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        call = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=None,
            response_deserializer=pb.ModelStreamInferResponse.FromString,
        )
        answers = [each async for each in call(iter([b"nonsense", rows(id="a").SerializeToString()]))]
        assert "8 bytes are no inference.ModelInferRequest" in answers[0].error_message
        assert answers[1].infer_response.id == "a"

    during(made, talk)


def test_metadata_and_repository(made: Bench, artifact_folder: Path) -> None:
    told: list[str] = []

    async def talk(channel: grpc.aio.Channel) -> None:
        client = stub(channel)
        assert (await client.ServerLive(pb.ServerLiveRequest())).live
        assert (await client.ServerReady(pb.ServerReadyRequest())).ready
        assert (await client.ServerMetadata(pb.ServerMetadataRequest())).name == "servicio-ml"
        metadata = await client.ModelMetadata(pb.ModelMetadataRequest(name="small"))
        assert [(each.name, each.datatype, list(each.shape)) for each in metadata.inputs][:2] == [
            ("day", "BYTES", [-1]), ("size", "FP64", [-1]),
        ]  # fmt: skip
        version = made.registry.register("small", artifact_folder, run_id="run", tags={}).version
        await client.RepositoryModelLoad(pb.RepositoryModelLoadRequest(model_name="small"))
        assert (told, version) == (["look"], 2)
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
        code, _ = await refused(client.RepositoryModelUnload(unload))
        assert code is StatusCode.INVALID_ARGUMENT
        assert (await client.ModelInfer(rows(model_version="2"))).model_version == "2"
        index = await client.RepositoryIndex(pb.RepositoryIndexRequest(ready=True))
        assert [(each.version, each.state) for each in index.models] == [("2", "READY"), ("1", "READY")]
        await client.RepositoryModelUnload(unload)
        index = await client.RepositoryIndex(pb.RepositoryIndexRequest())
        assert [(each.version, each.state) for each in index.models] == [("2", "UNAVAILABLE"), ("1", "READY")]
        parameter = pb.ModelRepositoryParameter(string_param="{}")
        config = pb.RepositoryModelLoadRequest(model_name="small", parameters={"config": parameter})
        assert (await refused(client.RepositoryModelLoad(config)))[0] is StatusCode.INVALID_ARGUMENT

    during(made, talk, lambda: told.append("look"))


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
    made = bench(tmp_path, artifact_folder, keys=KEYS)

    async def talk(channel: grpc.aio.Channel) -> None:
        client, load = stub(channel), pb.RepositoryModelLoadRequest(model_name="small")
        assert await client.ModelInfer(rows(), metadata=metadata).code() is predict
        stream = client.ModelStreamInfer(iter([rows()]), metadata=metadata)
        with suppress(grpc.aio.AioRpcError):
            assert [bool(each.error_message) async for each in stream] == [False]
        assert await stream.code() is predict
        assert await client.RepositoryModelLoad(load, metadata=metadata).code() is admin
        assert await client.ServerReady(pb.ServerReadyRequest()).code() is StatusCode.OK

    during(made, talk)


def test_a_client_of_the_canary(artifact_folder: Path, tmp_path: Path) -> None:
    made = bench(tmp_path, artifact_folder, traffic=Traffic(canary=1.0))
    made.promote(artifact_folder, "challenger")

    async def talk(channel: grpc.aio.Channel) -> None:
        keyed = [(), (("x-client-key", "me"),)]
        answers = [await stub(channel).ModelInfer(rows(), metadata=each) for each in keyed]
        assert [answer.model_version for answer in answers] == ["1", "2"]

    during(made, talk)


def test_request_metrics(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        await stub(channel).ModelInfer(rows())
        await refused(stub(channel).ModelInfer(rows(model_name="nobody")))

    during(made, talk)
    for status in ("OK", "NOT_FOUND"):
        labels = {"method": "grpc", "route": INFER, "status": status}
        assert made.metrics.get_sample_value("http_requests_total", labels) == 1
    timed = {"method": "grpc", "route": INFER}
    assert made.metrics.get_sample_value("http_request_duration_seconds_count", timed) == 2


def test_health_follows_readiness(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, None, names=["small"])
    statuses = health_pb2.HealthCheckResponse.ServingStatus

    async def talk(channel: grpc.aio.Channel) -> None:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="small")
        seen = health.Watch(request)
        assert (await seen.read()).status == statuses.NOT_SERVING
        await asyncio.to_thread(made.promote, artifact_folder)
        assert (await seen.read()).status == statuses.SERVING
        for name in ("", "inference.GRPCInferenceService", "small"):
            answer: Any = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == statuses.SERVING
        call: Any = health.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert await call.code() is StatusCode.NOT_FOUND
        seen.cancel()

    during(made, talk)


def test_reflection(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = [each async for each in reflection.ServerReflectionInfo(iter(asked))]
        names = {each.name for each in answer.list_services_response.service}
        assert {"inference.GRPCInferenceService", "grpc.health.v1.Health"} <= names

    during(made, talk)


def test_a_message_that_is_too_large(made: Bench) -> None:
    async def talk(channel: grpc.aio.Channel) -> None:
        code, _ = await refused(stub(channel).ModelInfer(raw(raw_input_contents=[bytes(1 << 20)])))
        assert code is StatusCode.RESOURCE_EXHAUSTED

    during(made, talk)


def test_two_servers_share_the_port(made: Bench) -> None:
    async def run() -> None:
        port = free_port()
        servers = [await start(made.service, "127.0.0.1", port) for _ in range(2)]
        await servers[0].stop(0)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert (await stub(channel).ModelInfer(rows(), wait_for_ready=True)).model_version == "1"
        await servers[1].stop(0)

    asyncio.run(asyncio.wait_for(run(), SECONDS))


def test_more_calls_than_the_limit(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    pick = made.service.predictor.pick

    async def slow(*arguments: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await pick(*arguments)

    monkeypatch.setattr(made.service.predictor, "pick", slow)
    one = replace(made.service, limits=replace(made.service.limits, concurrency=1))

    async def talk(channel: grpc.aio.Channel) -> None:
        call = stub(channel).ModelInfer(rows())
        await entered.wait()
        assert (await refused(stub(channel).ModelInfer(rows())))[0] is StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        assert (await call).model_version == "1"

    during(replace(made, service=one), talk)


def test_stopping_answers_what_is_in_hand(made: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    pick = made.service.predictor.pick

    async def slow(*arguments: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await pick(*arguments)

    monkeypatch.setattr(made.service.predictor, "pick", slow)

    async def run() -> None:
        port = free_port()
        server = await start(made.service, "127.0.0.1", port)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = stub(channel).ModelInfer(rows())
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


def test_any_message_is_answered_or_refused_in_time(made: Bench) -> None:
    """Random bytes and messages that make no sense alike; nothing hangs."""
    seen: set[StatusCode] = set()

    def send(loop: asyncio.AbstractEventLoop, channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(INFER, request_serializer=None, response_deserializer=None)

        @given(body=st.binary(max_size=64) | MESSAGES)
        def each(body: bytes) -> None:
            async def one() -> StatusCode:
                code: StatusCode = await call(body, timeout=SECONDS).code()
                return code

            code = asyncio.run_coroutine_threadsafe(one(), loop).result(SECONDS)
            seen.add(code)
            assert code in {StatusCode.OK, StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND}

        each()

    async def run() -> None:
        async with serving(made) as channel:
            await asyncio.to_thread(send, asyncio.get_running_loop(), channel)
            assert (await stub(channel).ModelInfer(rows())).model_version == "1"

    asyncio.run(run())
    assert {StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND} <= seen
