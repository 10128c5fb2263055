"""One table of names drives every interface: a field by its own name or its raw column's, not by both."""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from services import create_service
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import InvalidError, RequestError, SourceError
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.outliers.answer_details import NO_DETAILS
from servicio_ml.pipeline.reading.batches import open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.pipeline.scoring.score_rows import RowScorer
from servicio_ml.serving.app import build_app
from servicio_ml.serving.models import arrow
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.models.row_faults import OnError, RequestRows
from servicio_ml.serving.oip import grpc_messages, http_messages
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.messages import InferRequest
from servicio_ml.serving.oip.tensors import to_rows
from servicio_ml.serving.openapi import build_document
from servicio_ml.use_cases.catalogue import find
from value_interfaces import MAX_ROWS, decode_graphql, decode_message, write_file, write_parquet, write_stream

Row = Sequence[tuple[str, Any]]
"""Names and values of one record; a name may be repeated."""
SCHEMA = FeatureSchema(
    fields=(
        Field(name="min_temp", kind=Kind.NUMBER, column="MinTemp", nullable=True, optional=True),
        Field(name="resources", kind=Kind.INTEGER, column="Resource Allocation", minimum=1, maximum=10),
        Field(name="age", kind=Kind.NUMBER, minimum=0, maximum=120),
        Field(
            name="chest_pain",
            kind=Kind.CATEGORY,
            column="cp",
            levels=("1", "4"),
            nullable=True,
            optional=True,
        ),
    )
)
ENCODER = Encoder(SCHEMA)
DECODER = Decoder("names", ENCODER, MAX_ROWS, identifier="PassengerId")
LOADED: Any = SimpleNamespace(
    model="names",
    version=1,
    artifact=SimpleNamespace(encoder=ENCODER),
    decoder=DECODER,
    resolve_details=lambda *_: NO_DETAILS,
)
NAN = np.nan
MATRIX_ROW = [12.5, 3.0, 40.0, 1.0]
RAW = (("MinTemp", 12.5), ("Resource Allocation", 3), ("age", 40), ("cp", "4"))
OWN = (("min_temp", 12.5), ("resources", 3), ("age", 40), ("chest_pain", "4"))
INFO: Any = SimpleNamespace(model="names", version=1)


def write_json(row: Row) -> str:
    return "{" + ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in row) + "}"


def decode_record(row: Row) -> RequestRows:
    return DECODER.decode_record(write_json(row).encode())


def decode_records(row: Row) -> RequestRows:
    return DECODER.decode_batch(b'{"records": [%s]}' % write_json(row).encode())[0]


def decode_array(row: Row) -> RequestRows:
    return DECODER.decode_batch(b"[%s]" % write_json(row).encode())[0]


def decode_columns(row: Row) -> RequestRows:
    columns = write_json([(name, [value]) for name, value in row])
    return DECODER.decode_batch(b'{"columns": %s}' % columns.encode())[0]


def decode_partial(row: Row) -> RequestRows:
    """Beside a row by field names, which is scored in any case."""
    own = b'{"resources": 2, "age": 3}'
    body = b"[%s, %s]" % (own, write_json(row).encode())
    rows, _ = DECODER.decode_batch(body, OnError.PARTIAL)
    assert rows.refusals is not None
    assert rows.matrix[0].tolist()[1:3] == [2, 3]
    if rows.refusals.faults:
        assert len(rows.matrix) == 1
        raise InvalidError("names", rows.refusals.faults[1])
    return RequestRows(rows.matrix[1:], identifiers=rows.identifiers[1:])


def decode_graphql_record(row: Row) -> RequestRows:
    return decode_graphql(b'{"records": [%s]}' % write_json(row).encode(), LOADED)


def decode_stream_message(row: Row) -> RequestRows:
    return decode_message(write_json(row).encode(), LOADED)


def build_table(row: Row) -> Any:
    return pa.table([pa.array([value]) for _, value in row], names=[name for name, _ in row])


def decode_arrow_stream(row: Row) -> RequestRows:
    table = arrow.READERS[arrow.STREAM_TYPE](write_stream(build_table(row)), MAX_ROWS)
    return DECODER.decode_table(table)


def decode_arrow_file(row: Row) -> RequestRows:
    table = arrow.READERS[arrow.FILE_TYPE](write_file(build_table(row)), MAX_ROWS)
    return DECODER.decode_table(table)


def decode_parquet(row: Row) -> RequestRows:
    table = arrow.READERS[arrow.PARQUET_TYPE](write_parquet(build_table(row)), MAX_ROWS)
    return DECODER.decode_table(table)


