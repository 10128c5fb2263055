"""Decoded size of Parquet pages, read from their headers before anything is decompressed.

The headers are in Thrift's compact protocol: https://parquet.apache.org/docs/file-format/data-pages/ and
https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

STOP, TRUE, FALSE, BYTE, SHORT, INT, LONG, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
"""Types of the compact protocol."""
DECODED_SIZE, STORED_SIZE, DATA_HEADER, DATA_HEADER_2 = 2, 3, 5, 8
"""Fields of `PageHeader`."""
ROW_GROUPS, COLUMN_CHUNKS, CHUNK_METADATA = 4, 1, 3
"""Fields of `FileMetaData`, `RowGroup` and `ColumnChunk`."""
CHUNK_SIZE, DATA_PAGE_OFFSET, DICTIONARY_PAGE_OFFSET = 7, 9, 11
"""Fields of `ColumnMetaData`."""
FOOTER_BYTES, MAGIC_BYTES = 8, 4
"""Size of the end of a file, which holds the size of its metadata, and of the magic bytes there."""
ENCODING_FIELDS = {DATA_HEADER: 2, DATA_HEADER_2: 4}
"""Field with the encoding of the values, by the field of the header that holds it."""
DELTA_BYTE_ARRAY = 7
"""Encoding of a text as the length that it shares with the text before it, and the rest."""
DOUBLE_BYTES = 8
MAX_NESTING = 8
MAX_NUMBER_BITS, CONTINUATION = 64, 0x80
"""Maximum size of a number, and the bit of a byte after which the number goes on."""
LONG_FORM = 15
"""Size of a list from which it stands after the list's head."""
Struct = Mapping[int, Any]


class PageError(ValueError):
    """A page header cannot be read."""


def read_pages(body: bytes, columns: int) -> Iterator[tuple[int, bool]]:
    """Read the decoded size of each page in bytes, and whether its texts share their beginnings.

    Args:
        body: Parquet file.
        columns: Number of its columns.

    Raises:
        PageError: The metadata or a page header cannot be read.
    """
    # read here, not by pyarrow: its accessors end the process where a row group lacks a column
    for group in _read_list(_read_metadata(body), ROW_GROUPS):
        chunks = _read_list(group, COLUMN_CHUNKS)
        if len(chunks) != columns:
            raise PageError(f"a row group has {len(chunks)} columns of {columns}")
        for chunk in chunks:
            metadata = chunk.get(CHUNK_METADATA) if isinstance(chunk, dict) else None
            if not isinstance(metadata, dict):
                raise PageError("a column has no metadata")
            first = _read_size(metadata, DATA_PAGE_OFFSET)
            dictionary = (
                _read_size(metadata, DICTIONARY_PAGE_OFFSET) if DICTIONARY_PAGE_OFFSET in metadata else 0
            )
            start = min(first, dictionary) if dictionary else first
            yield from _read_chunk(body, start, start + _read_size(metadata, CHUNK_SIZE))


def _read_metadata(body: bytes) -> Struct:
    size = int.from_bytes(body[-FOOTER_BYTES:-MAGIC_BYTES], "little")
    start = len(body) - FOOTER_BYTES - size
    if start < MAGIC_BYTES:
        raise PageError(f"its metadata have {size} bytes, and the file has {len(body)}")
    return _Cursor(body, start).read_struct()


def _read_list(struct: object, field: int) -> Sequence[object]:
    found = struct.get(field) if isinstance(struct, dict) else None
    return found if isinstance(found, list) else ()


def _read_chunk(body: bytes, start: int, end: int) -> Iterator[tuple[int, bool]]:
    if not 0 <= start <= end <= len(body):
        raise PageError(f"a column has the bytes {start} to {end} of {len(body)}")
    cursor = _Cursor(body, start)
    while cursor.place < end:
        header = cursor.read_struct()
        stored, decoded = _read_size(header, STORED_SIZE), _read_size(header, DECODED_SIZE)
        encodings = [_read_encoding(header.get(key), field) for key, field in ENCODING_FIELDS.items()]
        yield decoded, DELTA_BYTE_ARRAY in encodings
        cursor.place += stored


def _read_size(header: Struct, field: int) -> int:
    size = header.get(field)
    if not isinstance(size, int) or size < 0:
        raise PageError("a page has no size")
    return size


def _read_encoding(header: object, field: int) -> object:
    return header.get(field) if isinstance(header, dict) else None


class _Cursor:
    """Reader of the compact protocol from a place on."""

    def __init__(self, body: bytes, place: int) -> None:
        self._body, self.place = body, place

    def read_struct(self, depth: int = 0) -> Struct:
        if depth > MAX_NESTING:
            raise PageError("a header is nested too deeply")
        fields: dict[int, Any] = {}
        field = 0
        while head := self._read_byte():
            # the upper half is the distance from the field before, or 0 with the number after it
            delta, kind = head >> 4, head & 0x0F
            field = field + delta if delta else self._read_signed()
            fields[field] = self._read_value(kind, depth)
        return fields

    def _read_value(self, kind: int, depth: int) -> Any:
        if kind in {TRUE, FALSE}:
            return kind == TRUE
        if kind in {SHORT, INT, LONG}:
            return self._read_signed()
        if kind == STRUCT:
            return self.read_struct(depth + 1)
        if kind in {LIST, SET}:
            return self._read_list(depth)
        # statistics and the like: nothing of them is read
        length = self._read_length(kind)
        self.place += length
        return None

    def _read_length(self, kind: int) -> int:
        if kind not in {BYTE, DOUBLE, BINARY}:
            raise PageError(f"a header has a value of type {kind}")
        return {BYTE: 1, DOUBLE: DOUBLE_BYTES}.get(kind) or self._read_unsigned()

    def _read_list(self, depth: int) -> list[Any]:
        head = self._read_byte()
        size, kind = head >> 4, head & 0x0F
        # in a list a truth value takes a byte, unlike in a struct
        kind = BYTE if kind in {TRUE, FALSE} else kind
        size = self._read_unsigned() if size == LONG_FORM else size
        # each value has a byte at least, so that a long list ends with the file
        return [self._read_value(kind, depth + 1) for _ in range(size)]

    def _read_byte(self) -> int:
        if self.place >= len(self._body):
            raise PageError("the file ends within a header")
        self.place += 1
        return self._body[self.place - 1]

    def _read_unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._read_byte()
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < CONTINUATION:
                return value
            if shift > MAX_NUMBER_BITS:
                raise PageError(f"a header has a number of more than {MAX_NUMBER_BITS} bits")

    def _read_signed(self) -> int:
        value = self._read_unsigned()
        return (value >> 1) ^ -(value & 1)
