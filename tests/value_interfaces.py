"""Every interface as a function from one value of a field to its value in the matrix, in process.

The identifier of a row is one of its values, too, but no field and not in the matrix: it stays a text.
"""

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from orchard_use_case import LAST_DAY, build_use_case, plan_read
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.prediction import Purpose
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.domain.stream import DeadLetter, StreamMessage
from servicio_ml.errors import InvalidError, RequestError, SourceError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.outliers.answer_details import NO_DETAILS
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import copy_input_file, inspect_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import REASON, ROW_IDENTIFIER, STATUS, RowStatus, transform
from servicio_ml.pipeline.scoring.score_rows import RowScorer
from servicio_ml.serving.graphql.schema import SCHEMA as GRAPHQL
from servicio_ml.serving.graphql.schema import OperationContext
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.models.row_faults import RequestRows
from servicio_ml.serving.oip import grpc_messages, http_messages
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.messages import InferRequest
from servicio_ml.serving.oip.tensor import Tensor, to_raw
from servicio_ml.serving.oip.tensors import to_rows
from servicio_ml.serving.stream.scorer import BatchScorer, MessageBatch

FAULT = "fault"
"""Outcome of a value that an interface refuses."""
ABSENT = "no such value"
"""Outcome of a value that an interface cannot carry."""
NO: Any = False
IDENTIFIER_DATATYPES: Mapping[type, str] = {int: "INT64", float: "FP64", bool: "BOOL"}
MODEL, MAX_ROWS = "values", 10
Outcome = float | str | None


def _build_field(name: str, kind: Kind, example: Any, **changes: Any) -> Field:
    return Field(
        name=name, kind=kind, column=name, description=name, example=example, nullable=True, optional=True,
        **changes,
    )  # fmt: skip


FIELDS = (
    _build_field("day", Kind.DATE, "2016-06-15"),
    _build_field("moment", Kind.DATETIME, "2016-06-15T23:30"),
    _build_field("local", Kind.DATETIME, "2016-06-15T23:30", zone="Europe/Madrid"),
    _build_field("remark", Kind.TEXT, "a red swift", words=("swift", "red", "año")),
    _build_field("share", Kind.NUMBER, 0.5, minimum=0.1, maximum=0.9),
    _build_field("amount", Kind.NUMBER, 1.0),
    _build_field("seats", Kind.INTEGER, 5, minimum=1, maximum=20),
    _build_field("count", Kind.INTEGER, 5),
    _build_field("colour", Kind.CATEGORY, "red", levels=("red", "green")),
    _build_field("thal", Kind.CATEGORY, "3", levels=("3", "6", "07")),
    _build_field(
        "make", Kind.CATEGORY, "Swift", levels=("Swift", "3", "other"), learned_levels=LearnedLevels()
    ),
    _build_field("open", Kind.CATEGORY, "true", levels=("false", "true")),
    _build_field("flag", Kind.BOOLEAN, NO),
)
VALUES_SCHEMA = FeatureSchema(fields=FIELDS)
FIELD_BY_NAME = {each.name: each for each in FIELDS}
ENCODER = Encoder(VALUES_SCHEMA)
DECODER = Decoder(MODEL, ENCODER, MAX_ROWS, identifier="Number")
LOADED = SimpleNamespace(
    model=MODEL, version=1, artifact=SimpleNamespace(encoder=ENCODER), decoder=DECODER,
    resolve_details=lambda *_: NO_DETAILS,
)  # fmt: skip
USE_CASE = build_use_case(
    schema=FeatureSchema(fields=(_build_field("row", Kind.INTEGER, 1), *FIELDS)),
    event_date="",
    deduplicate=False,
)
IDENTIFIED = replace(USE_CASE, identifier=IDENTIFIER)
NUMERIC = (Kind.NUMBER, Kind.INTEGER)
MUTATION = 'mutation ($records: [JSON!]!) { predict(model: "values", records: $records) { model } }'


class Numeral(str):
    """A number digit by digit, as no float of Python is written."""

    __slots__ = ()


def _write_json(document: Any, value: Any) -> str:
    """JSON of a document that holds a value."""
    text = json.dumps(document)
    return text.replace(json.dumps(value), value) if isinstance(value, Numeral) else text


