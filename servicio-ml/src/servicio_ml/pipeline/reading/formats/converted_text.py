"""Text that is converted while it is read: from other encodings and line ends."""

import codecs
import csv
import io
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

UTF_8 = "utf-8"
CHUNK_BYTES = 1 << 16


class GeneratedText(io.RawIOBase):
    """Bytes that come in chunks, none of which is empty.

    Args:
        chunks: The bytes.
        source: File from which they are made; it is closed with this one.
    """

    def __init__(self, chunks: Iterator[bytes], source: BinaryIO) -> None:
        self._chunks, self._source, self._rest = chunks, source, b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = cast(memoryview, buffer)
        self._rest = self._rest or next(self._chunks, b"")
        taken = self._rest[: len(view)]
        view[: len(taken)] = taken
        self._rest = self._rest[len(taken) :]
        return len(taken)

    def close(self) -> None:
        self._source.close()
        super().close()


def convert_encoding(source: BinaryIO, encoding: str) -> Iterator[bytes]:
    """Convert a text of any encoding and line ends to UTF-8 with line feeds, in chunks."""
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(), translate=True)
    ended = False
    while not ended:
        chunk = source.read(CHUNK_BYTES)
        ended = not chunk
        if converted := decoder.decode(chunk, final=ended).encode(UTF_8):
            yield converted


def write_rows(rows: Iterable[Iterable[str | None]]) -> Iterator[bytes]:
    """Write rows of cells as a CSV in UTF-8, in chunks; a row without cells is a blank line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in rows:
        writer.writerow(row)
        if text.tell() >= CHUNK_BYTES:
            yield text.getvalue().encode(UTF_8)
            text.seek(0)
            text.truncate()
    if text.tell():
        yield text.getvalue().encode(UTF_8)
