"""Frames of pandas, polars and Arrow as Arrow streams, and back; pyarrow is loaded with the first one."""

import sys
from typing import Any, Literal, cast

from servicio_ml_client.predictions import Frame, PredictionFrame

MODEL, VERSION, REFUSED, INTERVAL, OUTLIER_LIMIT = (
    b"model", b"version", b"refused", b"interval", b"outlier_limit",
)  # fmt: skip
"""Keys in the schema metadata of an answer."""
Library = Literal["arrow", "polars", "pandas"]
Table = Any
"""Arrow table; pyarrow has no types."""


def write_frame(frame: object) -> bytes:
    """Write the rows of a frame as an Arrow stream.

    Raises:
        ImportError: pyarrow is not installed.
        TypeError: The value is no frame of pandas, polars or Arrow.
        ValueError: Arrow cannot hold a column, such as one of several types.
    """
    pa = _load_arrow()
    table = _convert_to_table(pa, frame)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return cast(bytes, sink.getvalue().to_pybytes())


def read_frame(frame: Frame, body: bytes) -> PredictionFrame[Frame]:
    """Read an Arrow stream of predictions as a frame of the library of the given one.

    Raises:
        ValueError: The body is no such stream.
    """
    pa = _load_arrow()
    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all()
    metadata = table.schema.metadata or {}
    if not {MODEL, VERSION} <= metadata.keys():
        raise ValueError("the table does not say which model and version answered")
    return PredictionFrame(
        model=metadata[MODEL].decode(), version=int(metadata[VERSION]),
        predictions=_convert_from_table(frame, table.replace_schema_metadata(None)),
        refused=int(metadata[REFUSED]) if REFUSED in metadata else None,
        interval=float(metadata[INTERVAL]) if INTERVAL in metadata else None,
        outlier_limit=float(metadata[OUTLIER_LIMIT]) if OUTLIER_LIMIT in metadata else None,
    )  # fmt: skip


def read_logged_frame(library: Library, body: bytes) -> Any:
    """Read an Arrow stream of logged predictions as a frame of a library.

    Raises:
        ImportError: The library, or pyarrow, is not installed.
        ValueError: The body is no such stream.
    """
    pa = _load_arrow()
    with pa.ipc.open_stream(body) as reader:
        table = reader.read_all().replace_schema_metadata(None)
    if library == "polars":
        import polars as pl  # noqa: PLC0415  optional

        return pl.from_arrow(table)
    return table.to_pandas() if library == "pandas" else table


def _load_arrow() -> Any:
    try:
        import pyarrow as pa  # noqa: PLC0415  optional
    except ImportError as error:
        raise ImportError("frames need pyarrow: pip install 'servicio-ml-client[arrow]'") from error
    return pa


def _convert_to_table(pa: Any, frame: Any) -> Table:
    if _is_instance(frame, "pandas", "DataFrame"):
        # the index is no field
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    if _is_instance(frame, "polars", "DataFrame"):
        return frame.to_arrow()
    if isinstance(frame, pa.Table):
        return frame
    kind = f"{type(frame).__module__}.{type(frame).__qualname__}"
    raise TypeError(f"{kind} is no frame; give a pandas or polars DataFrame, or a pyarrow Table")


def _convert_from_table(frame: Frame, table: Table) -> Frame:
    found: Any = table
    if _is_instance(frame, "pandas", "DataFrame"):
        found = table.to_pandas()
        found.index = cast(Any, frame).index
    elif _is_instance(frame, "polars", "DataFrame"):
        found = sys.modules["polars"].from_arrow(table)
    return cast(Frame, found)


def _is_instance(frame: object, library: str, name: str) -> bool:
    # a frame exists only if its library is loaded, so that nothing is imported to find out
    module = sys.modules.get(library)
    return module is not None and isinstance(frame, getattr(module, name))
