"""A file of any size as batches of typed rows: Parquet, CSV or gzipped CSV, in bounded memory."""

import codecs
import csv
import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import narwhals as nw
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import SourceError
from servicio_ml.pipeline.ingest import (
    CHUNK,
    FIRST_LINE,
    LINE,
    PARQUET_SUFFIXES,
    SURPLUS,
    as_text,
    encoding_problem,
    scan_text,
)
from servicio_ml.pipeline.layout import TYPED, Layout, Wanted, find_layout
from servicio_ml.pipeline.transform import REASON, allowed_words, inputs

BLOCK_BYTES = 4 << 20
"""Text that is parsed at a time: some ten thousand rows."""
MAX_RECORD_BYTES = 64 << 20
"""No row of a table is as long: a quote is open."""
BATCH_ROWS = 1 << 15
"""Rows of a Parquet file that are read at a time."""
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"
NUMERIC = (Kind.NUMBER, Kind.INTEGER)

Prepare = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that was read once, to know it again.

    Attributes:
        path: Where it is.
        named: What the user called it, for messages.
        digest: SHA-256 of its content.
        rows: About how many it holds: exactly in Parquet, at most in CSV.
        parquet: Whether it is a Parquet file.
        stamp: Its inode, size and time of change.
    """

    path: Path
    named: str
    digest: str
    rows: int
    parquet: bool
    stamp: tuple[int, int, int]

    def refuse_changed(self) -> None:
        """See that it is still the file that was digested.

        Raises:
            SourceError: It is not.
        """
        if _stamp(self.path) != self.stamp:
            raise SourceError(
                self.named, "it was changed while it was read; start anew with --force when it is at rest"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The rows of a file.

    Attributes:
        layout: How it is read.
        raw: Its rows as they stand there, in order; they may be skipped and cut.
        prepare: Makes of some of them `LINE`, `REASON` (null where a row can be used), the fields that the
            file holds and `Layout.kept`.
    """

    layout: Layout
    raw: Iterator[pl.DataFrame]
    prepare: Prepare


def examine(path: Path, named: str) -> Source:
    """Digest a file and see that its text is UTF-8, in one pass.

    Raises:
        SourceError: It is not there, not readable, empty, no UTF-8, or damaged.
    """
    try:
        stamp = _stamp(path)
        with path.open("rb") as file:
            magic = file.read(len(PARQUET_MAGIC))
            parquet = magic == PARQUET_MAGIC or path.suffix.lower() in PARQUET_SUFFIXES
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not magic:
            raise SourceError(named, "it is empty")
        rows = pq.read_metadata(path).num_rows if parquet else _lines(path)
    except FileNotFoundError as error:
        raise SourceError(named, "there is no such file; check --input") from error
    except UnicodeDecodeError as error:
        raise SourceError(named, encoding_problem(path)) from error
    except pa.ArrowInvalid as error:
        raise SourceError(
            named, f"it is no whole Parquet file ({_first_line(error)}); get it again"
        ) from error
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(named, f"{getattr(error, 'strerror', None) or error}") from error
    return Source(path=path, named=named, digest=digest, rows=rows, parquet=parquet, stamp=stamp)


def open_batches(source: Source, wanted: Wanted) -> Batches:
    """Find out how a file is read.

    Raises:
        DataError: It cannot be read so. Its rows raise it too, as they come.
    """
    return _parquet(source, wanted) if source.parquet else _text(source, wanted)


def _parquet(source: Source, wanted: Wanted) -> Batches:
    schema = pq.read_schema(source.path)
    layout = find_layout(wanted, schema.names, named=source.named, parquet=True)
    read = dict.fromkeys((*layout.reading.raw.values(), *layout.kept.values()))
    kinds = cast(pl.DataFrame, pl.from_arrow(schema.empty_table().select(list(read)))).schema
    fields = [column.field for column in layout.reading.columns]
    typed = layout.dialect == TYPED and all(_fits(kinds[each.name], each) for each in fields)
    prepare = _checked(layout) if typed else _parsed(layout, text=False)

    def rows() -> Iterator[pl.DataFrame]:
        first = FIRST_LINE
        with pq.ParquetFile(source.path, pre_buffer=False) as file, _told(source):
            for batch in file.iter_batches(BATCH_ROWS, columns=list(read)):
                frame = cast(pl.DataFrame, pl.from_arrow(batch))
                frame = frame.with_columns(pl.col(raw).alias(name) for name, raw in layout.kept.items())
                yield frame.with_row_index(LINE, offset=first)
                first += len(frame)

    return Batches(layout=layout, raw=rows(), prepare=prepare)


