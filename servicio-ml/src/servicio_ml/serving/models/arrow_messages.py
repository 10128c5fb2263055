"""Decoded size of compressed Arrow messages, read from their metadata before anything is decompressed.

The metadata are FlatBuffers: https://arrow.apache.org/docs/format/Columnar.html#recordbatch-message and
https://flatbuffers.dev/internals/
"""

import struct
from collections.abc import Iterator

DICTIONARY_BATCH, RECORD_BATCH = 2, 3
"""Values of `Message.header_type`."""
HEADER_TYPE_FIELD, HEADER_FIELD = 1, 2
"""Fields of `Message`."""
DATA_FIELD = 1
"""Field of `DictionaryBatch` that holds its record batch."""
BUFFERS_FIELD, COMPRESSION_FIELD = 2, 3
"""Fields of `RecordBatch`."""
BUFFER = struct.Struct("<qq")
"""Offset in the message's body and length of a buffer, in bytes."""
SIZE = struct.Struct("<q")
"""Decoded size of a compressed buffer, before its bytes; negative where the bytes are not compressed."""


def count_batches(body: bytes, offset: int) -> int:
    """Count the record batches of the stream that begins at an offset."""
    return sum(kind == RECORD_BATCH for kind, _ in _read_messages(body, offset))


def compute_decoded_size(body: bytes, offset: int) -> int:
    """Compute the size of all buffers of the stream that begins at an offset, decompressed, in bytes."""
    return sum(size for _, size in _read_messages(body, offset))


def _read_messages(body: bytes, offset: int) -> Iterator[tuple[int, int]]:
    """Read the type and the decoded size of each message."""
    import pyarrow as pa  # noqa: PLC0415  heavy

    # the reader verifies the metadata, so that all offsets in them are valid
    for message in pa.ipc.MessageReader.open_stream(pa.py_buffer(body).slice(offset)):
        yield _read_message(message.metadata.to_pybytes(), memoryview(message.body or b""))


def _read_message(metadata: bytes, body: memoryview) -> tuple[int, int]:
    root = struct.unpack_from("<I", metadata)[0]
    place = _find_field(metadata, root, HEADER_TYPE_FIELD)
    kind = metadata[place] if place else 0
    batch = _find_table(metadata, root, HEADER_FIELD)
    if kind == DICTIONARY_BATCH:
        batch = _find_table(metadata, batch, DATA_FIELD)
    elif kind != RECORD_BATCH:
        return kind, 0
    buffers = _find_table(metadata, batch, BUFFERS_FIELD)
    count = struct.unpack_from("<I", metadata, buffers)[0] if buffers else 0
    places = BUFFER.iter_unpack(metadata[buffers + 4 : buffers + 4 + count * BUFFER.size])
    is_compressed = bool(_find_field(metadata, batch, COMPRESSION_FIELD))
    return kind, sum(_read_size(body, *place) if is_compressed else place[1] for place in places)


def _read_size(body: memoryview, offset: int, length: int) -> int:
    # an empty buffer has no size before it
    return max(SIZE.unpack_from(body, offset)[0], length) if length >= SIZE.size else length


def _find_field(metadata: bytes, table: int, field: int) -> int:
    """Find the position of a field of a FlatBuffers table; 0 where it is absent."""
    layout = table - struct.unpack_from("<i", metadata, table)[0]
    size = struct.unpack_from("<H", metadata, layout)[0]
    place = 2 * (field + 2)
    relative = struct.unpack_from("<H", metadata, layout + place)[0] if place < size else 0
    return table + relative if relative else 0


def _find_table(metadata: bytes, table: int, field: int) -> int:
    """Find the table or vector that a field refers to; 0 where it is absent."""
    place = _find_field(metadata, table, field)
    return place + struct.unpack_from("<I", metadata, place)[0] if place else 0
