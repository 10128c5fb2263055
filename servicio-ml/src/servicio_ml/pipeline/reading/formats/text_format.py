"""Format of a text file, found by its content: packing, encoding, line ends and delimiter.

| part | read | named and refused |
|---|---|---|
| packing | none, gzip, zip with one file | zip with several files or a password, bzip2, xz, zstd |
| encoding | UTF-8, UTF-16 and UTF-32, with or without a byte-order mark | others |
| line ends | LF, CR LF, CR | |
| delimiter | comma, semicolon, tab, bar | |
| content | CSV, JSON lines, workbooks | other JSON, HTML, XML, PDF, Arrow, ORC, Avro, SQLite, HDF5, pickles |
| marks | a byte-order mark | two of them, Excel's line `sep=;`, Ctrl-Z at the end |
"""

import codecs
import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from servicio_ml.pipeline.reading.formats.converted_text import (
    CHUNK_BYTES,
    UTF_8,
    GeneratedText,
    convert_encoding,
)
from servicio_ml.pipeline.reading.formats.excel import OLD_MAGIC, check_size, convert_sheet, is_workbook
from servicio_ml.pipeline.reading.formats.file_marks import BYTE_ORDER_MARK, refuse_start_mark
from servicio_ml.pipeline.reading.formats.foreign_formats import (
    GZIP_MAGIC,
    SHOWN_CHARACTERS,
    TAR_MARK,
    TAR_OFFSET,
    ZIP_MAGIC,
    NoTextError,
    UnknownFormatError,
    refuse_foreign_bytes,
    refuse_foreign_text,
)
from servicio_ml.pipeline.reading.formats.json_lines import convert_to_csv, is_object
from servicio_ml.pipeline.reading.number_text import POINT

MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks, the longer ones first: that of UTF-32 begins with that of UTF-16."""
DELIMITERS = ",;\t|"
WORKBOOK = "workbook"
HEAD_BYTES = 1 << 20
"""Size of the beginning by which the format is found; headers of hundreds of columns fit."""
SHOWN_MEMBERS = 3
MAX_RECORD_BYTES = 64 << 20
"""Longest row that is read; in a longer one a quote is not closed."""
QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFormat:
    r"""Format of a text.

    Attributes:
        packing: `gzip`, `zip`, `workbook`, or empty.
        encoding: Python's name of the encoding.
        line_end: `\n` (also for CR LF) or `\r`.
        delimiter: Character between two cells.
        is_json: Whether each line is a JSON object, see `json_lines`.
        keys: Keys of the objects, which name the columns.
    """

    packing: str = ""
    encoding: str = UTF_8
    line_end: str = "\n"
    delimiter: str = ","
    is_json: bool = False
    keys: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether the bytes of the file are a CSV in UTF-8 with line feeds."""
        return not self.packing and self.is_utf_8 and not self.is_json

    @property
    def decimal_marks(self) -> str:
        """Decimal mark of a dialect that declares none; empty where a comma is as likely as a point."""
        # a semicolon is used where the comma is the decimal mark
        return "" if self.delimiter == ";" else "."

    @property
    def is_utf_8(self) -> bool:
        return self.encoding == UTF_8 and self.line_end == "\n"

    def open(self, path: Path, decimal: str = POINT) -> BinaryIO:
        """Open a file for reading its rows as bytes: a CSV in UTF-8 with line feeds.

        JSON lines become rows without a header. Their numbers, and those of a workbook, have the decimal mark
        of the dialect.
        """
        lines = self.open_lines(path, decimal)
        if not self.is_json:
            return lines
        return io.BufferedReader(GeneratedText(convert_to_csv(lines, self.keys, decimal), lines))

    def open_lines(self, path: Path, decimal: str = POINT) -> BinaryIO:
        """Open a file for reading its lines as bytes: UTF-8 with line feeds."""
        unpacked = _open_unpacked(path, self.packing, decimal)
        if self.is_utf_8:
            return unpacked
        # the delimiter stays: replacing it would need a parser for quotes
        return io.BufferedReader(GeneratedText(convert_encoding(unpacked, self.encoding), unpacked))