def infer_http(row: Row) -> RequestRows:
    inputs = [
        {
            "name": name, "shape": [1], "data": [value],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
        }
        for name, value in row
    ]  # fmt: skip
    document = http_messages.parse_document(InferRequest, json.dumps({"inputs": inputs}).encode())
    return to_rows(LOADED, http_messages.read_request(document, b"").inputs, MAX_ROWS)


def infer_grpc(row: Row) -> RequestRows:
    message = pb.ModelInferRequest(model_name="names")
    for name, value in row:
        tensor = message.inputs.add(name=name, datatype="FP64", shape=[1])
        if isinstance(value, str):
            tensor.datatype = "BYTES"
            tensor.contents.bytes_contents.append(value.encode())
        else:
            tensor.contents.fp64_contents.append(value)
    return to_rows(LOADED, grpc_messages.read_request(message).inputs, MAX_ROWS)


def score_csv(row: Row) -> RequestRows:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        lines = [[name for name, _ in row], [str(value) for _, value in row]]
        path.write_text("".join(",".join(line) + "\n" for line in lines))
        batches = open_batches(inspect_file(path, path.name), InputSpec(schema=SCHEMA))
        frame: pl.DataFrame = batches.prepare(next(batches.raw_frames))
    return RequestRows(RowScorer(INFO, LOADED.artifact, {}).prepare(frame).matrix)


INTERFACES: Mapping[str, Callable[[Row], RequestRows]] = {
    "REST": decode_record,
    "REST records": decode_records,
    "REST array": decode_array,
    "REST columns": decode_columns,
    "REST partial": decode_partial,
    "GraphQL": decode_graphql_record,
    "stream": decode_stream_message,
    "Arrow stream": decode_arrow_stream,
    "Arrow file": decode_arrow_file,
    "Parquet": decode_parquet,
    "OIP HTTP": infer_http,
    "OIP gRPC": infer_grpc,
    "score": score_csv,
}
every_interface = pytest.mark.parametrize("interface", INTERFACES)
every_request = pytest.mark.parametrize("interface", [each for each in INTERFACES if each != "score"])


@every_interface
@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (OWN, MATRIX_ROW),
        (RAW, MATRIX_ROW),
        # a field whose column is called like itself goes with both, in any order
        ((("age", 40), *RAW[:2]), [*MATRIX_ROW[:3], NAN]),
        (RAW[1:3], [NAN, 3.0, 40.0, NAN]),
        (OWN[1:3], [NAN, 3.0, 40.0, NAN]),
    ],
    ids=["names of fields", "names of raw columns", "any order", "raw columns, fewer", "fields, fewer"],
)
def test_a_record_by_either_names_is_the_same_row(interface: str, row: Row, expected: list[float]) -> None:
    np.testing.assert_array_equal(INTERFACES[interface](row).matrix, [expected])


@every_interface
@pytest.mark.parametrize(
    ("row", "names"),
    [
        ((*RAW, OWN[0]), ("'min_temp'", "'MinTemp'")),
        ((*OWN, RAW[1]), ("'resources'", "'Resource Allocation'")),
        ((RAW[0], *OWN[1:3]), ("'MinTemp'", "'resources'")),
        ((OWN[0], *RAW[1:3]), ("'Resource Allocation'", "'min_temp'")),
        ((*RAW[:3], OWN[3]), ("'MinTemp'", "'chest_pain'")),
    ],
    ids=["raw and one twice", "own and one twice", "one raw", "one own", "one own, a category"],
)
def test_names_that_do_not_go_together_are_named(interface: str, row: Row, names: Sequence[str]) -> None:
    with pytest.raises((InvalidError, SourceError)) as caught:
        INTERFACES[interface](row)
    assert [name for name in names if name not in str(caught.value)] == []


@every_interface
@pytest.mark.parametrize("row", [(*RAW, RAW[0]), (*OWN, OWN[0])], ids=["raw", "own"])
def test_a_name_twice_is_refused(interface: str, row: Row) -> None:
    if interface == "GraphQL":
        pytest.skip("the JSON of its variables is read before, where a repetition is refused for all of it")
    with pytest.raises((InvalidError, RequestError, SourceError), match=f"{row[0][0]}|min_temp"):
        INTERFACES[interface](row)


@every_interface
def test_a_fault_of_a_value_has_the_name_of_the_field(interface: str) -> None:
    row = (RAW[0], ("Resource Allocation", 11), *RAW[2:])
    if interface == "score":
        assert len(score_csv(row).matrix) == 0
        return
    with pytest.raises(InvalidError, match="field 'resources': 11"):
        INTERFACES[interface](row)


