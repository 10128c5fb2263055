"""The golden rows on every road: REST, OIP, gRPC, GraphQL, the stream and a file get the same answers."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from asgi import post
from servers import free_port
from services import Bench, bench
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.adapters.memory_broker import MemoryBroker, MemoryStreams
from servicio_ml.adapters.memory_lake import MemoryObjectStore
from servicio_ml.domain.schema import Kind
from servicio_ml.domain.stream import Stream, stream_name
from servicio_ml.pipeline.batches import examine
from servicio_ml.pipeline.layout import Wanted
from servicio_ml.pipeline.score import Job, score
from servicio_ml.serving import arrow, graphql
from servicio_ml.serving.accesslog import AccessLog
from servicio_ml.serving.app import application
from servicio_ml.serving.edge import Edge
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.oip.grpc_server import start
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub
from servicio_ml.serving.served import Served
from servicio_ml.serving.stream import StreamWorker

MODEL = "small"
PREDICT, BATCH, INFER = (
    f"/models/{MODEL}/predict",
    f"/models/{MODEL}/predict/batch",
    f"/v2/models/{MODEL}/infer",
)
TASKS = {"binary": "artifact_folder", "multiclass": "multiclass_folder", "regression": "regression_folder"}
TYPES = {
    Kind.CATEGORY: pl.String(),
    Kind.DATE: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
}
TOLERANCE = 1e-5
SECONDS = 30
MUTATION = """mutation ($records: [JSON!]!) { predict(model: "small", records: $records) {
    prediction label probability probabilities { label probability } model version } }"""
Answers = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traveller:
    """The golden rows of a served model, in the forms that the roads take."""

    made: Bench
    edge: Edge
    folder: Path

    @property
    def served(self) -> Served:
        return self.made.service.models.champion(MODEL)

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        records: Sequence[Mapping[str, Any]] = self.served.artifact.golden["records"]
        return records

    @property
    def columns(self) -> dict[str, list[Any]]:
        names = self.served.artifact.encoder.schema.field_names
        return {name: [record.get(name) for record in self.records] for name in names}

    @property
    def frame(self) -> pl.DataFrame:
        """Typed columns, dates as dates."""
        fields = self.served.artifact.encoder.schema.fields
        frame = pl.DataFrame(self.columns, schema={each.name: TYPES[each.kind] for each in fields})
        return frame.with_columns(
            pl.col(each.name).str.to_date() for each in fields if each.kind is Kind.DATE
        )

    @property
    def values(self) -> Any:
        """The matrix of all fields, `[n, fields]`."""
        encoder = self.served.artifact.encoder
        return encoder.records(self.records)[:, : len(encoder.schema.fields)]

    def post(self, path: str, body: object, media_type: str = "application/json") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        answer = post(self.edge, path, raw, {"Content-Type": media_type, "Accept": "application/json"})
        assert answer.status == 200, answer.body
        return answer.document


def _headed(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Answers:
    return [{"model": document["model"], "version": document["version"], **row} for row in rows]


def one_by_one(given: Traveller) -> Answers:
    return [given.post(PREDICT, record) for record in given.records]


def records(given: Traveller) -> Answers:
    document = given.post(BATCH, {"records": given.records})
    return _headed(document, document["predictions"])


def columns(given: Traveller) -> Answers:
    document = given.post(BATCH, {"columns": given.columns})
    rows = zip(*document["predictions"].values(), strict=True)
    return _headed(document, [dict(zip(document["predictions"], row, strict=True)) for row in rows])


def arrow_in_and_out(given: Traveller) -> Answers:
    table, sink = given.frame.to_arrow(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    answer = post(given.edge, BATCH, sink.getvalue().to_pybytes(), {"Content-Type": arrow.STREAM})
    assert answer.status == 200, answer.body
    told = pa.ipc.open_stream(answer.body).read_all()
    head = {
        "model": told.schema.metadata[b"model"].decode(),
        "version": int(told.schema.metadata[b"version"]),
    }
    return _headed(head, told.to_pylist())


def parquet(given: Traveller) -> Answers:
    body = BytesIO()
    given.frame.write_parquet(body)
    document = given.post(BATCH, body.getvalue(), arrow.PARQUET)
    return _headed(document, document["predictions"])


def oip_by_field(given: Traveller) -> Answers:
    kinds = {each.name: each.kind for each in given.served.artifact.encoder.schema.fields}
    inputs = [
        {
            "name": name, "shape": [len(values)], "data": values,
            "datatype": "BYTES" if kinds[name] in {Kind.CATEGORY, Kind.DATE} else "FP64",
        }
        for name, values in given.columns.items()
    ]  # fmt: skip
    return _of_tensors(given, given.post(INFER, {"inputs": inputs}))


def oip_features(given: Traveller) -> Answers:
    data = [[None if np.isnan(value) else float(value) for value in row] for row in given.values]
    features = {"name": "features", "datatype": "FP32", "shape": list(given.values.shape), "data": data}
    return _of_tensors(given, given.post(INFER, {"inputs": [features]}))


def _of_tensors(given: Traveller, document: Mapping[str, Any]) -> Answers:
    """Rows of tensors, flat ones, as other roads tell them: the label's index where there are labels."""
    labels = given.served.labels
    outputs = {each["name"]: np.reshape(each["data"], each["shape"]).tolist() for each in document["outputs"]}
    head = {"model": document["model_name"], "version": int(document["model_version"])}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    for row in rows:
        if labels:
            row["label"] = row["prediction"]
            row["prediction"] = labels.index(row["label"])
        if "probabilities" in row:
            row["probabilities"] = dict(zip(labels, row["probabilities"], strict=True))
    return _headed(head, rows)


