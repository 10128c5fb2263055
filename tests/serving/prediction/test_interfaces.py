"""The golden rows on every interface: REST, OIP, gRPC, GraphQL, stream and file get the same results."""

import asyncio
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from asgi import post
from fakes.broker import MemoryBroker, MemoryStreams
from fakes.object_store import MemoryObjectStore
from servers import find_free_port
from services import ServiceFixture, create_service
from servicio_ml.adapters.console import SilentProgress
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.prediction import Chunk
from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.stream import StreamKind, build_stream_name
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import RequestError
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.scoring.run import ScoringJob, score_file
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.graphql import schema as graphql
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.oip.grpc_server import start_grpc_server
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub
from servicio_ml.serving.stream.worker import StreamWorker
from small_use_case import SCHEMA, build_use_case, generate_rows

MODEL = "small"
PREDICT, BATCH, INFER = (
    f"/models/{MODEL}/predict",
    f"/models/{MODEL}/predict/batch",
    f"/v2/models/{MODEL}/infer",
)
TASKS = {
    "binary": "artifact_folder",
    "multiclass": "multiclass_folder",
    "regression": "regression_folder",
    "fields named like outputs": "clashing_folder",
    "rows with an identifier": "identified_folder",
    "isolated process": "isolated_folder",
}
CLASHING = {"day": "prediction_id", "size": "probability", "weight": "version", "colour": "label"}
"""Fields of the small use case and names of outputs, which the fields of another use case may have."""
TYPES = {
    Kind.CATEGORY: pl.String(),
    Kind.DATE: pl.String(),
    Kind.INTEGER: pl.Int64(),
    Kind.NUMBER: pl.Float64(),
}
TOLERANCE = 1e-5
LEVEL = 0.6
SECONDS = 30
MUTATION = """mutation ($records: [JSON!]!, $interval: Float, $outlier: Boolean) {
    predict(model: "small", records: $records, interval: $interval, outlier: $outlier) {
    prediction label probability probabilities { label probability } model version
    lower upper labelSet probabilityLower probabilityUpper interval outlierScore outlierLimit } }"""
GRAPHQL_NAMES = {
    "labelSet": "label_set",
    "outlierScore": "outlier_score",
    "outlierLimit": "outlier_limit",
    "probabilityLower": "probability_lower",
    "probabilityUpper": "probability_upper",
}
ResultRows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenRows:
    """The golden rows of a loaded model, in the formats of the interfaces."""

    made: ServiceFixture
    gateway: Gateway
    folder: Path
    interval: float | None = None
    outlier: object = None

    @property
    def query(self) -> str:
        """Query of the details that are asked for."""
        return urlencode({name: json.dumps(value) for name, value in self.details.items()})

    @property
    def details(self) -> dict[str, Any]:
        """Parameters by which details are asked for."""
        asked = {"interval": self.interval, "outlier": self.outlier}
        return {name: value for name, value in asked.items() if value is not None}

    @property
    def parameters(self) -> dict[str, Any]:
        """Parameters of a request of the inference protocol."""
        return {"parameters": self.details} if self.details else {}

    @property
    def loaded_model(self) -> LoadedModel:
        return self.made.service.models.get_champion(MODEL)

    @property
    def records(self) -> Sequence[Mapping[str, Any]]:
        records: Sequence[Mapping[str, Any]] = self.loaded_model.artifact.golden["records"]
        if not self.loaded_model.artifact.identifier:
            return records
        texts = zip(records, self.identifiers, strict=True)
        return [{**record, IDENTIFIER: text} if text else record for record, text in texts]

    @property
    def identifiers(self) -> Sequence[str | None]:
        """Identifiers of the rows, of which one has none; nothing where the model has no identifier."""
        if not self.loaded_model.artifact.identifier:
            return ()
        return [None, *(f"row {i} año" for i in range(1, len(self.loaded_model.artifact.golden["records"])))]

    @property
    def columns(self) -> dict[str, list[Any]]:
        names = [
            *self.loaded_model.artifact.encoder.schema.field_names,
            *[IDENTIFIER] * bool(self.identifiers),
        ]
        return {name: [record.get(name) for record in self.records] for name in names}

    @property
    def frame(self) -> pl.DataFrame:
        """Typed columns, dates as dates."""
        fields = self.loaded_model.artifact.encoder.schema.fields
        types = {each.name: TYPES[each.kind] for each in fields} | dict.fromkeys(
            [IDENTIFIER] * bool(self.identifiers), pl.String()
        )
        frame = pl.DataFrame(self.columns, schema=types)
        return frame.with_columns(
            pl.col(each.name).str.to_date() for each in fields if each.kind is Kind.DATE
        )

    @property
    def values(self) -> Any:
        """The matrix of all fields, `[n, fields]`."""
        encoder = self.loaded_model.artifact.encoder
        return encoder.encode_records(self.records)[:, : len(encoder.schema.fields)]

    def post(self, path: str, body: object, media_type: str = "application/json") -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": media_type, "Accept": "application/json"}
        answer = post(self.gateway, path, raw, headers, self.query if PREDICT in path else "")
        assert answer.status == 200, answer.body
        return answer.document


