"""Small messy raw files for drafts: a target `y` that no column gives away, and the column in question."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable

import polars as pl

ROWS = 160


def list_answers(rows: int = ROWS) -> list[str]:
    """List labels that no column of these files gives away."""
    return ["yes" if (i * i + i // 7) % 5 < 2 else "no" for i in range(rows)]


def list_numbers(rows: int = ROWS) -> list[str]:
    """List whole numbers from 0 to 100 in no order."""
    return [f"{i * 37 % 101}" for i in range(rows)]


def write_rows(
    header: str, make: Callable[[int], str], *, delimiter: str = ",", rows: int = ROWS, line_end: str = "\n"
) -> str:
    """Write a CSV of the columns that are looked at, `x` and `y`."""
    lines = [delimiter.join((header, "x", "y"))]
    cells = zip(range(rows), list_numbers(rows), list_answers(rows), strict=True)
    lines += [delimiter.join((make(i), x, y)) for i, x, y in cells]
    return line_end.join(lines) + line_end


def write_gzip(text: str) -> bytes:
    """Pack a text by gzip."""
    return gzip.compress(text.encode(), mtime=0)


def write_zip(text: str, name: str = "rows.csv") -> bytes:
    """Pack a text into a zip archive of one file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, text)
    return buffer.getvalue()


def write_json_lines() -> str:
    """Write an object a line, with a number, a text, a boolean, and a key that some lines lack."""
    rows = zip(range(ROWS), list_answers(), strict=True)
    sizes = [{"size": i % 40} if i % 4 else {} for i in range(ROWS)]
    objects = ({"x": i * 7 % 53 + 0.5, "flag": i % 3 == 0, "y": y} | sizes[i] for i, y in rows)
    return "".join(f"{json.dumps(each)}\n" for each in objects)


def write_parquet() -> bytes:
    """Write typed columns: a date, a float, a boolean, a list."""
    buffer = io.BytesIO()
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 12, 31), eager=True).gather(
        [i * 53 % 366 for i in range(ROWS)]
    )
    table = pl.DataFrame(
        {
            "bought_on": days,
            "x": [i * 7 % 53 + 0.25 for i in range(ROWS)],
            "flag": [i % 3 == 0 for i in range(ROWS)],
            "parts": [[i] for i in range(ROWS)],
            "y": list_answers(),
        }
    )
    table.write_parquet(buffer)
    return buffer.getvalue()
