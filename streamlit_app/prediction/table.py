"""A CSV file as records: read leniently, with nothing guessed and nothing lost."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from streamlit_app.client.predict import CATEGORY, DATE, INTEGER, FieldInfo, Schema, Value

MOST_ROWS = 20_000
"""Of one file; larger ones are for `servicio-ml score`."""
DELIMITERS = ",;\t|"
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
FIRST_ROW_LINE = 2
"""The line of a file with the first row: a spreadsheet counts the header as the first."""


class Unreadable(Exception):  # noqa: N818  it says what is the matter
    """A file is no table of records.

    Attributes:
        reason: `empty`, `twice`, `lacking`, `none` or `many`.
        names: Of the columns that are meant.
    """

    def __init__(self, reason: str, names: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {', '.join(names)}")
        self.reason, self.names = reason, tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The rows of a file.

    Attributes:
        header: Its columns in order.
        cells: Its texts, row by row, as many as the header has names.
        lines: The line of each row, from 1, as a spreadsheet counts.
        records: What is sent of each row.
        unknown: Columns that are no field, with the field that may be meant, else empty.
        absent: Fields that have no column and are sent as missing.
        long: Places of the rows that have more cells than the header has names.
    """

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    records: tuple[Mapping[str, Value], ...]
    unknown: Mapping[str, str]
    absent: tuple[str, ...]
    long: frozenset[int]


def read(raw: bytes, schema: Schema) -> Table:
    """The rows of a file.

    A comma, a semicolon, a tab or a bar parts the cells; with a semicolon a comma may be the decimal point.
    An empty cell is missing. What is no number is left as it is, for the server to name.

    Raises:
        Unreadable: It has no header, no rows, too many of them, a column twice, or lacks a needed one.
    """
    text = _text(raw)
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise Unreadable("broken", [f"{reader.line_num}: {error}"]) from error
    if not rows:
        raise Unreadable("empty")
    header = tuple(name.strip() for name in rows[0][1])
    _check(header, len(rows) - 1, schema)
    width, fields = len(header), {each.name: each for each in schema.fields}
    cells = tuple(tuple((*row, *[""] * width)[:width]) for _, row in rows[1:])
    comma = delimiter == ";"
    return Table(
        header=header,
        cells=cells,
        lines=tuple(line for line, _ in rows[1:]),
        records=tuple(
            {
                name: value(fields[name], cell, comma=comma)
                for name, cell in zip(header, row, strict=True)
                if name in fields
            }
            for row in cells
        ),
        unknown={name: _meant(name, fields) for name in header if name not in fields},
        absent=tuple(name for name in fields if name not in header),
        long=frozenset(
            place for place, (_, row) in enumerate(rows[1:]) if any(cell.strip() for cell in row[width:])
        ),
    )


def value(each: FieldInfo, cell: str, *, comma: bool) -> Value:
    """A cell as the field takes it; as it is where it is no number."""
    text = cell.strip()
    if not text:
        return None
    if each.kind in {CATEGORY, DATE}:
        return text
    number = text.replace(",", ".") if comma else text
    if not NUMBER.fullmatch(number):
        return text
    found = float(number)
    if found - found != 0:  # 1e999 is infinite, which JSON cannot say
        return text
    return int(found) if each.kind == INTEGER and found.is_integer() else found


def template(schema: Schema) -> str:
    """A file with one row of usual values."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([each.name for each in schema.fields])
    writer.writerow(["" if each.default is None else each.default for each in schema.fields])
    return out.getvalue()


def _text(raw: bytes) -> str:
    if raw.startswith(UTF_16):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # what spreadsheets on Windows write where it is not UTF-8
        return raw.decode("cp1252", errors="replace")


def _check(header: Sequence[str], rows: int, schema: Schema) -> None:
    if twice := sorted({name for name in header if header.count(name) > 1}):
        raise Unreadable("twice", twice)
    lacking = [each.name for each in schema.fields if not each.nullable and each.name not in header]
    if lacking:
        raise Unreadable("lacking", lacking)
    if not rows:
        raise Unreadable("none")
    if rows > MOST_ROWS:
        raise Unreadable("many")


def _meant(name: str, fields: Mapping[str, FieldInfo]) -> str:
    return next(iter(get_close_matches(name.casefold(), list(fields), 1)), "")