def oip_grpc(given: Traveller) -> Answers:
    features = pb.ModelInferRequest.InferInputTensor(
        name="features", datatype="FP32", shape=given.values.shape,
        contents=pb.InferTensorContents(fp32_contents=given.values.reshape(-1).tolist()),
    )  # fmt: skip

    request = pb.ModelInferRequest(model_name=MODEL, inputs=[features])

    async def ask() -> pb.ModelInferResponse:
        port = free_port()
        server = await start(given.made.service, "127.0.0.1", port)
        try:
            async with asyncio.timeout(SECONDS), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub: Any = GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
                told: pb.ModelInferResponse = await stub.ModelInfer(request)
                return told
        finally:
            await server.stop(0)

    told = asyncio.run(ask())
    outputs = [
        {"name": each.name, "shape": [*each.shape], "data": _contents(each.contents)} for each in told.outputs
    ]
    document = {"model_name": told.model_name, "model_version": told.model_version, "outputs": outputs}
    return _of_tensors(given, document)


def _contents(contents: pb.InferTensorContents) -> list[Any]:
    return [text.decode() for text in contents.bytes_contents] or [*contents.fp64_contents]


def through_graphql(given: Traveller) -> Answers:
    told = given.post("/graphql", {"query": MUTATION, "variables": {"records": given.records}})
    rows = [
        {name: value for name, value in row.items() if value is not None} for row in told["data"]["predict"]
    ]
    for row in rows:
        if shares := row.get("probabilities"):
            row["probabilities"] = {share["label"]: share["probability"] for share in shares}
    return rows


def through_the_stream(given: Traveller) -> Answers:
    streams = MemoryStreams()
    broker = MemoryBroker(streams, "worker", given.made.watch)
    sent = [broker.append(MODEL, {"record": json.dumps(record)}) for record in given.records]
    StreamWorker(given.made.service, broker).step(0)
    results = streams.entries[stream_name(MODEL, Stream.RESULTS)]
    answers = {each["request"]: json.loads(each["answer"]) for each in results}
    return [answers[each] for each in sent]


def offline(given: Traveller) -> Answers:
    path, store, served = given.folder / "rows.parquet", MemoryObjectStore(), given.served
    given.frame.write_parquet(path)
    wanted = Wanted(schema=served.artifact.encoder.schema)
    job = Job(
        info=served.info,
        artifact=served.artifact,
        source=examine(path, path.name),
        wanted=wanted,
        store=store,
    )
    score(job, SilentProgress(), lambda: 0.0)
    (part,) = store.keys("part-")
    return pl.read_parquet(store.fetch(part)).sort("line").to_dicts()


ROADS: Mapping[str, Callable[[Traveller], Answers]] = {
    "REST": one_by_one,
    "REST records": records,
    "REST columns": columns,
    "REST Arrow": arrow_in_and_out,
    "REST Parquet": parquet,
    "OIP fields": oip_by_field,
    "OIP features": oip_features,
    "OIP gRPC": oip_grpc,
    "GraphQL": through_graphql,
    "stream": through_the_stream,
    "offline": offline,
}


@pytest.fixture(scope="module", params=TASKS.values(), ids=[*TASKS])
def given(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Traveller:
    folder = tmp_path_factory.mktemp("roads")
    made = bench(folder, request.getfixturevalue(request.param))
    app = application(made.service, [oip.routes(made.service), graphql.routes(made.service)])
    edge = Edge(app, made.service, AccessLog(BytesIO()), random.Random(7).getrandbits)  # noqa: S311  ids, no secrets
    return Traveller(made=made, edge=edge, folder=folder)


@pytest.fixture(scope="module")
def golden(given: Traveller) -> Answers:
    """What was written down at export, as the roads tell it."""
    labels, told = given.served.labels, []
    for answer in given.served.artifact.golden["answers"]:
        row = {"prediction": answer["value"], "model": MODEL, "version": 1}
        if labels:
            row["label"] = labels[int(answer["value"])]
            shares = dict(zip(labels, answer["probabilities"], strict=True))
            row |= {"probability": shares[labels[1]]} if len(labels) == 2 else {"probabilities": shares}
        told.append(row)
    return told


@pytest.fixture(scope="module")
def single(given: Traveller) -> Answers:
    return _compared(one_by_one(given))


def _compared(answers: Answers) -> Answers:
    """Without what is each road's own: the prediction's id, and the line of a file."""
    own = {"prediction_id", "line"}
    return [{name: value for name, value in row.items() if name not in own} for row in answers]


@pytest.mark.parametrize("road", ROADS)
def test_every_road_gives_the_golden_answers(
    road: str, given: Traveller, golden: Answers, single: Answers
) -> None:
    answers = _compared(ROADS[road](given))
    assert answers == single
    assert any(None in record.values() for record in given.records)
    for mine, theirs in zip(answers, golden, strict=True):
        assert _words(mine) == _words(theirs)
        assert _numbers(mine) == pytest.approx(_numbers(theirs), rel=TOLERANCE, abs=TOLERANCE)


def _words(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, str)}


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    shares = {f"share of {label}": share for label, share in row.get("probabilities", {}).items()}
    numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
    return {**numbers, **shares}
