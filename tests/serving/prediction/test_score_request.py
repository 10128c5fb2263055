"""One table of faulty rows drives every interface of many rows: each is answered beside the good ones."""

import asyncio
import json
import math
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.types import ASGIApp

from asgi import AsgiResponse, post
from prediction_chunks import list_prediction_ids
from servers import find_free_port
from services import ServiceFixture, create_service
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.graphql import schema as graphql
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models import arrow
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.oip.grpc_server import start_grpc_server
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceStub
from servicio_ml.serving.oip.tensor import Tensor, from_raw, to_raw

PREDICT, BATCH, INFER = "/models/small/predict", "/models/small/predict/batch", "/v2/models/small/infer"
SECONDS = 30
Record = Mapping[str, Any]
GOOD: Record = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
OTHER: Record = {"day": "2020-02-01", "size": None, "weight": -3.5, "colour": None}
DATATYPES = {"day": "BYTES", "size": "FP64", "weight": "FP64", "colour": "BYTES"}
WEIGHT, COLOUR = "a number from -10 to 10 kg", "one of red, green, blue or null"
DAY = "a date as YYYY-MM-DD of the years 1000–2999"
FAULTS: Sequence[tuple[Record, str, str, str]] = [
    ({"weight": 99.5}, f"field 'weight': 99.5 is not allowed; it takes {WEIGHT}", "weight", "range"),
    ({"weight": None}, f"field 'weight': null is not allowed; it takes {WEIGHT}", "weight", "missing"),
    ({"colour": "pink"}, f"field 'colour': 'pink' is not allowed; it takes {COLOUR}", "colour", "level"),
    (
        {"day": "2020-02-30"},
        f"field 'day': '2020-02-30' is not allowed; it takes {DAY}", "day", "type",
    ),
]  # fmt: skip
"""Changes of a good record, the error of its row, and the labels of its metric."""
MUTATION = """mutation ($records: [JSON!]!, $onError: String!) {
  predict(model: "small", records: $records, onError: $onError) {
    prediction label probability model version prediction_id: predictionId error } }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an interface says.

    Attributes:
        rows: `label`, `probability`, `prediction_id` and `error` of each row.
        refused: Number of refused rows, as the answer gives it.
        problem: Why the whole request is refused; empty if it is not.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    refused: int | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A service with its HTTP application."""

    made: ServiceFixture
    app: ASGIApp

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None, query: str = ""
    ) -> AsgiResponse:
        given = {"Content-Type": "application/json", **(headers or {})}
        return post(self.app, path, body, given, query)

    def count(self, name: str) -> dict[tuple[str, ...], float]:
        """Values of a metric by its labels, in their order."""
        return {
            tuple(sample.labels.values()): sample.value
            for family in self.made.metrics.collect()
            for sample in family.samples
            if sample.name == name
        }


Ask = Callable[[Server, Sequence[Record], str], Answer]


def _to_columns(records: Sequence[Record]) -> dict[str, list[Any]]:
    return {name: [record[name] for record in records] for name in DATATYPES}


def _select_row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("label", "probability", "prediction_id", "error")}


def _refuse(response: AsgiResponse) -> Answer:
    assert 400 <= response.status < 500, response.body
    return Answer(problem=response.document.get("detail") or response.document["error"])


def _build_query(on_error: str) -> str:
    return f"on_error={on_error}" if on_error else ""