def _add_model(document: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> ResultRows:
    head = {
        name: document[name] for name in ("model", "version", "interval", "outlier_limit") if name in document
    }
    return [{**head, **row} for row in rows]


def predict_one_by_one(given: GoldenRows) -> ResultRows:
    # with or without a slash at the end
    return [given.post(PREDICT + "/" * (row % 2), record) for row, record in enumerate(given.records)]


def predict_records(given: GoldenRows) -> ResultRows:
    document = given.post(BATCH, {"records": given.records})
    return _add_model(document, document["predictions"])


def predict_array(given: GoldenRows) -> ResultRows:
    document = given.post(f"{BATCH}/", given.records)
    return _add_model(document, document["predictions"])


def predict_columns(given: GoldenRows) -> ResultRows:
    document = given.post(BATCH, {"columns": given.columns})
    rows = zip(*document["predictions"].values(), strict=True)
    return _add_model(document, [dict(zip(document["predictions"], row, strict=True)) for row in rows])


def predict_arrow(given: GoldenRows) -> ResultRows:
    table, sink = given.frame.to_arrow(), pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    body, headers = sink.getvalue().to_pybytes(), {"Content-Type": arrow.STREAM_TYPE}
    answer = post(given.gateway, BATCH, body, headers, given.query)
    assert answer.status == 200, answer.body
    result = pa.ipc.open_stream(answer.body).read_all()
    metadata = result.schema.metadata
    head = {"model": metadata[b"model"].decode(), "version": int(metadata[b"version"])}
    names = {"interval", "outlier_limit"}
    head |= {name: float(metadata[name.encode()]) for name in names if name.encode() in metadata}
    return _add_model(head, result.to_pylist())


def predict_parquet(given: GoldenRows) -> ResultRows:
    body = BytesIO()
    given.frame.write_parquet(body)
    document = given.post(BATCH, body.getvalue(), arrow.PARQUET_TYPE)
    return _add_model(document, document["predictions"])


def infer_oip_fields(given: GoldenRows) -> ResultRows:
    kinds = {each.name: each.kind for each in given.loaded_model.artifact.encoder.schema.fields}
    inputs = [
        {
            "name": name, "shape": [len(values)], "data": values,
            "datatype": "BYTES" if kinds.get(name) in {Kind.CATEGORY, Kind.DATE, None} else "FP64",
        }
        for name, values in given.columns.items()
    ]  # fmt: skip
    return _read_tensors(given, given.post(INFER, {"inputs": inputs, **given.parameters}))


def infer_oip_features(given: GoldenRows) -> ResultRows:
    data = [[None if np.isnan(value) else float(value) for value in row] for row in given.values]
    features = {"name": "features", "datatype": "FP32", "shape": list(given.values.shape), "data": data}
    beside = [
        {"name": IDENTIFIER, "datatype": "BYTES", "shape": [len(data), 1], "data": given.identifiers}
    ] * bool(given.identifiers)
    return _read_tensors(given, given.post(INFER, {"inputs": [features, *beside], **given.parameters}))


def _read_tensors(given: GoldenRows, document: Mapping[str, Any]) -> ResultRows:
    """Convert flat tensors to rows as the other interfaces return them: labels by their index."""
    labels = given.loaded_model.labels
    outputs = {each["name"]: np.reshape(each["data"], each["shape"]).tolist() for each in document["outputs"]}
    head = {"model": document["model_name"], "version": int(document["model_version"])}
    head |= document.get("parameters") or {}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    for row in rows:
        if labels:
            row["label"] = row["prediction"]
            row["prediction"] = labels.index(row["label"])
        if "label_set" in row:
            row["label_set"] = json.loads(row["label_set"])
        if "probabilities" in row:
            row["probabilities"] = dict(zip(labels, row["probabilities"], strict=True))
    return [{**head, **row} for row in rows]


def infer_oip_grpc(given: GoldenRows) -> ResultRows:
    features = pb.ModelInferRequest.InferInputTensor(
        name="features", datatype="FP32", shape=given.values.shape,
        contents=pb.InferTensorContents(fp32_contents=given.values.reshape(-1).tolist()),
    )  # fmt: skip

    request = pb.ModelInferRequest(model_name=MODEL, inputs=[features])
    if given.interval is not None:
        request.parameters["interval"].double_param = given.interval
    if isinstance(given.outlier, bool):
        request.parameters["outlier"].bool_param = given.outlier
    elif given.outlier is not None:
        request.parameters["outlier"].string_param = str(given.outlier)
    if given.identifiers:
        texts = request.inputs.add(name=IDENTIFIER, datatype="BYTES", shape=[len(given.identifiers)])
        # an empty text has no value
        texts.contents.bytes_contents.extend((text or "").encode() for text in given.identifiers)

    async def ask() -> pb.ModelInferResponse:
        port = find_free_port()
        server = await start_grpc_server(given.made.service, "127.0.0.1", port)
        try:
            async with asyncio.timeout(SECONDS), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
                stub: Any = GRPCInferenceServiceStub(channel)  # type: ignore[no-untyped-call]  # generated
                result: pb.ModelInferResponse = await stub.ModelInfer(request)
                return result
        finally:
            await server.stop(0)

    result = asyncio.run(ask())
    outputs = [
        {"name": each.name, "shape": [*each.shape], "data": _read_contents(each.contents)}
        for each in result.outputs
    ]
    parameters = {name: each.double_param for name, each in result.parameters.items()}
    document = {
        "model_name": result.model_name, "model_version": result.model_version, "outputs": outputs,
        "parameters": parameters,
    }  # fmt: skip
    return _read_tensors(given, document)


def _read_contents(contents: pb.InferTensorContents) -> list[Any]:
    return [text.decode() for text in contents.bytes_contents] or [*contents.fp64_contents]


def predict_graphql(given: GoldenRows) -> ResultRows:
    variables = {"records": given.records, "interval": given.interval, "outlier": given.outlier}
    result = given.post("/graphql", {"query": MUTATION, "variables": variables})
    if "errors" in result:
        raise AssertionError(result["errors"][0]["message"])
    rows = [
        {GRAPHQL_NAMES.get(name, name): value for name, value in row.items() if value is not None}
        for row in result["data"]["predict"]
    ]
    for row in rows:
        if shares := row.get("probabilities"):
            row["probabilities"] = {share["label"]: share["probability"] for share in shares}
    return rows


def predict_stream(given: GoldenRows) -> ResultRows:
    streams = MemoryStreams()
    broker = MemoryBroker(streams, "worker", given.made.clock)
    details = {name: json.dumps(value) for name, value in given.details.items()}
    sent = [broker.append(MODEL, {"record": json.dumps(record), **details}) for record in given.records]
    StreamWorker(given.made.service, broker).step(0)
    dead = build_stream_name(MODEL, StreamKind.DEAD)
    if streams.entries.get(dead):
        raise AssertionError(streams.entries[dead][0]["reason"])
    results = streams.entries[build_stream_name(MODEL, StreamKind.RESULTS)]
    answers = {each["request"]: json.loads(each["answer"]) for each in results}
    return [answers[each] for each in sent]


def score_offline(given: GoldenRows) -> ResultRows:
    path, store, loaded_model = given.folder / "rows.parquet", MemoryObjectStore(), given.loaded_model
    given.frame.write_parquet(path)
    schema = loaded_model.artifact.encoder.schema
    names = given.frame.columns
    wanted = InputSpec(schema=schema, keep_columns=tuple(names))
    job = ScoringJob(
        info=loaded_model.info,
        artifact=loaded_model.artifact,
        source=inspect_file(path, path.name),
        wanted=wanted,
        store=store,
        details=loaded_model.resolve_details(given.interval, given.outlier),
    )
    score_file(job, SilentProgress(), lambda: 0.0)
    (output,) = store.list_keys("part-")
    frame = pl.read_parquet(store.fetch(output)).sort("line")
    # columns of the file are kept apart from the outputs of the same names
    kept = {f"raw {name}" if f"raw {name}" in frame else name: name for name in names}
    assert frame.select(*kept).rename(kept).equals(given.frame)
    return frame.drop(*kept).to_dicts()


INTERFACES: Mapping[str, Callable[[GoldenRows], ResultRows]] = {
    "REST": predict_one_by_one,
    "REST records": predict_records,
    "REST array": predict_array,
    "REST columns": predict_columns,
    "REST Arrow": predict_arrow,
    "REST Parquet": predict_parquet,
    "OIP fields": infer_oip_fields,
    "OIP features": infer_oip_features,
    "OIP gRPC": infer_oip_grpc,
    "GraphQL": predict_graphql,
    "stream": predict_stream,
    "offline": score_offline,
}


@pytest.fixture(scope="module")
def clashing_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact of a model whose fields are named like outputs."""
    fields = tuple(replace(each, name=CLASHING[each.name]) for each in SCHEMA.fields)
    schema, tree = FeatureSchema(fields=fields), Candidate(name="decision_tree", family="decision_tree")
    promotion = PromotionPolicy(metric="roc_auc", floor=0.7)
    use_case = build_use_case(Task.BINARY, tree, schema=schema, promotion=promotion)
    train, test = (generate_rows(Task.BINARY, 300, seed=i).rename(CLASHING) for i in range(2))
    folder = tmp_path_factory.mktemp("clashing") / "model"
    problem = build_problem(use_case, schema, train, seed=0, threads=1)
    build_candidate(problem, build_holdout(use_case, schema, test), tree, {"max_depth": 4}, folder, "test")
    return folder


@pytest.fixture(scope="module", params=TASKS.values(), ids=[*TASKS])
def given(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> GoldenRows:
    return _build_golden_rows(tmp_path_factory.mktemp("interfaces"), request.getfixturevalue(request.param))


def _build_golden_rows(folder: Path, artifact: Path) -> GoldenRows:
    made = create_service(folder, artifact)
    app = build_app(made.service, [oip.build_routes(made.service), graphql.build_routes(made.service)])
    gateway = Gateway(app, made.service, AccessLog(BytesIO()), random.Random(7).getrandbits)  # noqa: S311  ids, no secrets
    return GoldenRows(made=made, gateway=gateway, folder=folder)


@pytest.fixture(scope="module")
def golden(given: GoldenRows) -> ResultRows:
    """Results that were recorded at export, as the interfaces return them."""
    labels, result = given.loaded_model.labels, []
    for answer in given.loaded_model.artifact.golden["answers"]:
        row = {"prediction": answer["value"], "model": MODEL, "version": 1}
        if labels:
            row["label"] = labels[int(answer["value"])]
            shares = dict(zip(labels, answer["probabilities"], strict=True))
            row |= {"probability": shares[labels[1]]} if len(labels) == 2 else {"probabilities": shares}
        result.append(row)
    return result


@pytest.fixture(scope="module")
def single(given: GoldenRows) -> ResultRows:
    return _split_rows(predict_one_by_one(given))


def _split_rows(answers: ResultRows) -> ResultRows:
    """Drop what differs by interface: the prediction id, and the line of a file."""
    own = {"prediction_id", "line"}
    return [{name: value for name, value in row.items() if name not in own} for row in answers]


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_gives_the_golden_results(
    interface: str, given: GoldenRows, golden: ResultRows, single: ResultRows
) -> None:
    logged = {*given.made.log.written_chunks}
    answers = _split_rows(INTERFACES[interface](given))
    assert answers == single
    chunks = [chunk for key, chunk in given.made.log.written_chunks.items() if key not in logged]
    assert [*_list_identifiers(chunks)] == ([] if interface == "offline" else [*given.identifiers])
    assert any(None in record.values() for record in given.records)
    for mine, theirs in zip(answers, golden, strict=True):
        assert _select_texts(mine) == _select_texts(theirs)
        assert _select_numbers(mine) == pytest.approx(_select_numbers(theirs), rel=TOLERANCE, abs=TOLERANCE)


def _list_identifiers(chunks: Sequence[Chunk]) -> Iterator[str | None]:
    """The identifiers of logged rows, where any of them has one."""
    if any(chunk.identifiers for chunk in chunks):
        for chunk in chunks:
            yield from chunk.identifiers or [None] * chunk.rows


def _select_texts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if isinstance(value, str)}


def _select_numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    shares = {f"share of {label}": share for label, share in row.get("probabilities", {}).items()}
    numbers = {name: value for name, value in row.items() if isinstance(value, (int, float))}
    return {**numbers, **shares}


@pytest.fixture(scope="module")
def single_intervals(given: GoldenRows) -> ResultRows:
    if given.loaded_model.artifact.uncertainty is None:
        pytest.skip("an isolated model has none")
    return _split_rows(predict_one_by_one(replace(given, interval=LEVEL)))


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_gives_the_same_intervals_and_sets(
    interface: str, given: GoldenRows, single: ResultRows, single_intervals: ResultRows
) -> None:
    answers = _split_rows(INTERFACES[interface](replace(given, interval=LEVEL)))
    uncertainty = given.loaded_model.artifact.uncertainty
    assert uncertainty is not None
    names = {*uncertainty.column_names, "interval"}
    for mine, theirs, without in zip(answers, single_intervals, single, strict=True):
        assert {name: value for name, value in mine.items() if name not in names} == without
        assert (_select_texts(mine), mine.get("label_set")) == (
            _select_texts(theirs),
            theirs.get("label_set"),
        )
        assert _select_numbers(mine) == pytest.approx(_select_numbers(theirs), rel=TOLERANCE)
        assert mine["interval"] == LEVEL
        assert names <= mine.keys()
        if "lower" in mine:
            assert mine["lower"] < mine["prediction"] < mine["upper"]
        else:
            assert mine["label"] in mine["label_set"] or not mine["label_set"]
    if "label_set" in names:
        # sets of one size would not show how an interface writes the others
        assert len({len(each["label_set"]) for each in answers}) > 1


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_refuses_what_is_no_level_and_logs_nothing(interface: str, given: GoldenRows) -> None:
    logged = {*given.made.log.written_chunks}
    with pytest.raises((AssertionError, RequestError, grpc.aio.AioRpcError)) as caught:
        INTERFACES[interface](replace(given, interval=1.5))
    assert "it takes a share from 0.5 to 0.99, such as 0.9" in str(caught.value)
    assert {*given.made.log.written_chunks} == logged


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_says_why_an_isolated_model_has_no_intervals(
    interface: str, given: GoldenRows
) -> None:
    if given.loaded_model.artifact.uncertainty is not None:
        pytest.skip("this model has them")
    with pytest.raises((AssertionError, RequestError, grpc.aio.AioRpcError)) as caught:
        INTERFACES[interface](replace(given, interval=LEVEL))
    assert f"interval {LEVEL} of small version 1" in str(caught.value)
    assert "runs in a process of its own" in str(caught.value)


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_gives_the_same_outlier_scores(
    interface: str, given: GoldenRows, single: ResultRows
) -> None:
    answers = _split_rows(INTERFACES[interface](replace(given, outlier=True)))
    outliers = given.loaded_model.artifact.outliers
    assert outliers is not None
    artifact = given.loaded_model.artifact
    expected = outliers.compute_scores(artifact.encoder.encode_records(artifact.golden["records"]))
    assert [each.pop("outlier_score") for each in answers] == pytest.approx(expected.tolist(), abs=TOLERANCE)
    assert {each.pop("outlier_limit") for each in answers} == {outliers.limit}
    assert answers == single


@pytest.mark.parametrize("interface", INTERFACES)
def test_a_request_without_outlier_scores_gets_none(
    interface: str, given: GoldenRows, single: ResultRows
) -> None:
    assert _split_rows(INTERFACES[interface](replace(given, outlier=False))) == single


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_refuses_what_is_no_flag_and_logs_nothing(interface: str, given: GoldenRows) -> None:
    logged = {*given.made.log.written_chunks}
    with pytest.raises((AssertionError, RequestError, grpc.aio.AioRpcError)) as caught:
        INTERFACES[interface](replace(given, outlier="maybe"))
    # GraphQL has a type for it
    expected = "Boolean cannot represent a non boolean value" if interface == "GraphQL" else "true or false"
    assert expected in str(caught.value)
    assert {*given.made.log.written_chunks} == logged


@pytest.fixture(scope="module")
def few_rows(tmp_path_factory: pytest.TempPathFactory) -> GoldenRows:
    """The golden rows of a version with too few training rows for outlier scores."""
    tree, folder = Candidate(name="decision_tree", family="decision_tree"), tmp_path_factory.mktemp("few")
    use_case = build_use_case(Task.BINARY, tree)
    train, test = (generate_rows(Task.BINARY, 90, seed=i) for i in range(2))
    problem = build_problem(use_case, SCHEMA, train, seed=0, threads=1)
    holdout = build_holdout(use_case, SCHEMA, test)
    build_candidate(problem, holdout, tree, {"max_depth": 4}, folder / "model", "test")
    return _build_golden_rows(folder, folder / "model")


@pytest.mark.parametrize("interface", INTERFACES)
def test_every_interface_says_that_a_version_has_no_outlier_scores(
    interface: str, few_rows: GoldenRows
) -> None:
    with pytest.raises((AssertionError, RequestError, grpc.aio.AioRpcError)) as caught:
        INTERFACES[interface](replace(few_rows, outlier=True))
    assert "outlier scores of small version 1" in str(caught.value)
    assert "few training rows" in str(caught.value)