def _text(source: Source, wanted: Wanted) -> Batches:
    with _opened(source.path) as file:
        record = _first_record(file).decode("utf-8-sig")
    cells = next(csv.reader([record.rstrip("\r\n")], strict=False), [])
    if not cells:
        raise SourceError(source.named, "its first line is blank; it must hold the column names")
    layout = find_layout(wanted, cells, named=source.named, parquet=False)
    kept = [pl.col(raw).alias(name) for name, raw in layout.kept.items()]
    columns = [LINE, SURPLUS, *layout.reading.raw.values()]

    def rows() -> Iterator[pl.DataFrame]:
        with _opened(source.path) as file, _told(source):
            first = FIRST_LINE if layout.headless else FIRST_LINE + _first_record(file).count(b"\n")
            for line, block in _blocks(file, first, source.named):
                frame = scan_text(BytesIO(block), layout.names, skip=0, first=line)
                frame = frame.filter(~pl.all_horizontal(pl.exclude(LINE).is_null()))
                yield frame.select(*columns, *kept).collect()

    return Batches(layout=layout, raw=rows(), prepare=_parsed(layout, text=True))


def _parsed(layout: Layout, *, text: bool) -> Prepare:
    """As the ETL reads rows of text; typed ones are written out first."""
    kept = list(layout.kept)

    def prepare(frame: pl.DataFrame) -> pl.DataFrame:
        rows = frame.lazy() if text else as_text(frame.lazy(), kept)
        typed: pl.LazyFrame = inputs(nw.from_native(rows), layout.reading, kept).to_native()
        return typed.collect()

    return prepare


def _checked(layout: Layout) -> Prepare:
    """Typed rows as they are, with levels that are unknown as the reason."""
    fields = [column.field for column in layout.reading.columns]
    flaws = [_level_flaw(each) for each in fields if each.kind is Kind.CATEGORY]
    reason = pl.coalesce(*flaws) if flaws else pl.lit(None, dtype=pl.String)
    columns: list[str | pl.Expr] = [LINE, reason.alias(REASON), *(each.name for each in fields), *layout.kept]

    def prepare(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.select(*columns)

    return prepare


def _level_flaw(each: Field) -> pl.Expr:
    text = pl.col(each.name).cast(pl.String)
    words = pl.format(f"{each.name}: '{{}}' is not {allowed_words(each)}", text)
    return pl.when(~text.is_in(list(each.levels))).then(words)


def _fits(kind: pl.DataType, each: Field) -> bool:
    """Whether a typed column is what the field holds."""
    if kind == pl.Null:
        return True
    if each.kind in NUMERIC:
        return kind.is_numeric()
    return kind in (
        {pl.Date, pl.Datetime} if each.kind is Kind.DATE else {pl.String, pl.Categorical, pl.Enum}
    )


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return cast(BinaryIO, gzip.open(path)) if packed else path.open("rb")


def _lines(path: Path) -> int:
    """Line breaks of a text, plain or packed, that is UTF-8."""
    lines, decoder = 0, codecs.getincrementaldecoder("utf-8")()
    with _opened(path) as file:
        while chunk := file.read(CHUNK):
            decoder.decode(chunk)
            lines += chunk.count(b"\n")
    decoder.decode(b"", final=True)
    return lines


def _first_record(file: BinaryIO) -> bytes:
    """The first row, with line breaks that stand in quotes."""
    record = file.readline()
    while record.count(b'"') % 2 and len(record) < MAX_RECORD_BYTES and (more := file.readline()):
        record += more
    return record


def _blocks(file: BinaryIO, line: int, named: str) -> Iterator[tuple[int, bytes]]:
    """Whole rows of text, with the line of the first of them."""
    rest = b""
    while chunk := file.read(BLOCK_BYTES):
        rest += chunk
        cut = _whole(rest)
        if cut:
            yield line, rest[:cut]
            line += rest.count(b"\n", 0, cut)
            rest = rest[cut:]
        elif len(rest) > MAX_RECORD_BYTES:
            break
    if rest.count(b'"') % 2 or len(rest) > MAX_RECORD_BYTES:
        raise SourceError(named, f"line {_open_quote(rest, line)}: a quote is opened and not closed; mend it")
    if rest:
        yield line, rest


def _whole(block: bytes) -> int:
    """Where the last whole row ends: after a line break that stands in no quotes; 0 where there is none."""
    cut = block.rfind(b"\n") + 1
    quoted = block.count(b'"', 0, cut) % 2
    while quoted:
        before = block.rfind(b"\n", 0, cut - 1) + 1
        quoted ^= block.count(b'"', before, cut) % 2
        cut = before
    return cut


def _open_quote(rest: bytes, line: int) -> int:
    return next((number for number, text in enumerate(rest.split(b"\n"), line) if text.count(b'"') % 2), line)


@contextmanager
def _told(source: Source) -> Iterator[None]:
    try:
        yield
    except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
        raise SourceError(source.named, f"{_first_line(error)}; get it again") from error


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
