"""Arrow and Parquet bodies; the library is loaded with the first request that has one."""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from servicio_ml.errors import RequestError, TextEncodingError, TooLargeError
from servicio_ml.features.uncertainty.uncertainty import LABEL_SET
from servicio_ml.serving.models.arrow_messages import compute_decoded_size, count_batches
from servicio_ml.serving.models.loaded_model import PartialResult, PredictionResult
from servicio_ml.serving.models.parquet_pages import read_pages

STREAM_TYPE, FILE_TYPE, PARQUET_TYPE = (
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.parquet",
)
MODEL_KEY, VERSION_KEY, REFUSED_KEY = b"model", b"version", b"refused"
"""Keys in the schema metadata of a response, beside the names of what its details have in common."""
MAX_DECODED_BYTES = 256 << 20
"""Maximum size of a body after decompression, in bytes."""
BATCH_ROWS = 1 << 14
"""Number of rows of a Parquet file that are read at once."""
FILE_PREFIX_BYTES = 8
"""Size of the magic bytes with which an Arrow file begins; a stream follows them."""


Table = Any
"""Arrow table; pyarrow has no types."""
ReadTable = Callable[[bytes, int], Table]
"""Reads a body as a table, and no batch after the given number of rows."""


def _read_stream(body: bytes, max_rows: int) -> Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    def read() -> Table:
        _check_decoded_size(compute_decoded_size(body, 0))
        with pa.ipc.open_stream(body) as reader:
            return _read_batches(reader, reader.schema, max_rows)

    return _translate_errors(STREAM_TYPE, body, read)


def _read_file(body: bytes, max_rows: int) -> Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    def read() -> Table:
        # the footer is only compared: it could name one batch many times, where the stream before it cannot
        with pa.ipc.open_file(body) as file:
            named = file.num_record_batches
        if named != (found := count_batches(body, FILE_PREFIX_BYTES)):
            raise ValueError(f"its footer names {named} batches, and it has {found}")
        _check_decoded_size(compute_decoded_size(body, FILE_PREFIX_BYTES))
        with pa.ipc.open_stream(pa.py_buffer(body).slice(FILE_PREFIX_BYTES)) as reader:
            return _read_batches(reader, reader.schema, max_rows)

    return _translate_errors(FILE_TYPE, body, read)


def _read_parquet(body: bytes, max_rows: int) -> Table:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.parquet as pq  # noqa: PLC0415  heavy

    def read() -> Table:
        metadata = pq.read_metadata(pa.BufferReader(body))
        schema = metadata.schema.to_arrow_schema()
        # refused by its type, whatever their values: those of a nested column could take any memory
        if any(pa.types.is_nested(each.type) for each in schema):
            return pa.Table.from_batches([], schema)
        pages = list(read_pages(body, metadata.num_columns))
        _check_decoded_size(sum(size for size, _ in pages))
        if any(shares_beginnings for _, shares_beginnings in pages):
            raise ValueError(
                "a text column is encoded as DELTA_BYTE_ARRAY; write it plain or as a dictionary"
            )
        # texts stay dictionaries: one long text could stand for every row
        with pq.ParquetFile(pa.BufferReader(body), read_dictionary=_list_columns(metadata)) as file:
            return _read_batches(file.iter_batches(BATCH_ROWS), file.schema_arrow, max_rows)

    return _translate_errors(PARQUET_TYPE, body, read)


def _list_columns(metadata: Any) -> list[str]:
    return [metadata.schema.column(i).path for i in range(metadata.num_columns)]


def _read_batches(batches: Iterable[Any], schema: Any, max_rows: int) -> Table:
    """Read batches until they have more rows than are taken."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    read, rows = [], 0
    for batch in batches:
        read.append(batch)
        rows += batch.num_rows
        if rows > max_rows:
            break
    return pa.Table.from_batches(read, schema if not read else read[0].schema)


def _check_decoded_size(size: int) -> None:
    if size > MAX_DECODED_BYTES:
        raise TooLargeError("the decompressed body", f"{MAX_DECODED_BYTES} bytes")


def _translate_errors(media_type: str, body: bytes, read: Callable[[], Table]) -> Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    try:
        return read()
    except UnicodeDecodeError as error:
        text = error.object
        raise TextEncodingError(f"the {media_type}", text, error.start, body.find(text)) from error
    except (pa.ArrowException, OSError, ValueError, struct.error) as error:
        # Arrow's messages have several lines, of which the first names the reason
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"the body is no {media_type}", problem) from error


READERS: Mapping[str, ReadTable] = {
    STREAM_TYPE: _read_stream,
    FILE_TYPE: _read_file,
    PARQUET_TYPE: _read_parquet,
}
"""Function by media type that reads a body as a table; each raises `RequestError`."""


def write(result: PredictionResult) -> bytes:
    """Write a result as an Arrow IPC stream; model and version stand in the schema metadata."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    loaded_model = result.loaded_model
    metadata = {MODEL_KEY: loaded_model.model.encode(), VERSION_KEY: str(loaded_model.version).encode()}
    # 17 digits: the client reads the same number
    metadata |= {name.encode(): f"{value:.17g}".encode() for name, value in result.details_head.items()}
    if isinstance(result, PartialResult):
        refusals = result.refusals
        metadata[REFUSED_KEY] = str(len(refusals.faults)).encode()
        # an index that is null takes a row of nulls
        table = _build_table(result).take(pa.array(refusals.fill(range(result.row_count), None), pa.int64()))
        table = table.append_column("error", pa.array(refusals.errors, pa.string()))
    else:
        table = _build_table(result)
    sink = pa.BufferOutputStream()
    table = table.replace_schema_metadata(metadata)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]  # pyarrow has no types


def _build_table(result: PredictionResult) -> Table:
    import pyarrow as pa  # noqa: PLC0415  heavy

    loaded_model, predictions = result.loaded_model, result.predictions
    codes = predictions.outcomes
    columns: dict[str, Any] = {"prediction": pa.array(codes)}
    if predictions.probabilities is not None:
        codes = codes.astype("int32")
        columns = {
            "prediction": pa.array(codes),
            "label": pa.array(loaded_model.labels).take(pa.array(codes)),
        }
        if loaded_model.artifact.output.task == "binary":
            # a copy: Arrow would keep the entire matrix of the batch alive for one column
            columns["probability"] = pa.array(predictions.probabilities[:, 1].copy())
        else:
            each = [pa.array(column.copy()) for column in predictions.probabilities.T]
            columns["probabilities"] = pa.StructArray.from_arrays(each, names=list(loaded_model.labels))
    for name, values in result.compute_details().items():
        columns[name] = _build_sets(values, loaded_model.labels) if name == LABEL_SET else pa.array(values)
    return pa.table({**columns, "prediction_id": pa.array(result.ids, pa.string())})


def _build_sets(members: Any, labels: Sequence[str]) -> Table:
    """Build the column of the sets of labels from their members `[n, classes]`."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    ends = np.concatenate([[0], np.cumsum(members.sum(axis=1))]).astype(np.int32)
    values = pa.array(labels).take(pa.array(np.nonzero(members)[1]))
    return pa.ListArray.from_arrays(pa.array(ends), values)