def _take(name: str, rows: RequestRows) -> Outcome:
    """Take the value of the field, or the identifier, from the only row."""
    matrix, identifiers = rows.matrix, rows.identifiers
    assert len(matrix) == 1
    if name == IDENTIFIER:
        return identifiers[0] if identifiers else None
    assert identifiers == ()
    field = VALUES_SCHEMA.field_names.index(name)
    seconds = VALUES_SCHEMA.seconds
    return float(matrix[0, field]) + (float(matrix[0, seconds[field]]) / 86_400 if field in seconds else 0)


def _decode(name: str, decode: Callable[[], Any]) -> Outcome:
    try:
        return _take(name, decode())
    except InvalidError as error:
        # a fault of another field would be no answer to this value
        return FAULT if {fault.field for fault in error.faults} == {name} else str(error)
    except RequestError:
        return FAULT


def _convert_to_json(value: Any) -> Any:
    """The value as JSON carries it; `ABSENT` where it cannot."""
    if isinstance(value, (pa.Array, bytes)) or (isinstance(value, float) and not np.isfinite(value)):
        return ABSENT
    return value.isoformat() if isinstance(value, date) else value


def _send_json(
    wrap: Callable[[str, Any], Any], decode: Callable[[bytes], Any]
) -> Callable[[str, Any], Outcome]:
    def send(name: str, value: Any) -> Outcome:
        given = _convert_to_json(value)
        if isinstance(given, str) and given == ABSENT:
            return ABSENT
        return _decode(name, lambda: decode(_write_json(wrap(name, given), given).encode()))

    return send


def _build_table(name: str, value: Any) -> Any:
    if isinstance(value, Numeral) or (isinstance(value, int) and abs(value) >= 2**63):
        return None
    return pa.table({name: value if isinstance(value, pa.Array) else pa.array([value])})


def write_stream(table: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def write_file(table: Any) -> bytes:
    sink = BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def write_parquet(table: Any) -> bytes:
    sink = BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _send_table(write: Callable[[Any], bytes], media_type: str) -> Callable[[str, Any], Outcome]:
    def send(name: str, value: Any) -> Outcome:
        table = _build_table(name, value)
        if table is None:
            return ABSENT
        return _decode(name, lambda: DECODER.decode_table(arrow.READERS[media_type](write(table), MAX_ROWS)))

    return send


def _choose_tensor(name: str, value: Any) -> tuple[str, Any]:
    """Choose datatype and value: texts are BYTES, also those of numbers that are codes."""
    if name == IDENTIFIER:
        return IDENTIFIER_DATATYPES.get(type(value), "BYTES"), value
    if FIELD_BY_NAME[name].kind in NUMERIC:
        return ("FP64" if type(value) is not str else "BYTES"), value
    given = _convert_to_json(value)
    if isinstance(value, bool) and name == "flag":
        return "BOOL", value
    return (
        "BYTES",
        str(given).lower() if isinstance(given, bool) else given if given is None else str(given),
    )


def _can_be_tensor(name: str, value: Any) -> bool:
    if isinstance(value, (pa.Array, bytes, Numeral)) or (isinstance(value, int) and abs(value) >= 2**63):
        return False
    if name == IDENTIFIER:
        return not isinstance(value, list)
    field = FIELD_BY_NAME[name]
    if field.is_dated and isinstance(value, (int, float)):
        return False
    return field.kind in NUMERIC or not (isinstance(value, float) and np.isnan(value))


def _send_tensor(read: Callable[[str, str, Any], Any]) -> Callable[[str, Any], Outcome]:
    def send(name: str, value: Any) -> Outcome:
        if not _can_be_tensor(name, value):
            return ABSENT
        datatype, given = _choose_tensor(name, value)
        return _decode(name, lambda: to_rows(LOADED, read(name, datatype, given), MAX_ROWS))  # type: ignore[arg-type]  # stands in

    return send


def _read_oip_json(name: str, datatype: str, value: Any) -> Any:
    document = {"inputs": [{"name": name, "datatype": datatype, "shape": [1], "data": [value]}]}
    return http_messages.read_request(
        http_messages.parse_document(InferRequest, json.dumps(document).encode()), b""
    ).inputs


def _build_raw(name: str, datatype: str, value: Any) -> bytes:
    if isinstance(value, bool) and datatype != "BOOL":
        raise RequestError("a boolean", "binary data has none")
    values: Any = [value] if datatype == "BYTES" else np.array([value])
    return to_raw(Tensor(name=name, datatype=datatype, shape=(1,), values=values))


def _read_oip_binary(name: str, datatype: str, value: Any) -> Any:
    raw = _build_raw(name, datatype, value)
    size = {"binary_data_size": len(raw)}
    document = {"inputs": [{"name": name, "datatype": datatype, "shape": [1], "parameters": size}]}
    return http_messages.read_request(
        http_messages.parse_document(InferRequest, json.dumps(document).encode()), raw
    ).inputs


def _read_grpc(name: str, datatype: str, value: Any) -> Any:
    if isinstance(value, bool) and datatype != "BOOL":
        raise RequestError("a boolean", "no other datatype holds it")
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=[1])
    if datatype == "BYTES":
        tensor.contents.bytes_contents.append((value or "").encode())
    elif datatype == "INT64":
        tensor.contents.int64_contents.append(value)
    elif datatype == "BOOL":
        tensor.contents.bool_contents.append(value)
    else:
        tensor.contents.fp64_contents.append(np.nan if value is None else float(value))
    message = pb.ModelInferRequest(model_name=MODEL, inputs=[tensor])
    return grpc_messages.read_request(pb.ModelInferRequest.FromString(message.SerializeToString())).inputs


