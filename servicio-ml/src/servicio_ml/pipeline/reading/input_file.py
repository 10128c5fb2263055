"""Raw files on disk: their kind, digest, size and encoding, and their text with gzip unpacked."""

import codecs
import csv
import hashlib
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from servicio_ml.errors import SourceError
from servicio_ml.pipeline.reading.formats.converted_text import UTF_8
from servicio_ml.pipeline.reading.formats.file_marks import refuse_end_mark
from servicio_ml.pipeline.reading.formats.foreign_formats import (
    PARQUET_MAGIC,
    NoTextError,
    UnknownFormatError,
)
from servicio_ml.pipeline.reading.formats.json_lines import collect_keys
from servicio_ml.pipeline.reading.formats.text_format import TextFormat, detect_text_format
from servicio_ml.pipeline.reading.number_text import POINT

CHUNK_BYTES = 1 << 20
PARQUET_SUFFIXES = (".parquet", ".pq")
FIRST_LINE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A text or Parquet file that has been inspected.

    Attributes:
        path: Path of the file.
        source_name: Name by which the user knows the file, for messages.
        digest: SHA-256 of the content, in hexadecimal digits.
        estimated_rows: Exact number of rows of a Parquet file; upper bound for a text.
        is_parquet: Whether the file is a Parquet file, by its content or its suffix.
        stamp: Inode, size in bytes and modification time in nanoseconds.
        text_format: Format of a text file.
    """

    path: Path
    source_name: str
    digest: str
    estimated_rows: int
    is_parquet: bool
    stamp: tuple[int, int, int]
    text_format: TextFormat = field(default_factory=TextFormat)

    def open_text(self, decimal: str = POINT) -> BinaryIO:
        """Open a text file for reading its rows as bytes, see `TextFormat.open`."""
        return self.text_format.open(self.path, decimal)

    @property
    def has_names(self) -> bool:
        """Whether the format names the columns, so that no line is a header."""
        return self.is_parquet or self.text_format.is_json

    def check_unchanged(self) -> None:
        """Check that the file is still the one that was inspected.

        Raises:
            SourceError: The file has changed.
        """
        if _read_stamp(self.path) != self.stamp:
            raise SourceError(
                self.source_name,
                "the file was changed while it was read; start again with --force when it no longer changes",
            )


def inspect_file(path: Path, source_name: str, *, option: str = "--input") -> InputFile:
    """Digest a file, find its format by its content, and check that it is text as a whole, or Parquet.

    Args:
        path: Path of the file.
        source_name: Name by which the user knows the file, for messages.
        option: Command-line option that named the file, for messages.

    Raises:
        SourceError: The file is missing, unreadable, empty, damaged, or no table of text.
    """
    with _translate_access_errors(path, source_name, option):
        stamp = _read_stamp(path)
        magic = _read_magic(path)
        if not magic:
            raise SourceError(source_name, "it is empty")
        is_parquet = magic == PARQUET_MAGIC or _is_damaged_parquet(path)
        if is_parquet:
            text_format, rows = TextFormat(), pq.read_metadata(path).num_rows
        else:
            text_format, rows = _inspect_text(path)
        return InputFile(
            path=path,
            source_name=source_name,
            digest=compute_file_digest(path),
            estimated_rows=rows,
            is_parquet=is_parquet,
            stamp=stamp,
            text_format=text_format,
        )


def copy_input_file(source: Path, source_name: str, folder: Path) -> InputFile:
    """Copy a raw file to a folder where nobody changes it, and inspect the copy.

    Raises:
        SourceError: The file is missing, unreadable, empty, damaged, or no table of text.
    """
    # the suffix is kept: it identifies a Parquet file by name, and names the raw copy in the lake
    copy = folder / f"raw{source.suffix.lower() or '.csv'}"
    with _translate_access_errors(source, source_name, "--source"):
        shutil.copyfile(source, copy)
    return inspect_file(copy, source_name, option="--source")


def compute_file_digest(path: Path) -> str:
    """Compute the SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def translate_read_errors(file: InputFile) -> Iterator[None]:
    """Translate the errors of the libraries and the operating system while a file is parsed.

    Raises:
        SourceError: The rows cannot be read.
    """
    try:
        yield
    except UnknownFormatError as error:  # the file has changed since its inspection
        raise SourceError(file.source_name, str(error)) from error
    except (pl.exceptions.PolarsError, pa.ArrowException, csv.Error, OSError, zipfile.BadZipFile) as error:
        raise build_parse_error(file, error) from error


