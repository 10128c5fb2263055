"""Predictions in PostgreSQL's binary format, encoded and decoded as whole tables by NumPy.

An array consists of its number of dimensions, a flag, the type of its elements and, unless it is empty, its
length and first index, then the length and value of each element (PostgreSQL, `array_send`). Numbers are big
endian. docs/benchmarks.md compares this encoder with those of psycopg and ADBC.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from struct import pack

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import Chunk, ScoredRows

COLUMNS = "prediction_id, at, model, version, protocol, purpose, features, outcome, probabilities, packed"
HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TRAILER = pack(">h", -1)
FIELD_COUNT = 10
FLOAT4, FLOAT8 = 700, 701
"""Object ids of the element types of arrays."""
MICROSECONDS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MAX_MICROSECOND = 250_000_000_000 * MICROSECONDS
"""Maximum time, in the year 9892; later times are stored as this one."""
EPOCH_MICROSECONDS = 946_684_800 * MICROSECONDS
"""Offset of PostgreSQL's epoch, 2000-01-01, from 1970-01-01."""
KEY_BYTES, ID_BYTES = 13, 16
ARRAY_HEADER_BYTES = 20

ByteArray = npt.NDArray[np.uint8]


def encode_copy(chunks: Sequence[Chunk]) -> Iterator[bytes]:
    """Encode the rows of chunks for `COPY … FROM STDIN (FORMAT binary)`."""
    yield HEADER
    # rows of one layout have one length, which a structured array needs
    for (*names, width, classes), group in groupby(chunks, _get_row_layout):
        yield _encode_rows(list(group), _build_row_template(*names, width, classes), width, classes)
    yield TRAILER


def build_ids(places: npt.NDArray[np.uint32], keys: ByteArray) -> ByteArray:
    """Build the prediction ids `[rows, 16]` from the places `[rows]` and the chunk keys `[rows, 16]`."""
    ids = keys.copy()
    ids[:, KEY_BYTES:] = places.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    return ids


def to_timestamp(at: float) -> datetime:
    """Convert seconds since 1970 to a time with microseconds, clamped to what the database can store."""
    return EPOCH + timedelta(microseconds=round(min(max(at * MICROSECONDS, 0), MAX_MICROSECOND)))


@lru_cache
def build_packed_dtype(width: int, classes: int) -> np.dtype[np.void]:
    """Layout of the numbers of a row as one byte string, which the server joins faster than arrays."""
    return np.dtype([
        ("features", "<f4", (width,)), ("outcome", "<f8"), ("probabilities", "<f8", (classes,))
    ])  # fmt: skip


def unpack_rows(count: int, packed_rows: bytes, width: int, classes: int) -> ScoredRows:
    """Decode rows from their joined byte strings."""
    table = np.frombuffer(packed_rows, build_packed_dtype(width, classes))
    return ScoredRows(
        rows=count, features=table["features"].tobytes(), outcomes=table["outcome"].tobytes(),
        probabilities=table["probabilities"].tobytes(),
    )  # fmt: skip


def decode_arrays(arrays: Sequence[bytes], size: int) -> bytes:
    """Decode arrays of equal length from `array_send` to little endian elements of `size` bytes."""
    length = len(arrays[0])
    count = max(length - ARRAY_HEADER_BYTES, 0) // (4 + size)
    sent = np.frombuffer(b"".join(arrays), np.uint8).reshape(len(arrays), length)
    elements = sent[:, length - count * (4 + size) :].reshape(-1, 4 + size)[:, 4:]
    return elements[:, ::-1].tobytes()


def _get_row_layout(chunk: Chunk) -> tuple[str, int, str, str, int, int]:
    return (
        chunk.model, chunk.version, str(chunk.protocol), str(chunk.purpose),
        len(chunk.features) // (4 * chunk.rows), len(chunk.probabilities) // (8 * chunk.rows),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _build_row_template(
    model: str, version: int, protocol: str, purpose: str, width: int, classes: int
) -> tuple[bytes, np.dtype[np.void]]:
    """Build the bytes of a row with its constant fields, and the layout of its variable fields."""
    offsets, template = dict[str, int](), bytearray(pack(">h", FIELD_COUNT))

    def add_gap(name: str, size: int) -> None:
        template.extend(pack(">i", size))
        offsets[name] = len(template)
        template.extend(bytes(size))

    def add_array(name: str, count: int, kind: int, size: int) -> None:
        shape = pack(">ii", count, 1) if count else b""
        template.extend(pack(">iiii", 12 + len(shape) + count * (4 + size), bool(count), 0, kind) + shape)
        offsets[name] = len(template)
        template.extend((pack(">i", size) + bytes(size)) * count)

    add_gap("id", ID_BYTES)
    add_gap("at", 8)
    for text in (model, None, protocol, purpose):
        value = pack(">i", version) if text is None else text.encode()
        template.extend(pack(">i", len(value)) + value)
    add_array("features", width, FLOAT4, 4)
    add_gap("outcome", 8)
    add_array("probabilities", classes, FLOAT8, 8)
    add_gap("packed", build_packed_dtype(width, classes).itemsize)
    formats = {
        "id": ("u1", (ID_BYTES,)), "at": ">i8", "outcome": ">f8",
        "features": ([("length", ">i4"), ("value", ">f4")], (width,)),
        "probabilities": ([("length", ">i4"), ("value", ">f8")], (classes,)),
        "packed": build_packed_dtype(width, classes),
    }  # fmt: skip
    layout = np.dtype({
        "names": list(offsets), "formats": [formats[name] for name in offsets],
        "offsets": list(offsets.values()), "itemsize": len(template),
    })  # fmt: skip
    return bytes(template), layout


def _encode_rows(
    chunks: Sequence[Chunk], record: tuple[bytes, np.dtype[np.void]], width: int, classes: int
) -> bytes:
    template, layout = record
    each = np.array([chunk.rows for chunk in chunks])
    rows = int(each.sum())
    # one assignment for each column instead of one encoding for each value
    table = np.frombuffer(bytearray(template * rows), layout)
    keys = np.frombuffer(b"".join(chunk.key for chunk in chunks), np.uint8).reshape(-1, ID_BYTES)
    places = np.frombuffer(b"".join(chunk.places for chunk in chunks), "<u4")
    table["id"] = build_ids(places, np.repeat(keys, each, axis=0))
    moments = [round(chunk.at * MICROSECONDS) - EPOCH_MICROSECONDS for chunk in chunks]
    table["at"] = np.repeat(np.array(moments, dtype=np.int64), each)
    outcomes = np.frombuffer(b"".join(chunk.outcomes for chunk in chunks), "<f8")
    features = np.frombuffer(b"".join(chunk.features for chunk in chunks), "<f4").reshape(rows, width)
    probabilities = np.frombuffer(b"".join(chunk.probabilities for chunk in chunks), "<f8")
    probabilities = probabilities.reshape(rows, classes)
    table["outcome"] = table["packed"]["outcome"] = outcomes
    table["features"]["value"] = table["packed"]["features"] = features
    table["probabilities"]["value"] = table["packed"]["probabilities"] = probabilities
    return table.tobytes()