class _Predictor:
    """Keeps the rows that an interface hands over."""

    rows: Any = None

    def __init__(self, loaded_model: Any) -> None:
        self._loaded_model = loaded_model

    async def resolve(self, *_: object) -> Any:
        return self._loaded_model, Purpose.ANSWER

    def follow_identifier(self, _: str, loaded: object, purpose: Purpose, rows: RequestRows, *__: Any) -> Any:
        return loaded, purpose, rows

    async def score(self, _loaded: object, matrix: Any, *others: Any) -> Any:
        self.rows = RequestRows(matrix, identifiers=others[-1])
        return SimpleNamespace(to_documents=list)

    def score_idempotent(self, loaded: object, matrix: Any, *others: Any) -> Any:
        self.rows = RequestRows(matrix, identifiers=others[-1])
        return [_Result(loaded_model=loaded)]

    def count_rejected(self, error: InvalidError) -> None:
        self.rejected = error


@dataclass
class _Result:
    """What the predictor returns for one row."""

    loaded_model: Any
    details: Any = None

    def to_documents(self) -> list[dict[str, Any]]:
        return [{}]


def decode_graphql(body: bytes, loaded_model: Any = LOADED) -> RequestRows:
    """Decode records to the rows that GraphQL's `predict` scores."""
    predictor = _Predictor(loaded_model)
    service: Any = SimpleNamespace(predictor=predictor, limits=SimpleNamespace(rows=MAX_ROWS))
    context = OperationContext(service=service, call=None, operation=None)
    result = asyncio.run(GRAPHQL.execute(MUTATION, json.loads(body), context))
    for error in result.errors or []:
        assert isinstance(error.original_error, InvalidError), error
        raise error.original_error
    rows: RequestRows = predictor.rows
    return rows


def decode_message(body: bytes, loaded_model: Any = LOADED) -> RequestRows:
    """Decode a record to the rows that a stream worker scores."""
    predictor = _Predictor(loaded_model)
    models = SimpleNamespace(get_champion=lambda _: loaded_model)
    service: Any = SimpleNamespace(models=models, predictor=predictor, log=None)
    message = StreamMessage(id="1-0", fields={"record": body.decode()})
    batch = MessageBatch(model=MODEL, messages=[message], redelivered=False)
    (outcome,) = BatchScorer(service).compute_outcomes(batch)
    if isinstance(outcome, DeadLetter):
        raise predictor.rejected
    rows: RequestRows = predictor.rows
    return rows


