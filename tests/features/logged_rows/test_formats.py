"""The formats of a file of predictions, literally."""

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from logged_rows import BINARY, MISSING, MODEL, RECORD, build_chunk, build_version, list_ids
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.features.logged_rows import formats
from servicio_ml.features.logged_rows.columns import LoggedVersion, build_columns
from servicio_ml.features.logged_rows.formats import (
    ARROW_FILE,
    ARROW_STREAM,
    CSV,
    FORMATS,
    JSON_LINES,
    PARQUET,
    TableFormat,
    write_tables,
)
from servicio_ml.features.logged_rows.table import build_table

CHUNK = build_chunk(
    BINARY, [RECORD, MISSING], outcomes=[1, 0], probabilities=[(0.25, 0.75), (0.5, 0.5)],
    identifiers=("k,1\n", None),
)  # fmt: skip
SEVERAL = build_version(
    3, Field(name="size", kind=Kind.NUMBER, nullable=True), task="multiclass", labels=("a b", 'c"d', "é")
)
SEVERAL_CHUNK = build_chunk(SEVERAL, [{"size": 1e20}], outcomes=[1], probabilities=[(0.125, 0.75, 0.125)])


def build(chunk: Any = CHUNK, version: LoggedVersion = BINARY) -> Any:
    return build_table([chunk], {3: version}, build_columns(MODEL, [version]), {})


def write(table: Any, table_format: TableFormat) -> bytes:
    return b"".join(write_tables([table], table.schema, table_format))


def test_csv() -> None:
    first, second = list_ids(CHUNK)
    assert write(build(), CSV).decode() == (
        '"prediction_id","time","version","identifier","day","seen","size","count","town","wet","note",'
        '"raw label","prediction","label","probability","actual"\n'
        f'"{first}","2023-11-14T22:13:20.250000Z",3,"k,1\n",'
        '"2016-06-15","2016-06-15T23:59:58",12.1,7,"the ""Top""",true,"sold 2015",0.5,1,"Yes",0.75,\n'
        f'"{second}","2023-11-14T22:13:20.250000Z",3,,,,,,,,,,0,"No",0.5,\n'
    )


def test_csv_has_a_column_for_each_class() -> None:
    header, row, end = write(build(SEVERAL_CHUNK, SEVERAL), CSV).decode().split("\n")
    assert header.endswith(
        '"size","prediction","label","probability of a b","probability of c""d","probability of é","actual"'
    )
    assert row.endswith(',3,,1e+20,1,"c""d",0.125,0.75,0.125,')
    assert end == ""


def test_json_lines() -> None:
    first, second = list_ids(CHUNK)
    one, two = write(build(), JSON_LINES).decode().splitlines()
    assert one == (
        f'{{"prediction_id":"{first}","time":"2023-11-14T22:13:20.250000Z","version":3,'
        '"identifier":"k,1\\n","day":"2016-06-15","seen":"2016-06-15T23:59:58","size":12.1,"count":7,'
        '"town":"the \\"Top\\"","wet":true,"note":"sold 2015","raw label":0.5,"prediction":1,"label":"Yes",'
        '"probability":0.75,"actual":null}'
    )
    assert json.loads(two) == {
        **dict.fromkeys(json.loads(one)), "prediction_id": second, "time": "2023-11-14T22:13:20.250000Z",
        "version": 3, "prediction": 0, "label": "No", "probability": 0.5,
    }  # fmt: skip
    assert json.loads(write(build(SEVERAL_CHUNK, SEVERAL), JSON_LINES))["probabilities"] == {
        "a b": 0.125, 'c"d': 0.75, "é": 0.125,
    }  # fmt: skip


def test_a_number_that_json_lacks_is_null() -> None:
    version = build_version(3, Field(name="size", kind=Kind.NUMBER), task="regression", labels=())
    table = build(build_chunk(version, [{"size": 1}], outcomes=[float("inf")]), version)
    assert json.loads(write(table, JSON_LINES))["prediction"] is None


@pytest.mark.parametrize(
    ("table_format", "read"),
    [
        (PARQUET, lambda body: pq.read_table(BytesIO(body))),
        (ARROW_STREAM, lambda body: pa.ipc.open_stream(body).read_all()),
        (ARROW_FILE, lambda body: pa.ipc.open_file(body).read_all()),
    ],
    ids=["parquet", "arrow stream", "arrow file"],
)
@pytest.mark.parametrize(
    ("chunk", "version"), [(CHUNK, BINARY), (SEVERAL_CHUNK, SEVERAL)], ids=["binary", "several"]
)
def test_formats_with_types_keep_them(table_format: TableFormat, read: Any, chunk: Any, version: Any) -> None:
    table = build(chunk, version)
    found = read(write(table, table_format))
    if table_format is PARQUET:
        # Parquet has no seconds
        found = found.cast(table.schema)
    assert found.equals(table)
    assert found.schema.metadata[b"model"] == b"rain"


@pytest.mark.parametrize("table_format", FORMATS, ids=[each.suffixes[0] for each in FORMATS])
def test_a_file_without_rows_has_its_columns(table_format: TableFormat) -> None:
    columns = build_columns(MODEL, [BINARY])
    body = b"".join(write_tables([], columns, table_format))
    if table_format is JSON_LINES:
        assert body == b""
    elif table_format is CSV:
        assert body.decode().count("\n") == 1
        assert body.startswith(b'"prediction_id","time"')
    elif table_format is PARQUET:
        assert pq.read_table(BytesIO(body)).column_names == columns.names
    else:
        opened = pa.ipc.open_stream if table_format is ARROW_STREAM else pa.ipc.open_file
        assert opened(body).read_all().schema == columns


@pytest.mark.parametrize("table_format", FORMATS, ids=[each.suffixes[0] for each in FORMATS])
def test_pieces_are_written_before_the_next_table_is_read(
    table_format: TableFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "ROW_GROUP_ROWS", 2)
    table, events = build(), list[str]()

    def read() -> Iterator[Any]:
        for i in range(3):
            events.append(f"read {i}")
            yield table

    for piece in write_tables(read(), table.schema, table_format):
        if piece:
            events.append("write")
    expected = ["read 0", "write", "read 1", "write", "read 2", "write"]
    assert events[: len(expected)] == expected


def test_a_row_group_has_the_rows_of_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "ROW_GROUP_ROWS", 4)
    table = build()
    body = b"".join(write_tables([table] * 5, table.schema, PARQUET))
    file = pq.ParquetFile(BytesIO(body))
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]


@pytest.mark.parametrize("table_format", [PARQUET, ARROW_FILE], ids=["parquet", "arrow file"])
def test_an_error_leaves_a_file_that_nobody_takes_for_a_complete_one(table_format: TableFormat) -> None:
    table, pieces = build(), list[bytes]()

    def fail() -> Iterator[Any]:
        yield table
        raise OSError("gone")

    written = write_tables(fail(), table.schema, table_format)
    pieces.append(next(written))
    with pytest.raises(OSError, match="gone"):
        next(written)
    opened = pq.read_table if table_format is PARQUET else pa.ipc.open_file
    with pytest.raises(pa.ArrowInvalid):
        opened(BytesIO(b"".join(pieces)))
