"""Predictions in PostgreSQL's binary format, made and read by the table.

An array is its number of dimensions, a flag, the type of its elements, then, unless it is empty, its length
and first index, and each element after its own length (PostgreSQL, "array_send"). Numbers are big endian.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from struct import pack

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.prediction import Chunk, Rows

COLUMNS = "prediction_id, at, model, version, protocol, purpose, features, outcome, probabilities, packed"
HEADER = b"PGCOPY\n\xff\r\n\0" + pack(">ii", 0, 0)
TRAILER = pack(">h", -1)
FIELDS = 10
FLOAT4, FLOAT8 = 700, 701
"""Object ids of the element types."""
MICROSECONDS = 1_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_MICROSECOND = 250_000_000_000 * MICROSECONDS
"""In the year 9892: later times are this one."""
EPOCH_MICROSECONDS = 946_684_800 * MICROSECONDS
"""From 1970 to 2000, where PostgreSQL's time begins."""
KEY_BYTES, ID_BYTES = 13, 16
ARRAY_HEAD_BYTES = 20

Bytes = npt.NDArray[np.uint8]


def copied(chunks: Sequence[Chunk]) -> Iterator[bytes]:
    """The rows of chunks as `COPY … FROM STDIN (FORMAT binary)` takes them."""
    yield HEADER
    for (*names, width, classes), group in groupby(chunks, _kind):
        yield _table(list(group), _record(*names, width, classes), width, classes)
    yield TRAILER


def ids_of(places: npt.NDArray[np.uint32], keys: Bytes) -> Bytes:
    """The ids `[rows, 16]` of the rows at those places of the chunks with those keys `[rows, 16]`."""
    ids = keys.copy()
    ids[:, KEY_BYTES:] = places.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:]
    return ids


def moment(at: float) -> datetime:
    """A time in seconds since 1970, to the microsecond; one that a database cannot hold is the nearest."""
    return EPOCH + timedelta(microseconds=round(min(max(at * MICROSECONDS, 0), LAST_MICROSECOND)))


@lru_cache
def packed(width: int, classes: int) -> np.dtype[np.void]:
    """A row's numbers in one string of bytes, as `Rows` has them: aggregated ten times as fast as arrays."""
    return np.dtype([
        ("features", "<f4", (width,)), ("outcome", "<f8"), ("probabilities", "<f8", (classes,))
    ])  # fmt: skip


def unpacked(count: int, packed_rows: bytes, width: int, classes: int) -> Rows:
    """Rows out of their packed numbers."""
    table = np.frombuffer(packed_rows, packed(width, classes))
    return Rows(
        rows=count, features=table["features"].tobytes(), outcomes=table["outcome"].tobytes(),
        probabilities=table["probabilities"].tobytes(),
    )  # fmt: skip


def native(arrays: Sequence[bytes], size: int) -> bytes:
    """The elements, little endian, of arrays of one length as PostgreSQL sends them; of `size` bytes each."""
    length = len(arrays[0])
    count = max(length - ARRAY_HEAD_BYTES, 0) // (4 + size)
    sent = np.frombuffer(b"".join(arrays), np.uint8).reshape(len(arrays), length)
    elements = sent[:, length - count * (4 + size) :].reshape(-1, 4 + size)[:, 4:]
    return elements[:, ::-1].tobytes()


def _kind(chunk: Chunk) -> tuple[str, int, str, str, int, int]:
    return (
        chunk.model, chunk.version, str(chunk.protocol), str(chunk.purpose),
        len(chunk.features) // (4 * chunk.rows), len(chunk.probabilities) // (8 * chunk.rows),
    )  # fmt: skip


@lru_cache(maxsize=64)
def _record(
    model: str, version: int, protocol: str, purpose: str, width: int, classes: int
) -> tuple[bytes, np.dtype[np.void]]:
    """One row with everything in it that does not change, and where the rest goes."""
    offsets, template = dict[str, int](), bytearray(pack(">h", FIELDS))

    def hole(name: str, size: int) -> None:
        template.extend(pack(">i", size))
        offsets[name] = len(template)
        template.extend(bytes(size))

    def array(name: str, count: int, kind: int, size: int) -> None:
        shape = pack(">ii", count, 1) if count else b""
        template.extend(pack(">iiii", 12 + len(shape) + count * (4 + size), bool(count), 0, kind) + shape)
        offsets[name] = len(template)
        template.extend((pack(">i", size) + bytes(size)) * count)

    hole("id", ID_BYTES)
    hole("at", 8)
    for text in (model, None, protocol, purpose):
        value = pack(">i", version) if text is None else text.encode()
        template.extend(pack(">i", len(value)) + value)
    array("features", width, FLOAT4, 4)
    hole("outcome", 8)
    array("probabilities", classes, FLOAT8, 8)
    hole("packed", packed(width, classes).itemsize)
    formats = {
        "id": ("u1", (ID_BYTES,)), "at": ">i8", "outcome": ">f8",
        "features": ([("length", ">i4"), ("value", ">f4")], (width,)),
        "probabilities": ([("length", ">i4"), ("value", ">f8")], (classes,)),
        "packed": packed(width, classes),
    }  # fmt: skip
    layout = np.dtype({
        "names": list(offsets), "formats": [formats[name] for name in offsets],
        "offsets": list(offsets.values()), "itemsize": len(template),
    })  # fmt: skip
    return bytes(template), layout


def _table(
    chunks: Sequence[Chunk], record: tuple[bytes, np.dtype[np.void]], width: int, classes: int
) -> bytes:
    template, layout = record
    each = np.array([chunk.rows for chunk in chunks])
    rows = int(each.sum())
    table = np.frombuffer(bytearray(template * rows), layout)
    keys = np.frombuffer(b"".join(chunk.key for chunk in chunks), np.uint8).reshape(-1, ID_BYTES)
    places = np.frombuffer(b"".join(chunk.places for chunk in chunks), "<u4")
    table["id"] = ids_of(places, np.repeat(keys, each, axis=0))
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
