"""Kinds of files that are not read, recognized by their content, each with the remedy."""

import re

GZIP_MAGIC, ZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
FOREIGN_MAGIC = {
    b"PK\x05\x06": "an empty zip archive",
    b"BZh": "packed by bzip2; unpack it, or pack it by gzip",
    b"\xfd7zXZ\x00": "packed by xz; unpack it, or pack it by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd; unpack it, or pack it by gzip",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive; unpack it, or pack it by gzip",
    b"Rar!": "a rar archive; unpack it, or pack it by gzip",
    b"%PDF": "a PDF; export the table as CSV (UTF-8)",
    b"ARROW1": "an Arrow file; write it as Parquet",
    b"\xff\xff\xff\xff": "an Arrow stream; write it as Parquet",
    b"ORC": "an ORC file; write it as Parquet",
    b"Obj\x01": "an Avro file; write it as Parquet",
    b"SQLite format 3\x00": "a SQLite database; export the table as CSV (UTF-8)",
    b"\x89HDF": "an HDF5 file; write it as Parquet",
    b"\x80\x04\x95": "a pickle of Python, which is never loaded; write it as Parquet",
    b"\x80\x05\x95": "a pickle of Python, which is never loaded; write it as Parquet",
}
TAR_MARK, TAR_OFFSET = b"ustar", 257
SHOWN_CHARACTERS = 1 << 16


class UnknownFormatError(Exception):
    """The content is no text that can be read; the message says what it is and what to do."""


class NoTextError(UnknownFormatError):
    """The content is of no format that is known."""


def refuse_foreign_bytes(head: bytes, where: str) -> None:
    """Refuse content that begins like a format which is not read.

    Raises:
        UnknownFormatError: The message begins with `where`, then names the format.
    """
    for magic, what in FOREIGN_MAGIC.items():
        if head.startswith(magic):
            raise UnknownFormatError(f"{where}{what}")
    if head[TAR_OFFSET:].startswith(TAR_MARK):
        raise UnknownFormatError(f"{where}a tar archive; unpack it and give one file")
    if where != "it is " and head.startswith((PARQUET_MAGIC, ZIP_MAGIC, GZIP_MAGIC)):
        raise UnknownFormatError(f"{where}another packed or Parquet file; unpack it and give that one")


def refuse_foreign_text(text: str) -> None:
    """Refuse text that is neither a CSV nor JSON lines.

    Raises:
        UnknownFormatError: The text is another JSON, HTML or XML.
    """
    start = text.lstrip()[:SHOWN_CHARACTERS]
    if re.match(r'[\[{]\s*(["{\[]|$)', start):
        kind = "a JSON array" if start[0] == "[" else "a JSON object of several lines"
        raise UnknownFormatError(
            f"it is {kind}; write one object a line (JSON lines), CSV (UTF-8) or Parquet"
        )
    if re.match(r"<(!doctype html|html|\?xml)", start, re.IGNORECASE):
        raise UnknownFormatError(
            "it is a page of HTML or XML and no CSV file; check the address, or export CSV (UTF-8)"
        )
