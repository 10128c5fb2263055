"""CSV files as records, read leniently: no value is guessed and none is lost."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from streamlit_app.client.predict import BOOLEAN, INTEGER, NUMBER, FieldInfo, FieldValue, ModelSchema

MAX_ROWS = 20_000
"""Maximum number of rows of a file; `servicio-ml score` takes larger ones."""
DELIMITERS = ",;\t|"
MISSING_TEXTS = frozenset({"", "NA", "?"})
"""Texts that mean missing, as `servicio-ml score` reads them, unless one is a level of the field."""
BOOLEAN_WORDS = {
    **dict.fromkeys(("false", "f", "no", "n", "off", "0", "0.0"), False),
    **dict.fromkeys(("true", "t", "yes", "y", "on", "1", "1.0"), True),
}
"""Booleans by their texts in lower case, as `servicio-ml score` reads them."""
FOREIGN_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK": "zip, Excel",
    b"\xd0\xcf\x11\xe0": "Excel",
    b"PAR1": "Parquet",
    b"ARROW1": "Arrow",
    b"%PDF": "PDF",
}
"""First bytes of files that are no CSV, and their formats."""
JSON_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*["}]|\[\s*[{\[])')
DELIMITER_LINE = re.compile(r'("?sep=.?"?)[ \t]*(?:[\r\n]|$)', re.IGNORECASE)
"""Line that names the delimiter to Excel."""
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def _compile_number(decimal: str, group: str) -> re.Pattern[str]:
    # groups of three, or those of India: `1,45,500`
    grouped = rf"[1-9]\d{{0,2}}(?:{group}\d{{3}})+|[1-9]\d?(?:{group}\d{{2}})+{group}\d{{3}}"
    digits = rf"(?:(?:{grouped}|\d+)(?:{decimal}\d*)?|{decimal}\d+)"
    return re.compile(rf"[+-]?{digits}(?:[eE][+-]?\d{{1,3}})?", re.ASCII)


POINT_NUMBER, COMMA_NUMBER = _compile_number(r"\.", ","), _compile_number(",", r"\.")


class CsvError(Exception):
    """A file is not a valid table of records.

    Attributes:
        reason: `foreign`, `mark`, `empty`, `invalid`, `duplicate_columns`, `missing_columns`, `no_rows` or
            `too_many_rows`.
        names: Columns that the reason is about; with `foreign`, the format; with `mark`, the mark; with
            `invalid`, the line and the error.
    """

    def __init__(self, reason: str, names: Sequence[str] = ()) -> None:
        super().__init__(f"{reason}: {', '.join(names)}")
        self.reason, self.names = reason, tuple(names)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvTable:
    """Rows of a file.

    Attributes:
        header: Names of the columns, in order.
        cells: Texts of each row, as many as the header has names.
        lines: Line of each row, from 1.
        records: Record of each row that is sent to the server.
        unknown_columns: Columns that are no field, each with the field of a similar name, or empty.
        missing_fields: Fields without a column, which are sent as missing.
        long_rows: Indices of the rows with more cells than the header has names.
        ambiguous_numbers: Numbers that may have a decimal point or groups of thousands, with their lines; the
            server refuses these rows.
    """

    header: tuple[str, ...]
    cells: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]
    records: tuple[Mapping[str, FieldValue], ...]
    unknown_columns: Mapping[str, str]
    missing_fields: tuple[str, ...]
    long_rows: frozenset[int]
    ambiguous_numbers: Mapping[int, str]


def read_csv(raw: bytes, schema: ModelSchema) -> CsvTable:
    """Read the rows of a file.

    The delimiter is a comma, a semicolon, a tab or a bar; with a semicolon, the decimal separator may be a
    comma. The other separator groups thousands. `MISSING_TEXTS` are missing values. A text that is no number,
    or an ambiguous one, stays as it is: the server names it.

    Raises:
        CsvError: The file is no CSV, has a mark that is no data, no header or no rows, too many rows, a
            duplicate column, or lacks a required one.
    """
    _refuse_foreign_format(raw)
    text = _decode(raw)
    _refuse_marks(text)
    rows, delimiter = _split_rows(text)
    if not rows:
        raise CsvError("empty")
    header = tuple(name.strip() for name in rows[0][1])
    _check_header(header, len(rows) - 1, schema)
    width, fields = len(header), {each.name: each for each in schema.fields}
    data_rows = [row for _, row in rows[1:]]
    cells = _build_cells(data_rows, width)
    return CsvTable(
        header=header,
        cells=cells,
        lines=tuple(line for line, _ in rows[1:]),
        records=tuple(_build_record(header, row, fields, comma=delimiter == ";") for row in cells),
        unknown_columns=_find_unknown_columns(header, fields),
        missing_fields=tuple(name for name in fields if name not in header),
        long_rows=_find_long_rows(data_rows, width),
        ambiguous_numbers=_find_ambiguous_numbers(header, rows[1:], fields) if delimiter == ";" else {},
    )


def _refuse_foreign_format(raw: bytes) -> None:
    found = [name for magic, name in FOREIGN_MAGIC.items() if raw.startswith(magic)]
    if JSON_START.match(raw):
        found.append("JSON")
    if found:
        raise CsvError("foreign", found)


def _refuse_marks(text: str) -> None:
    """Refuse marks that `servicio-ml score` refuses, too."""
    found = DELIMITER_LINE.match(text)
    marks = {
        found[1] if found else "": found is not None,
        "U+FEFF": text.startswith("\ufeff"),
        "Ctrl-Z (0x1A)": text.rstrip("\r\n").endswith("\x1a"),
    }
    if names := [name for name, there in marks.items() if there]:
        raise CsvError("mark", names)


def _find_ambiguous_numbers(
    header: Sequence[str], rows: Sequence[tuple[int, Sequence[str]]], fields: Mapping[str, FieldInfo]
) -> dict[int, str]:
    """Find the first ambiguous number of each line."""
    found: dict[int, str] = {}
    for line, row in rows:
        for name, cell in zip(header, row, strict=False):
            if name in fields and fields[name].kind in {NUMBER, INTEGER} and _is_ambiguous(cell.strip()):
                found.setdefault(line, cell.strip())
    return found


def _find_long_rows(rows: Sequence[Sequence[str]], width: int) -> frozenset[int]:
    """Find the rows with text beyond the header; trailing delimiters alone do not count."""
    return frozenset(index for index, row in enumerate(rows) if any(cell.strip() for cell in row[width:]))


def _build_cells(rows: Sequence[Sequence[str]], width: int) -> tuple[tuple[str, ...], ...]:
    """Build rows of `width` cells each: short ones are filled with empty cells, long ones are cut."""
    return tuple(tuple((*row, *[""] * width)[:width]) for row in rows)


def _split_rows(text: str) -> tuple[list[tuple[int, list[str]]], str]:
    """Split a text into the rows that are not blank, each with its line, and find the delimiter."""
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [(reader.line_num, row) for row in reader if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise CsvError("invalid", [f"{reader.line_num}: {error}"]) from error
    return rows, delimiter


def _build_record(
    header: Sequence[str], row: Sequence[str], fields: Mapping[str, FieldInfo], *, comma: bool
) -> dict[str, FieldValue]:
    return {
        name: parse_cell(fields[name], cell, comma=comma)
        for name, cell in zip(header, row, strict=True)
        if name in fields
    }


def parse_cell(field: FieldInfo, cell: str, *, comma: bool) -> FieldValue:
    """Parse a cell by the kind of its field; return the text where it is no number.

    Args:
        field: Field of the cell.
        cell: Text of the cell.
        comma: Whether the decimal separator may be a comma.
    """
    text = cell.strip()
    if text in MISSING_TEXTS and text not in field.levels:
        return None
    if field.kind == BOOLEAN:
        return BOOLEAN_WORDS.get(text.lower(), text)
    if field.kind not in {NUMBER, INTEGER}:
        return text
    number = _parse_number(text, comma=comma)
    # 1e999 is infinite, which JSON cannot express
    if number is None or number - number != 0:
        return text
    return int(number) if field.kind == INTEGER and number.is_integer() else number


def _parse_number(text: str, *, comma: bool) -> float | None:
    """Parse a number; None where it is none, or ambiguous."""
    found = (
        [number for number in _parse_both(text) if number is not None] if comma else [_parse_both(text)[0]]
    )
    return found[0] if len(set(found)) == 1 else None


def _is_ambiguous(text: str) -> bool:
    point, comma = _parse_both(text)
    return None not in {point, comma} and point != comma


def _parse_both(text: str) -> tuple[float | None, float | None]:
    """Parse a number by either decimal separator, a point or a comma."""
    point = float(text.replace(",", "")) if POINT_NUMBER.fullmatch(text) else None
    comma = float(text.replace(".", "").replace(",", ".")) if COMMA_NUMBER.fullmatch(text) else None
    return point, comma


def build_template(schema: ModelSchema) -> str:
    """Build a CSV file with the header and one row of default values."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([each.name for each in schema.fields])
    writer.writerow(["" if each.default is None else each.default for each in schema.fields])
    return out.getvalue()


def _decode(raw: bytes) -> str:
    if raw.startswith(UTF_16_MARKS):
        return raw.decode("utf-16", errors="replace")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        # spreadsheets on Windows write this encoding by default
        return raw.decode("cp1252", errors="replace")


def _check_header(header: Sequence[str], row_count: int, schema: ModelSchema) -> None:
    if duplicates := sorted({name for name in header if header.count(name) > 1}):
        raise CsvError("duplicate_columns", duplicates)
    missing = [each.name for each in schema.fields if not each.nullable and each.name not in header]
    if missing:
        raise CsvError("missing_columns", missing)
    if not row_count:
        raise CsvError("no_rows")
    if row_count > MAX_ROWS:
        raise CsvError("too_many_rows")


def _find_unknown_columns(header: Sequence[str], fields: Mapping[str, FieldInfo]) -> dict[str, str]:
    return {name: _suggest_field(name, fields) for name in header if name not in fields}


def _suggest_field(name: str, fields: Mapping[str, FieldInfo]) -> str:
    return next(iter(get_close_matches(name.casefold(), list(fields), 1)), "")