@every_request
@pytest.mark.parametrize(
    "row", [(*OWN, ("identifier", "892")), (("PassengerId", "892"), *RAW)], ids=["own", "raw"]
)
def test_an_identifier_by_either_name_stands_beside_the_row(interface: str, row: Row) -> None:
    rows = INTERFACES[interface](row)
    assert rows.identifiers == ("892",)
    assert rows.matrix.tolist() == [MATRIX_ROW]


@every_request
def test_a_row_without_an_identifier_has_none(interface: str) -> None:
    assert INTERFACES[interface]((*OWN, ("identifier", ""))).identifiers == ()
    assert INTERFACES[interface](RAW).identifiers == ()


@every_request
@pytest.mark.parametrize(
    ("row", "names"),
    [
        ((*OWN[1:3], ("identifier", "1"), ("PassengerId", "1")), ("'identifier'", "'PassengerId'")),
        ((*OWN, ("PassengerId", "1")), ("'min_temp'", "'PassengerId'")),
        ((*RAW, ("identifier", "1")), ("'MinTemp'", "'identifier'")),
    ],
    ids=["both", "raw beside own", "own beside raw"],
)
def test_names_of_an_identifier_go_with_those_of_the_fields(
    interface: str, row: Row, names: Sequence[str]
) -> None:
    with pytest.raises(InvalidError) as caught:
        INTERFACES[interface](row)
    assert [name for name in names if name not in str(caught.value)] == []


