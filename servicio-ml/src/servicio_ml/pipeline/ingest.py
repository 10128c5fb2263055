"""From a raw file to rows of text: an unchanging copy, its spelling (dialect) and its source lines."""

import codecs
import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import polars as pl

from servicio_ml.domain.use_case import Dialect, UseCase
from servicio_ml.errors import ColumnsError, SourceError, listed

LINE = "_line"
SURPLUS = "_surplus"
"""A field beyond the header's: present in a row that has too many."""

CHUNK = 1 << 20
"""Bytes read at a time."""

FIRST_LINE_AFTER_HEADER, FIRST_LINE = 2, 1
PARQUET_SUFFIXES = (".parquet", ".pq")
DATUM = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)|\d{4}-\d{2}-\d{2})\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A copy of the raw file that nobody else changes.

    Attributes:
        path: The copy.
        digest: SHA-256 of its content.
        named: What the user called the source, for messages.
    """

    path: Path
    digest: str
    named: str

    @property
    def is_parquet(self) -> bool:
        return self.path.suffix.lower() in PARQUET_SUFFIXES


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRows:
    """Rows of text, lazily: `LINE`, `SURPLUS` and the raw columns that are read.

    `LINE` is the row's line in the file, as long as no text above it holds a line break.

    Attributes:
        frame: The rows; an empty text is null and a blank line is no row.
        dialect: How the file is spelt.
        columns: The raw columns that are read.
        absent: Optional fields that the file lacks.
        ignored: Columns of the file that the use case does not read.
    """

    frame: pl.LazyFrame
    dialect: Dialect
    columns: tuple[str, ...]
    absent: tuple[str, ...]
    ignored: tuple[str, ...]


def take_snapshot(source: Path, named: str, folder: Path) -> Snapshot:
    """Copy a raw file, digest it and see that it is UTF-8 text (or Parquet), in one pass.

    Raises:
        SourceError: It is not there, not readable, empty, or no UTF-8.
    """
    target = folder / f"raw{source.suffix.lower() or '.csv'}"
    digest, decoder, done = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), 0
    text = target.suffix not in PARQUET_SUFFIXES
    try:
        with source.open("rb") as origin, target.open("wb") as copy:
            while chunk := origin.read(CHUNK):
                copy.write(chunk)
                digest.update(chunk)
                if text:
                    decoder.decode(chunk)
                done += len(chunk)
        if text:
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise SourceError(named, encoding_problem(source)) from error
    except FileNotFoundError as error:
        raise SourceError(named, "there is no such file; check --source") from error
    except OSError as error:
        raise SourceError(named, f"{error.strerror or error}") from error
    if not done:
        raise SourceError(named, "it is empty")
    return Snapshot(path=target, digest=digest.hexdigest(), named=named)


def read_rows(snapshot: Snapshot, use_case: UseCase) -> RawRows:
    """The rows of a snapshot, spelt as the first dialect whose columns are all there.

    Raises:
        SourceError: It cannot be parsed.
        ColumnsError: No dialect of the use case fits.
    """
    header = _header(snapshot)
    dialect, names = _dialect(snapshot, use_case, header)
    wanted = columns_of(use_case, dialect)
    columns = tuple(dict.fromkeys(column for column in wanted.values() if column in names))
    if twice := [column for column in columns if list(names).count(column) > 1]:
        raise SourceError(
            snapshot.named, f"column {listed(map(repr, twice))} is there twice; keep one of them"
        )
    first = FIRST_LINE if dialect.header else FIRST_LINE_AFTER_HEADER
    frame = (
        _parquet(snapshot)
        if snapshot.is_parquet
        else scan_text(snapshot.path, names, skip=first - FIRST_LINE, first=first)
    )
    return RawRows(
        frame=frame.filter(~pl.all_horizontal(pl.exclude(LINE).is_null())).select(LINE, SURPLUS, *columns),
        dialect=dialect,
        columns=columns,
        absent=tuple(name for name, column in wanted.items() if column not in names),
        ignored=tuple(name for name in names if name and name not in columns),
    )


def columns_of(use_case: UseCase, dialect: Dialect) -> dict[str, str]:
    """Field (and target) name to its raw column in a dialect."""
    declared = {each.name: each.column for each in use_case.schema.fields}
    declared[use_case.target.name] = use_case.target.column
    return {name: dialect.columns.get(name, column) for name, column in declared.items()}


def parse_problem(snapshot: Snapshot, error: Exception) -> SourceError:
    """What a failed parse means, with the line of a stray quote where there is one."""
    if snapshot.is_parquet:
        return SourceError(
            snapshot.named, f"it is no whole Parquet file ({_first_line(error)}); get it again"
        )
    with snapshot.path.open("rb") as file:
        for number, line in enumerate(file, FIRST_LINE):
            if line.count(b'"') % 2:
                return SourceError(
                    snapshot.named, f"line {number}: a quote is opened and not closed; mend it"
                )
    return SourceError(snapshot.named, f"it is no CSV file ({_first_line(error)})")


def _header(snapshot: Snapshot) -> list[str]:
    """The cells of the first line (the column names of a Parquet file)."""
    try:
        if snapshot.is_parquet:
            return pl.scan_parquet(snapshot.path, glob=False).collect_schema().names()
        with snapshot.path.open(encoding="utf-8-sig", newline="") as file:
            cells = next(csv.reader(file), [])
    except (pl.exceptions.PolarsError, OSError, csv.Error) as error:
        raise parse_problem(snapshot, error) from error
    if not cells:
        raise SourceError(snapshot.named, "its first line is blank; it must hold the column names")
    return cells


def _dialect(snapshot: Snapshot, use_case: UseCase, header: Sequence[str]) -> tuple[Dialect, Sequence[str]]:
    """The first dialect that fits, and the names of the file's columns in it."""
    optional = {each.name for each in use_case.schema.fields if each.optional}
    closest: tuple[set[str], Sequence[str]] | None = None
    headless = is_data(header, use_case) and not snapshot.is_parquet
    for dialect in use_case.dialects:
        if bool(dialect.header) != headless or (headless and len(dialect.header) != len(header)):
            continue
        names = dialect.header or header
        needed = {column for name, column in columns_of(use_case, dialect).items() if name not in optional}
        missing = needed - set(names)
        if not missing:
            return dialect, names
        if closest is None or len(missing) < len(closest[0]):
            closest = missing, names
    missing, names = closest or (set(columns_of(use_case, use_case.dialects[0]).values()), header)
    raise ColumnsError(snapshot.named, missing, names)