def build_parse_error(file: InputFile, error: Exception) -> SourceError:
    """Explain why a file cannot be parsed, with the line of an unclosed quote if there is one."""
    # Arrow's errors of damaged pages are OSErrors without a number
    if file.is_parquet and getattr(error, "errno", None) is None:
        problem = f"it is no complete Parquet file ({summarize_error(error)}); get it again"
        return SourceError(file.source_name, problem)
    if isinstance(error, OSError | zipfile.BadZipFile):
        return SourceError(file.source_name, f"{summarize_error(error)}; get it again")
    # Polars reports an open quote at the end of the file; people need the line where it was opened
    with file.open_text() as text:
        for number, line in enumerate(text, FIRST_LINE):
            if line.count(b'"') % 2:
                return build_quote_error(file.source_name, number)
    return SourceError(file.source_name, f"it is no CSV file ({summarize_error(error)})")


def build_quote_error(source_name: str, line: int) -> SourceError:
    return SourceError(source_name, f"line {line}: a quote is opened and not closed; fix this line")


def summarize_error(error: Exception) -> str:
    """Return the first line of an error's message."""
    return str(error).strip().split("\n", 1)[0]


@contextmanager
def _translate_access_errors(path: Path, source_name: str, option: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(source_name, f"there is no such file; check {option}") from error
    # searched for only after a failure: most files are valid, and looking by line is slower
    except UnicodeDecodeError as error:
        if _read_magic(path) == PARQUET_MAGIC:
            problem = f"its column name {error.object!r} is no UTF-8; rename it"
            raise SourceError(source_name, problem) from error
        raise SourceError(source_name, _locate_encoding_error(path)) from error
    except pa.ArrowInvalid as error:
        problem = f"it is no complete Parquet file ({summarize_error(error)}); get it again"
        raise SourceError(source_name, problem) from error
    except UnknownFormatError as error:
        raise SourceError(source_name, str(error)) from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise SourceError(source_name, f"{getattr(error, 'strerror', None) or error}") from error


def _locate_encoding_error(path: Path) -> str:
    """Describe where the first byte is that is not of the text's encoding."""
    found = detect_text_format(path)
    if found.encoding != UTF_8:
        name = found.encoding.upper()
        return f"it begins as {name} text, but is damaged or cut off; get it again, or save it as UTF-8"
    with replace(found, line_end="\n").open_lines(path) as file:
        for number, line in enumerate(file, FIRST_LINE):
            try:
                line.decode(UTF_8)
            except UnicodeDecodeError as error:
                where = f"line {number}, byte {error.start + 1}: 0x{line[error.start]:02x} is no UTF-8"
                return f"{where}; save the file as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    return "it is no UTF-8 text"


def _inspect_text(path: Path) -> tuple[TextFormat, int]:
    """Find the format of a text, check it as a whole, and count its lines."""
    found = detect_text_format(path)
    if not found.is_json:
        return found, _count_lines(path, found)
    with found.open_lines(path) as lines:
        keys, count = collect_keys(lines)
    return replace(found, keys=keys), count


def _count_lines(path: Path, text_format: TextFormat) -> int:
    """Count the line breaks of a text; raises UnicodeDecodeError if it is not of its encoding."""
    # an incremental decoder, since a chunk may end within a character
    lines, last, decoder = 0, b"", codecs.getincrementaldecoder(UTF_8)()
    with text_format.open(path) as file:
        while chunk := file.read(CHUNK_BYTES):
            decoder.decode(chunk)
            lines += chunk.count(b"\n")
            last = chunk.rstrip(b"\r\n")[-1:] or last
    decoder.decode(b"", final=True)
    refuse_end_mark(last)
    return lines


def _is_damaged_parquet(path: Path) -> bool:
    """Whether a file is called Parquet and is of no other format, nor a text with lines of its own."""
    if path.suffix.lower() not in PARQUET_SUFFIXES:
        return False
    try:
        found = detect_text_format(path)
    except NoTextError:
        return True
    except UnknownFormatError:
        return False
    with path.open("rb") as file:
        return found.is_plain and b"\n" not in file.read(CHUNK_BYTES)


def _read_magic(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(PARQUET_MAGIC))


def _read_stamp(path: Path) -> tuple[int, int, int]:
    # the inode finds a file that was replaced, the time in ns one that was overwritten in place
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