@every_request
@pytest.mark.parametrize(("rows", "name"), [(OWN, "identifier"), (RAW, "PassengerId")], ids=["own", "raw"])
def test_a_model_of_rows_without_an_identifier_refuses_it(
    interface: str, rows: Row, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Decoder("names", ENCODER, MAX_ROWS)
    monkeypatch.setattr(sys.modules[__name__], "DECODER", plain)
    monkeypatch.setattr(LOADED, "decoder", plain)
    with pytest.raises(InvalidError, match=f"field '{name}'") as caught:
        INTERFACES[interface]((*rows, (name, "892")))
    assert {fault.reason for fault in caught.value.faults} == {"unknown_field"}


@every_request
def test_a_wrong_identifier_is_named(interface: str) -> None:
    with pytest.raises(InvalidError, match=r"field 'identifier': 'x+…'.* at most 200 characters"):
        INTERFACES[interface]((*RAW, ("PassengerId", "x" * 201)))


def test_an_identifier_without_a_field() -> None:
    schema = FeatureSchema(fields=(SCHEMA.fields[0],))
    decoder = Decoder("names", Encoder(schema), MAX_ROWS, identifier="PassengerId")
    assert decoder.decode_batch(b'{"columns": {"PassengerId": [1, null, 3]}}')[0].identifiers == (
        "1",
        None,
        "3",
    )


def test_a_column_that_a_field_is_read_from_is_the_name_of_the_field() -> None:
    schema = FeatureSchema(fields=(replace(SCHEMA.fields[0], column="Number"),))
    decoder = Decoder("names", Encoder(schema), MAX_ROWS, identifier="Number")
    assert decoder.decode_record(b'{"Number": 7}').identifiers == ()
    rows = decoder.decode_record(b'{"Number": 7, "identifier": "7"}')
    assert (rows.matrix.tolist(), rows.identifiers) == ([[7.0]], ("7",))


def test_identifiers_of_a_partial_batch_are_those_of_the_scored_rows() -> None:
    records = [
        {"resources": value, "age": 40, "identifier": text} for value, text in ((3, "a"), (99, "b"), (4, 7))
    ]
    rows, _ = DECODER.decode_batch(json.dumps(records).encode(), OnError.PARTIAL)
    assert rows.identifiers == ("a", "7")
    columns = {name: [record[name] for record in records] for name in records[0]} | {
        "identifier": ["a", "b", "7"]
    }
    rows = DECODER.decode_table(pa.table(columns), OnError.PARTIAL)
    assert rows.identifiers == ("a", "7")
    rows = DECODER.decode_table(pa.table({**columns, "identifier": ["x" * 201, "b", "c"]}), OnError.PARTIAL)
    assert rows.refusals is not None
    assert {row: [each.field for each in faults] for row, faults in rows.refusals.faults.items()} == {
        0: ["identifier"], 1: ["resources"]
    }  # fmt: skip
    assert rows.identifiers == ("c",)


def test_rows_of_one_batch_may_have_names_of_either_kind() -> None:
    body = f"[{write_json(OWN)}, {write_json(RAW)}]".encode()
    rows, columnar = DECODER.decode_batch(body)
    assert rows.matrix.tolist() == [MATRIX_ROW, MATRIX_ROW]
    assert not columnar


def test_a_partial_batch_refuses_only_the_row_whose_names_do_not_go_together() -> None:
    mixed, wrong = write_json((*RAW, OWN[0])), write_json((*RAW[1:], ("MinTemp", "warm")))
    body = f'{{"records": [{write_json(RAW)}, {mixed}, {wrong}]}}'.encode()
    rows, _ = DECODER.decode_batch(body, OnError.PARTIAL)
    assert rows.matrix.tolist() == [MATRIX_ROW]
    assert rows.refusals is not None
    assert [[fault.field for fault in faults] for faults in rows.refusals.faults.values()] == [
        ["min_temp"], ["min_temp"]
    ]  # fmt: skip
    with pytest.raises(InvalidError) as caught:
        DECODER.decode_batch(body)
    assert [fault.row for fault in caught.value.faults] == [1, 2]


PUBLISHED = {
    "rain_australia": {
        "Date": "2008-12-01", "Location": "Albury", "MinTemp": 13.4, "MaxTemp": 22.9, "Rainfall": 0.6,
        "Evaporation": None, "Sunshine": None, "WindGustDir": "W", "WindGustSpeed": 44, "WindDir9am": "W",
        "WindDir3pm": "WNW", "WindSpeed9am": 20, "WindSpeed3pm": 24, "Humidity9am": 71, "Humidity3pm": 22,
        "Pressure9am": 1007.7, "Pressure3pm": 1007.1, "Cloud9am": 8, "Cloud3pm": None, "Temp9am": 16.9,
        "Temp3pm": 21.8, "RainToday": "No",
    },
    "employee_burnout": {
        "Date of Joining": "2008-09-30", "Gender": "Female", "Company Type": "Service",
        "WFH Setup Available": "No", "Designation": 2, "Resource Allocation": 3, "Mental Fatigue Score": 3.8,
    },
}  # fmt: skip
"""First rows of raw files as they are published, without what is the target or an identifier."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_row_is_taken(name: str) -> None:
    encoder = Encoder(find(name).schema)
    decoder, record = Decoder(name, encoder, MAX_ROWS), PUBLISHED[name]
    own = {decoder.names.by_column[column]: value for column, value in record.items()}
    matrix = decoder.decode_record(json.dumps(record).encode()).matrix
    encoder.derive(matrix)
    np.testing.assert_array_equal(matrix, encoder.encode_record(own))


def test_numbers_stay_as_they_were_written() -> None:
    (value,) = DECODER.decode_batch(b'[{"MinTemp": 0.1, "Resource Allocation": 5.0, "age": 7e0}]')[0].matrix
    assert value[:3].tolist() == [np.float32(0.1), 5.0, 7.0]
    with pytest.raises(InvalidError, match="field 'min_temp'"):
        DECODER.decode_record(b'{"MinTemp": NaN, "Resource Allocation": 5, "age": 7}')


def test_openapi_describes_the_names_of_raw_columns(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    document = build_document(build_app(made.service, []), made.service)
    body = document["paths"]["/models/small/predict"]["post"]["requestBody"]
    raw = body["description"].split("`")[1]
    assert [*json.loads(raw)] == ["Day", "Size", "Weight", "Colour"]
    decoder = made.service.models.get_champion("small").decoder
    own = json.dumps(body["content"]["application/json"]["example"])
    expected = decoder.decode_record(own.encode()).matrix
    np.testing.assert_array_equal(decoder.decode_record(raw.encode()).matrix, expected)


def test_openapi_describes_the_identifier(tmp_path: Path, identified_folder: Path) -> None:
    made = create_service(tmp_path, identified_folder)
    document = build_document(build_app(made.service, []), made.service)
    body = document["paths"]["/models/small/predict"]["post"]["requestBody"]
    raw, own = body["description"].split("`")[1], json.dumps(body["content"]["application/json"]["example"])
    decoder = made.service.models.get_champion("small").decoder
    assert [decoder.decode_record(each.encode()).identifiers for each in (raw, own)] == [("892",), ("892",)]
    described = document["components"]["schemas"]["Small"]["properties"]["identifier"]
    assert described["anyOf"] == [{"type": "string", "maxLength": 200}, {"type": "integer"}, {"type": "null"}]


def test_a_named_dialect_says_which_names_of_a_file_are_meant(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("MinTemp,min_temp,Resource Allocation,age\n1,2,3,40\n")
    with pytest.raises(SourceError, match=r"as 'min_temp' and one as 'MinTemp'.*--dialect"):
        open_batches(inspect_file(path, path.name), InputSpec(schema=SCHEMA))
    batches = open_batches(inspect_file(path, path.name), InputSpec(schema=SCHEMA, dialect_name="original"))
    assert batches.prepare(next(batches.raw_frames))["min_temp"].to_list() == [1.0]
