"""Arrow and Parquet bodies; the library is loaded with the first of them."""

from collections.abc import Callable, Mapping
from typing import Any

from servicio_ml.errors import RequestError
from servicio_ml.serving.served import Answered

STREAM, FILE, PARQUET = (
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.arrow.file",
    "application/vnd.apache.parquet",
)
MODEL, VERSION = b"model", b"version"
"""Keys of the answer's schema metadata."""


def _stream(body: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy

    return _read(STREAM, lambda: pa.ipc.open_stream(body).read_all())


def _file(body: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy

    return _read(FILE, lambda: pa.ipc.open_file(body).read_all())


def _parquet(body: bytes) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy
    import pyarrow.parquet as pq  # noqa: PLC0415  heavy

    return _read(PARQUET, lambda: pq.read_table(pa.BufferReader(body)))


def _read(what: str, read: Callable[[], Any]) -> Any:
    import pyarrow as pa  # noqa: PLC0415  heavy

    try:
        return read()
    except (pa.ArrowException, OSError, ValueError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RequestError(f"the body is no {what}", problem) from error


READERS: Mapping[str, Callable[[bytes], Any]] = {STREAM: _stream, FILE: _file, PARQUET: _parquet}
"""Media type to what makes a table of a body; each raises `RequestError`."""


def write(answered: Answered) -> bytes:
    """The answers as an Arrow IPC stream: one column each, model and version in the schema's metadata."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    served = answered.served
    metadata = {MODEL: served.model.encode(), VERSION: str(served.version).encode()}
    predictions = answered.predictions
    codes = predictions.outcomes
    columns: dict[str, Any] = {"prediction": pa.array(codes)}
    if predictions.probabilities is not None:
        codes = codes.astype("int32")
        columns = {"prediction": pa.array(codes), "label": pa.array(served.labels).take(pa.array(codes))}
        if served.artifact.output.task == "binary":
            columns["probability"] = pa.array(predictions.probabilities[:, 1].copy())
        else:
            each = [pa.array(column.copy()) for column in predictions.probabilities.T]
            columns["probabilities"] = pa.StructArray.from_arrays(each, names=list(served.labels))
    columns["prediction_id"] = pa.array(answered.ids)
    table = pa.table(columns).replace_schema_metadata(metadata)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]  # pyarrow has no types