def write_text(value: Any) -> str:
    """The value as pandas writes it to a CSV."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return ""
    if isinstance(value, datetime):
        return str(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write_csv_file(name: str, value: Any, folder: Path) -> Path | None:
    if isinstance(value, (pa.Array, bytes)):
        return None
    path = folder / "rows.csv"
    text = write_text(value).replace('"', '""')
    path.write_text(f'row,{name},Ripe\n1,"{text}",yes\n', encoding="utf-8")
    return path


def _write_parquet_file(name: str, value: Any, folder: Path) -> Path | None:
    table = _build_table(name, value)
    if table is None:
        return None
    path = folder / "rows.parquet"
    pq.write_table(table.add_column(0, "row", pa.array([1])).append_column("Ripe", pa.array(["yes"])), path)
    return path


def _write_json_lines_file(name: str, value: Any, folder: Path) -> Path | None:
    given = _convert_to_json(value)
    if isinstance(given, str) and given == ABSENT:
        return None
    path = folder / "rows.jsonl"
    path.write_text(_write_json({"row": 1, name: given, "Ripe": "yes"}, given), encoding="utf-8")
    return path


def _score_file(name: str, path: Path) -> Outcome:
    # the column of the file is copied as it is
    if name == IDENTIFIER:
        return ABSENT
    batches = open_batches(inspect_file(path, path.name), InputSpec(schema=VALUES_SCHEMA))
    artifact: Any = SimpleNamespace(encoder=ENCODER)
    info: Any = SimpleNamespace(model=MODEL, version=1)
    frame = batches.prepare(next(batches.raw_frames))
    prepared = RowScorer(info, artifact, {}).prepare(frame)
    if len(prepared.rejected):
        assert prepared.rejected[REASON][0].startswith(f"{name}: "), prepared.rejected
        return FAULT
    return _take(name, RequestRows(prepared.matrix))


def _publish_file(name: str, path: Path) -> Outcome:
    folder = path.parent / "etl"
    folder.mkdir()
    use_case = IDENTIFIED if name == IDENTIFIER else USE_CASE
    raw = read_rows(copy_input_file(path, path.name, folder), use_case)
    plan = plan_read(use_case, raw.dialect, raw.absent_fields)
    native: Any = transform(nw.from_native(raw.frame), use_case, plan, last_day=LAST_DAY).to_native()
    frame: pl.DataFrame = native.collect()
    if name == IDENTIFIER:
        text: str | None = frame[ROW_IDENTIFIER][0]
        return text
    if frame[STATUS][0] == RowStatus.QUARANTINED:
        assert frame[REASON][0].startswith(f"{name}: "), frame
        return FAULT
    return _take(name, RequestRows(ENCODER.encode_frame(frame)))


def _send_file(
    write: Callable[[str, Any, Path], Path | None], read: Callable[[str, Path], Outcome]
) -> Callable[[str, Any], Outcome]:
    def send(name: str, value: Any) -> Outcome:
        with tempfile.TemporaryDirectory() as folder:
            path = write(name, value, Path(folder))
            try:
                return ABSENT if path is None else read(name, path)
            except SourceError as error:
                # a fault of the whole column: its type has no values of the field
                return FAULT if f": column '{name}' " in str(error) else str(error)

    return send


def _decode_batch(body: bytes) -> RequestRows:
    rows, _ = DECODER.decode_batch(body)
    return rows


def _build_records(name: str, value: Any) -> Any:
    return {"records": [{name: value}]}


DOCUMENTS: Mapping[str, Callable[[str, Any], Outcome]] = {
    "REST": _send_json(lambda name, value: {name: value}, DECODER.decode_record),
    "REST records": _send_json(_build_records, _decode_batch),
    "REST array": _send_json(lambda name, value: [{name: value}], _decode_batch),
    "REST columns": _send_json(lambda name, value: {"columns": {name: [value]}}, _decode_batch),
    "GraphQL": _send_json(_build_records, decode_graphql),
    "stream": _send_json(lambda name, value: {name: value}, decode_message),
}
"""Interfaces whose records are JSON."""
TABLES: Mapping[str, Callable[[str, Any], Outcome]] = {
    "Arrow stream": _send_table(write_stream, arrow.STREAM_TYPE),
    "Arrow file": _send_table(write_file, arrow.FILE_TYPE),
    "Parquet": _send_table(write_parquet, arrow.PARQUET_TYPE),
}
TENSORS: Mapping[str, Callable[[str, Any], Outcome]] = {
    "OIP JSON": _send_tensor(_read_oip_json),
    "OIP binary": _send_tensor(_read_oip_binary),
    "OIP gRPC": _send_tensor(_read_grpc),
}
FILES: Mapping[str, Callable[[str, Any], Outcome]] = {
    "score CSV": _send_file(_write_csv_file, _score_file),
    "score Parquet": _send_file(_write_parquet_file, _score_file),
    "score JSON lines": _send_file(_write_json_lines_file, _score_file),
    "ETL CSV": _send_file(_write_csv_file, _publish_file),
    "ETL Parquet": _send_file(_write_parquet_file, _publish_file),
    "ETL JSON lines": _send_file(_write_json_lines_file, _publish_file),
}
INTERFACES = {**DOCUMENTS, **TABLES, **TENSORS, **FILES}