def ask_records(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    return _ask_rows(server, {"records": records}, on_error)


def ask_array(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    return _ask_rows(server, records, on_error)


def _ask_rows(server: Server, body: object, on_error: str) -> Answer:
    response = server.post(BATCH, json.dumps(body).encode(), query=_build_query(on_error))
    if response.status != 200:
        return _refuse(response)
    document = response.document
    return Answer(rows=[_select_row(row) for row in document["predictions"]], refused=document["refused"])


def ask_columns(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    body = json.dumps({"columns": _to_columns(records)}).encode()
    response = server.post(BATCH, body, query=_build_query(on_error))
    if response.status != 200:
        return _refuse(response)
    columns = response.document["predictions"]
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return Answer(rows=[_select_row(row) for row in rows], refused=response.document["refused"])


def _write_stream(table: pa.Table) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _write_file(table: pa.Table) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _write_parquet(table: pa.Table) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _ask_table(write: Callable[[pa.Table], bytes], media_type: str) -> Ask:
    def ask(server: Server, records: Sequence[Record], on_error: str) -> Answer:
        types = {"BYTES": pa.string(), "FP64": pa.float64()}
        columns = _to_columns(records)
        table = pa.table({name: pa.array(columns[name], types[kind]) for name, kind in DATATYPES.items()})
        response = server.post(BATCH, write(table), {"Content-Type": media_type}, _build_query(on_error))
        if response.status != 200:
            return _refuse(response)
        result = pa.ipc.open_stream(response.body).read_all()
        assert result.schema.field("error").type == pa.string()
        rows = [_select_row(row) for row in result.to_pylist()]
        return Answer(rows=rows, refused=int(result.schema.metadata[b"refused"]))

    return ask


def _read_tensors(outputs: Mapping[str, Sequence[Any]], refused: int | None) -> Answer:
    columns = {
        name: [None if each in ("", None) or each != each else each for each in values]  # noqa: PLR0124  NaN
        for name, values in outputs.items()
    }
    rows = [
        {"label": label, "probability": share, "prediction_id": each, "error": error}
        for label, share, each, error in zip(
            columns["prediction"], columns["probability"], columns["prediction_id"], columns["error"],
            strict=True,
        )
    ]  # fmt: skip
    return Answer(rows=rows, refused=refused)


def _build_parameters(on_error: str) -> dict[str, str]:
    return {"on_error": on_error} if on_error else {}


def ask_oip_json(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    inputs = [
        {"name": name, "datatype": DATATYPES[name], "shape": [len(values)], "data": values}
        for name, values in _to_columns(records).items()
    ]
    body = {"inputs": inputs, "parameters": _build_parameters(on_error)}
    response = server.post(INFER, json.dumps(body).encode())
    if response.status != 200:
        return _refuse(response)
    document = response.document
    assert all(each["shape"] == [len(records)] for each in document["outputs"])
    outputs = {each["name"]: each["data"] for each in document["outputs"]}
    return _read_tensors(outputs, document["parameters"]["refused"])


def _build_raw(name: str, values: list[Any]) -> bytes:
    given = values if DATATYPES[name] == "BYTES" else np.array(values, dtype=np.float64)
    return to_raw(Tensor(name=name, datatype=DATATYPES[name], shape=(len(values),), values=given))


def _read_raw(datatype: str, raw: bytes, rows: int) -> list[Any]:
    return [*from_raw("x", datatype, [rows], raw).values]


def ask_oip_binary(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    raw = {name: _build_raw(name, values) for name, values in _to_columns(records).items()}
    inputs = [
        {
            "name": name, "datatype": DATATYPES[name], "shape": [len(records)],
            "parameters": {"binary_data_size": len(data)},
        }
        for name, data in raw.items()
    ]  # fmt: skip
    parameters = {**_build_parameters(on_error), "binary_data_output": True}
    text = json.dumps({"inputs": inputs, "parameters": parameters}).encode()
    headers = {"Inference-Header-Content-Length": str(len(text))}
    response = server.post(INFER, text + b"".join(raw.values()), headers)
    if response.status != 200:
        return _refuse(response)
    length = int(response.headers["inference-header-content-length"])
    document, rest, outputs = json.loads(response.body[:length]), response.body[length:], {}
    for each in document["outputs"]:
        size = each["parameters"]["binary_data_size"]
        outputs[each["name"]] = _read_raw(each["datatype"], rest[:size], len(records))
        rest = rest[size:]
    return _read_tensors(outputs, document["parameters"]["refused"])


def _build_message(records: Sequence[Record], on_error: str) -> pb.ModelInferRequest:
    message = pb.ModelInferRequest(model_name="small")
    if on_error:
        message.parameters["on_error"].string_param = on_error
    for name, values in _to_columns(records).items():
        contents = message.inputs.add(name=name, datatype=DATATYPES[name], shape=[len(values)]).contents
        if DATATYPES[name] == "BYTES":
            contents.bytes_contents.extend((value or "").encode() for value in values)
        else:
            contents.fp64_contents.extend(math.nan if value is None else value for value in values)
    return message


def _read_message(message: pb.ModelInferResponse) -> Answer:
    outputs: dict[str, list[Any]] = {
        each.name: [text.decode() for text in each.contents.bytes_contents] or [*each.contents.fp64_contents]
        for each in message.outputs
    }
    return _read_tensors(outputs, message.parameters["refused"].int64_param)


async def _call_grpc(server: Server, call: Callable[[Any], Any]) -> Any:
    port = find_free_port()
    grpc_server = await start_grpc_server(server.made.service, "127.0.0.1", port)
    try:
        async with asyncio.timeout(SECONDS), grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            return await call(GRPCInferenceServiceStub(channel))  # type: ignore[no-untyped-call]  # generated
    finally:
        await grpc_server.stop(0)


def ask_grpc(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    message = _build_message(records, on_error)
    try:
        response = asyncio.run(_call_grpc(server, lambda stub: stub.ModelInfer(message)))
    except grpc.aio.AioRpcError as error:
        return Answer(problem=f"{error.code().name}: {error.details()}")
    return _read_message(response)


def ask_grpc_stream(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    async def send() -> AsyncIterator[pb.ModelInferRequest]:
        yield _build_message(records, on_error)

    async def call(stub: Any) -> Any:
        return [each async for each in stub.ModelStreamInfer(send())]

    [response] = asyncio.run(_call_grpc(server, call))
    if response.error_message:
        return Answer(problem=response.error_message)
    return _read_message(response.infer_response)


def ask_graphql(server: Server, records: Sequence[Record], on_error: str) -> Answer:
    variables = {"records": records, "onError": on_error or "refuse"}
    document = server.post(
        "/graphql", json.dumps({"query": MUTATION, "variables": variables}).encode()
    ).document
    if document.get("errors"):
        [error] = document["errors"]
        assert 400 <= error["extensions"]["status"] < 500
        return Answer(problem=error["message"])
    rows = [_select_row(row) for row in document["data"]["predict"]]
    return Answer(rows=rows, refused=document["extensions"]["refused"])


INTERFACES: Mapping[str, Ask] = {
    "REST records": ask_records,
    "REST array": ask_array,
    "REST columns": ask_columns,
    "Arrow stream": _ask_table(_write_stream, arrow.STREAM_TYPE),
    "Arrow file": _ask_table(_write_file, arrow.FILE_TYPE),
    "Parquet": _ask_table(_write_parquet, arrow.PARQUET_TYPE),
    "OIP JSON": ask_oip_json,
    "OIP binary": ask_oip_binary,
    "OIP gRPC": ask_grpc,
    "OIP gRPC stream": ask_grpc_stream,
    "GraphQL": ask_graphql,
}


@pytest.fixture
def server(tmp_path: Path, artifact_folder: Path) -> Server:
    return create_server(tmp_path, artifact_folder)


def create_server(folder: Path, artifact: Path) -> Server:
    made = create_service(folder, artifact)
    app = build_app(made.service, [oip.build_routes(made.service), graphql.build_routes(made.service)])
    gateway = Gateway(app, made.service, AccessLog(BytesIO()), random.Random(7).getrandbits)  # noqa: S311  ids, no secrets
    return Server(made=made, app=gateway)


@pytest.fixture(params=INTERFACES.values(), ids=[*INTERFACES])
def ask(request: pytest.FixtureRequest) -> Ask:
    result: Ask = request.param
    return result


def list_logged_ids(server: Server) -> set[str]:
    log = server.made.log
    return {
        each.id
        for chunk in log.written_chunks.values()
        for each in log.find(list_prediction_ids(chunk)).values()
    }


def test_a_row_with_a_refused_value_is_answered_beside_the_good_ones(server: Server, ask: Ask) -> None:
    bad = [{**GOOD, **change} for change, *_ in FAULTS]
    records = [GOOD, *bad, OTHER]
    answer = ask(server, records, "partial")
    assert answer.problem == ""
    assert answer.refused == len(FAULTS)
    errors = [f"row {row}, {text}" for row, (_, text, *_) in enumerate(FAULTS, start=1)]
    assert [row["error"] for row in answer.rows] == [None, *errors, None]
    scored, refused = [answer.rows[0], answer.rows[-1]], answer.rows[1:-1]
    assert {(row["label"], row["probability"], row["prediction_id"]) for row in refused} == {
        (None, None, None)
    }
    # what was not refused is logged and counted, and nothing else is
    assert list_logged_ids(server) == {row["prediction_id"] for row in scored}
    assert sum(server.count("servicio_ml_predictions_total").values()) == len(scored)
    assert server.count("servicio_ml_rejected_values_total") == {
        ("small", field, reason): 1 for *_, field, reason in FAULTS
    }
    for row, record in zip(scored, (GOOD, OTHER), strict=True):
        alone = server.post(PREDICT, json.dumps(record).encode()).document
        assert (row["label"], row["probability"]) == (alone["label"], alone["probability"])


def test_the_error_of_a_row_is_that_of_the_refused_batch(server: Server, ask: Ask) -> None:
    for change, text, *_ in FAULTS:
        records = [GOOD, {**GOOD, **change}, GOOD]
        expected = f"row 1, {text}"
        assert ask(server, records, "refuse").problem.removeprefix("INVALID_ARGUMENT: ") == expected
        assert ask(server, records, "").problem.removeprefix("INVALID_ARGUMENT: ") == expected
        assert [row["error"] for row in ask(server, records, "partial").rows] == [None, expected, None]


def test_a_row_with_several_refused_values_counts_once(server: Server, ask: Ask) -> None:
    answer = ask(server, [GOOD, {**GOOD, "weight": 99.5, "colour": "pink", "day": "x"}], "partial")
    assert answer.refused == 1
    assert answer.rows[1]["error"] == (
        f"row 1, field 'day': 'x' is not allowed; it takes {DAY}; "
        f"row 1, field 'weight': 99.5 is not allowed; it takes {WEIGHT}; "
        f"row 1, field 'colour': 'pink' is not allowed; it takes {COLOUR}"
    )
    assert server.count("servicio_ml_rejected_values_total") == {("small", "day", "type"): 1}


def test_rows_that_are_all_refused_are_all_answered(server: Server, ask: Ask) -> None:
    answer = ask(server, [{**GOOD, "weight": 99.5}, {**GOOD, "weight": 11.0}], "partial")
    assert answer.problem == ""
    assert answer.refused == 2
    assert [row["label"] for row in answer.rows] == [None, None]
    assert [row["error"] for row in answer.rows] == [
        f"row 0, field 'weight': 99.5 is not allowed; it takes {WEIGHT}",
        f"row 1, field 'weight': 11.0 is not allowed; it takes {WEIGHT}",
    ]
    assert list_logged_ids(server) == set()
    assert server.count("servicio_ml_predictions_total") == {}
    assert server.count("servicio_ml_rejected_values_total") == {("small", "weight", "range"): 2}


def test_rows_that_are_all_good_have_no_error(server: Server, ask: Ask) -> None:
    answer = ask(server, [GOOD, OTHER], "partial")
    assert answer.refused == 0
    assert [row["error"] for row in answer.rows] == [None, None]
    assert all(row["prediction_id"] for row in answer.rows)


def test_another_rule_for_errors_is_refused(server: Server, ask: Ask) -> None:
    problem = ask(server, [GOOD], "skip").problem
    assert "on_error" in problem
    assert "refuse" in problem
    assert "partial" in problem
    assert server.count("servicio_ml_predictions_total") == {}


@pytest.mark.parametrize("folder", ["artifact_folder", "multiclass_folder", "regression_folder"])
def test_every_task_has_nulls_in_the_place_of_a_refused_row(
    folder: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = create_server(tmp_path, request.getfixturevalue(folder))
    good, bad = GOOD, {**GOOD, "weight": 99.5}
    tables = [_ask_arrow(server, records) for records in ([bad, good], [bad, bad])]
    assert tables[0].schema.equals(tables[1].schema)
    for body, table in zip(([bad, good], [bad, bad]), tables, strict=True):
        text = json.dumps({"records": body}).encode()
        rows = server.post(BATCH, text, query="on_error=partial").document["predictions"]
        assert [{*row} for row in rows] == [{*table.column_names}] * 2
        for row in (rows[0], table.to_pylist()[0]):
            assert {name for name, value in row.items() if value is not None} == {"error"}
    outputs = {each.name: each for each in asyncio.run(_call_grpc(server, _infer_both)).outputs}
    shares = outputs.get("probabilities", outputs.get("probability"))
    if shares is not None:
        values = np.reshape(shares.contents.fp64_contents, [*shares.shape])
        assert np.isnan(values[0]).all()
        assert values[1].sum() <= 1 + 1e-9
    assert [*outputs["error"].contents.bytes_contents] == [
        f"row 0, field 'weight': 99.5 is not allowed; it takes {WEIGHT}".encode(), b"",
    ]  # fmt: skip


def _ask_arrow(server: Server, records: Sequence[Record]) -> pa.Table:
    body = json.dumps({"records": records}).encode()
    response = server.post(BATCH, body, {"Accept": arrow.STREAM_TYPE}, "on_error=partial")
    return pa.ipc.open_stream(response.body).read_all()


def _infer_both(stub: Any) -> Any:
    return stub.ModelInfer(_build_message([{**GOOD, "weight": 99.5}, GOOD], "partial"))


WHOLE_REQUESTS: Mapping[str, tuple[Any, int]] = {
    "no JSON": (b'{"records": [', 422),
    "a key twice": (b'{"records": [{"day": "x", "weight": 1, "weight": 2}]}', 422),
    "records and columns": ({"records": [{**GOOD, "weight": 99}], "columns": _to_columns([GOOD])}, 422),
    "no rows": ({"records": []}, 422),
    "too many rows": ({"records": [{**GOOD, "weight": 99}] * 1001}, 422),
    "an unknown column": ({"columns": {**_to_columns([GOOD]), "depth": [1]}}, 422),
    "a required column is absent": ({"columns": {"day": ["2020-02-30"]}}, 422),
    "columns of two lengths": ({"columns": {"day": ["x", "2020-01-31"], "weight": [1]}}, 422),
    "an unknown parameter": ({"records": [GOOD], "on_error": "partial"}, 422),
}


@pytest.mark.parametrize("name", WHOLE_REQUESTS)
def test_what_is_no_value_refuses_the_request(name: str, server: Server) -> None:
    body, status = WHOLE_REQUESTS[name]
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert server.post(BATCH, raw, query="on_error=partial").status == status
    assert server.count("servicio_ml_predictions_total") == {}


def test_a_required_field_without_column_or_tensor_refuses_the_request(server: Server) -> None:
    table = pa.table({"day": ["2020-01-31"], "size": [1.5]})
    headers = {"Content-Type": arrow.STREAM_TYPE}
    response = server.post(BATCH, _write_stream(table), headers, "on_error=partial")
    assert response.status == 422
    tensor = {"name": "day", "datatype": "BYTES", "shape": [1], "data": ["2020-01-31"]}
    body = {"inputs": [tensor], "parameters": {"on_error": "partial"}}
    assert server.post(INFER, json.dumps(body).encode()).status == 422


@pytest.mark.parametrize("name", ["size", "weight", "colour", "day"])
@pytest.mark.parametrize("media_type", [arrow.STREAM_TYPE, arrow.FILE_TYPE, arrow.PARQUET_TYPE])
def test_a_column_of_another_type_refuses_the_request_and_is_named(
    media_type: str, name: str, server: Server
) -> None:
    good = {"day": ["2020-01-31"], "size": [1.5], "weight": [0.25], "colour": ["red"]}
    write = {arrow.STREAM_TYPE: _write_stream, arrow.FILE_TYPE: _write_file}.get(media_type, _write_parquet)
    for values in (pa.array([[1]]), pa.array([b"1"]), pa.array([1], pa.duration("s"))):
        body = write(pa.table({**good, name: values}))
        response = server.post(BATCH, body, {"Content-Type": media_type}, "on_error=partial")
        assert response.status == 422
        (error,) = response.document["errors"]
        assert error["field"] == name
        assert error["value"].startswith("a column of ")


def test_codes_of_the_matrix_are_values(server: Server) -> None:
    rows = [[18292, 1.5, 0.25, 7], [18292, 1.5, 0.25, 1], [0.5, 1.5, 99.5, 1]]
    tensor = {"name": "features", "datatype": "FP64", "shape": [3, 4], "data": rows}
    body = {"inputs": [tensor], "parameters": {"on_error": "partial"}, "outputs": [{"name": "error"}]}
    [output] = server.post(INFER, json.dumps(body).encode()).document["outputs"]
    first, second, third = output["data"]
    assert first.startswith("row 0, field 'colour': 7.0 is not allowed; it takes the index of one of")
    assert second is None
    assert "field 'day': 0.5" in third
    assert "field 'weight': 99.5" in third


def test_the_output_error_is_known_where_refused_rows_are_answered(server: Server) -> None:
    tensors = [
        {"name": name, "datatype": DATATYPES[name], "shape": [1], "data": values}
        for name, values in _to_columns([GOOD]).items()
    ]
    response = server.post(INFER, json.dumps({"inputs": tensors, "outputs": [{"name": "error"}]}).encode())
    assert response.status == 400


def test_a_large_request_answers_its_refused_rows_too(server: Server) -> None:
    records = [GOOD if row % 3 else {**GOOD, "colour": "pink"} for row in range(900)]
    for ask in (ask_records, ask_columns, ask_oip_json):
        answer = ask(server, records, "partial")
        assert answer.refused == 300
        assert [row["error"] is None for row in answer.rows] == [bool(row % 3) for row in range(900)]
        assert [row["label"] is None for row in answer.rows] == [not row % 3 for row in range(900)]


def test_one_record_has_no_rule_for_errors(server: Server) -> None:
    response = server.post(PREDICT, json.dumps(GOOD).encode(), query="on_error=partial")
    assert response.status == 400
    assert response.document["detail"].endswith("it takes either alias or version, and interval, outlier")


@pytest.mark.parametrize("query", ["on_error=partial&on_error=refuse", "on_error=partial&alias=a&version=1"])
def test_a_parameter_stands_once(query: str, server: Server) -> None:
    response = server.post(BATCH, json.dumps({"records": [GOOD]}).encode(), query=query)
    assert response.status == 400
    assert response.document["detail"].endswith(
        "it takes either alias or version, and interval, outlier, on_error"
    )


def test_the_rule_for_errors_goes_with_a_version(server: Server) -> None:
    body = json.dumps({"records": [GOOD, {**GOOD, "colour": "pink"}]}).encode()
    document = server.post(BATCH, body, query="version=1&on_error=partial").document
    assert (document["version"], document["refused"]) == (1, 1)
    assert document["errors"] == [
        {"row": 1, "field": "colour", "value": "pink", "allowed": COLOUR, "reason": "level"}
    ]