def detect_text_format(path: Path) -> TextFormat:
    """Find the format of a text file by its content.

    Raises:
        UnknownFormatError: The content is no table of text.
        OSError: The file cannot be read.
    """
    packing = _detect_packing(path)
    with _open_unpacked(path, packing) as unpacked:
        head = unpacked.read(HEAD_BYTES)
    if packing in {"gzip", "zip"}:
        refuse_foreign_bytes(head, f"its {packing} archive holds ")
    encoding = _detect_encoding(head)
    # a character may be cut at the end of the head, so errors are found later, when all is read
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head).removeprefix(BYTE_ORDER_MARK)
    is_json = _is_json_lines(text)
    if not is_json:
        refuse_start_mark(text)
        refuse_foreign_text(text)
    line_end = "\r" if _find_first_line_end(text) == "\r" else "\n"
    return TextFormat(
        packing=packing,
        encoding=encoding,
        line_end=line_end,
        delimiter="," if is_json else _detect_delimiter(text),
        is_json=is_json,
    )


def _open_unpacked(path: Path, packing: str, decimal: str = POINT) -> BinaryIO:
    if packing == WORKBOOK:
        return io.BufferedReader(GeneratedText(convert_sheet(path, decimal), path.open("rb")))
    if packing == "gzip":
        return cast(BinaryIO, gzip.open(path))
    if packing == "zip":
        # the member keeps the archive's file open
        archive = zipfile.ZipFile(path)
        return cast(BinaryIO, archive.open(_list_members(archive)[0]))
    return path.open("rb")


def _detect_packing(path: Path) -> str:
    with path.open("rb") as file:
        magic = file.read(TAR_OFFSET + len(TAR_MARK))
    if magic.startswith(GZIP_MAGIC):
        return "gzip"
    if magic.startswith(OLD_MAGIC):
        return WORKBOOK
    if magic.startswith(ZIP_MAGIC):
        return _detect_archive(path)
    refuse_foreign_bytes(magic, "it is ")
    return ""


def _detect_archive(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        if is_workbook(archive):
            check_size(archive)
            return WORKBOOK
        members = _list_members(archive)
        names = [each.filename for each in members]
    if len(members) != 1:
        shown = ", ".join(names[:SHOWN_MEMBERS]) or "none"
        raise UnknownFormatError(
            f"its zip archive holds {len(members)} files ({shown} …); unpack it and give one"
        )
    if members[0].flag_bits & 1:
        raise UnknownFormatError("its zip archive needs a password; unpack it")
    return "zip"


def _list_members(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    # archives of macOS carry a folder of their own metadata
    hidden = ("__MACOSX/", ".DS_Store")
    return [each for each in archive.infolist() if not each.is_dir() and not each.filename.startswith(hidden)]


def _detect_encoding(head: bytes) -> str:
    for mark, encoding in MARKS.items():
        if head.startswith(mark):
            return encoding
    if b"\0" not in head:
        return UTF_8
    # in UTF-16 text of Latin letters, every other byte is zero
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 4
    if max(even, odd) > half and min(even, odd) < half // 10 + 1:
        return "utf-16-be" if even > odd else "utf-16-le"
    raise NoTextError(
        f"it is no text: byte {head.index(0) + 1} is zero; export the table as CSV (UTF-8) or Parquet"
    )


def _is_json_lines(text: str) -> bool:
    """Whether each line seems to be an object, by the first two; a later check finds the broken ones."""
    start = text.lstrip()
    if not start.startswith("{"):
        return False
    first, *others = re.split(r"[\r\n]+\s*", start, maxsplit=2)
    # the first line may be the broken one, and it may be cut at the end of the head
    return is_object(first) or (bool(others) and others[0].startswith("{")) or len(first) >= SHOWN_CHARACTERS


def _find_first_line_end(text: str) -> str:
    found = re.search(r"\r\n|\n|\r", QUOTED.sub("", text[:CHUNK_BYTES]) or text)
    return found.group() if found else "\n"


def _detect_delimiter(text: str) -> str:
    """Find the delimiter: that of most cells in the first row, a comma where none is more frequent."""
    first = re.split(r"[\r\n]", QUOTED.sub("", text.lstrip("\r\n")), maxsplit=1)[0]
    return max(DELIMITERS, key=first.count)


def count_cells(block: bytes, delimiter: str) -> list[int]:
    """Count the cells of each row of a block of complete rows; 0 for a blank line."""
    if b'"' not in block:
        mark = delimiter.encode()
        lines = block.removesuffix(b"\n").split(b"\n")
        return [line.count(mark) + 1 if line not in {b"", b"\r"} else 0 for line in lines]
    return [len(cells) for cells in parse_rows(block.decode(UTF_8), delimiter)]


def parse_rows(text: str, delimiter: str) -> Iterator[list[str]]:
    """Parse the cells of complete rows, however large they are."""
    # the default limit of a cell is 128 KiB
    limit = csv.field_size_limit(MAX_RECORD_BYTES)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    finally:
        # one limit for the whole process, also for readers of other files
        csv.field_size_limit(limit)