def is_data(first: Sequence[str], use_case: UseCase) -> bool:
    """Whether a first line is a row: some cell is a number, a date or a missing mark, and none a column."""
    known = {column for dialect in use_case.dialects for column in columns_of(use_case, dialect).values()}
    if known.intersection(first):
        return False
    marks = set(use_case.missing) - {""}
    return any(DATUM.fullmatch(cell) or cell.strip() in marks for cell in first)


def scan_text(source: Path | BytesIO, names: Sequence[str], *, skip: int, first: int) -> pl.LazyFrame:
    """The rows of a CSV as text: `LINE`, the columns, `SURPLUS`.

    Args:
        source: A file, or a part of one that begins and ends with whole rows.
        names: Of the columns by their place; one that stands there again gets a name of its own.
        skip: Lines before the first row.
        first: Line of the first row.
    """
    unique = [name if name not in names[:i] else f"{name}#{i}" for i, name in enumerate(names)]
    return pl.scan_csv(
        source,
        schema=dict.fromkeys((*unique, SURPLUS), pl.String),
        has_header=False,  # names are taken by their place, since a header may hold one twice
        skip_rows=skip,
        missing_columns="insert",  # SURPLUS is in no header
        extra_columns="ignore",  # what is beyond SURPLUS, in the first row
        truncate_ragged_lines=True,  # and in the others
        row_index_name=LINE,
        row_index_offset=first,
        glob=False,
    )


def _parquet(snapshot: Snapshot) -> pl.LazyFrame:
    """The rows as text, so that they pass the same checks as a CSV."""
    return as_text(
        pl.scan_parquet(snapshot.path, glob=False, row_index_name=LINE, row_index_offset=FIRST_LINE)
    )


def as_text(rows: pl.LazyFrame, kept: Sequence[str] = ()) -> pl.LazyFrame:
    """Typed rows with `LINE` as text; `kept` columns stay as they are."""
    floats = pl.selectors.float() - pl.selectors.by_name(*kept, require_all=False)
    rows = rows.with_columns(floats.fill_nan(None), pl.lit(None).alias(SURPLUS))
    return rows.with_columns(pl.exclude(LINE, *kept).cast(pl.String))


def encoding_problem(source: Path) -> str:
    """Where the first byte stands that is no UTF-8."""
    with source.open("rb") as file:
        for number, line in enumerate(file, FIRST_LINE):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"line {number}, byte {error.start + 1}: 0x{line[error.start]:02x} is no UTF-8"
                return f"{where}; save the file as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`"
    return "it is no UTF-8 text"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]
