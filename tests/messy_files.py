"""Small messy raw files for drafts: a target `y` that no column gives away, and the column in question."""

import gzip
import io
import json
import random
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


def convert_to_parquet(text: str) -> bytes:
    """Convert a CSV to typed columns of Parquet."""
    buffer = io.BytesIO()
    pl.read_csv(io.StringIO(text)).write_parquet(buffer)
    return buffer.getvalue()


def write_passengers(rows: int) -> str:
    """Write a passenger list like that of the Titanic: names, tickets, gaps, and who survives."""
    draw = random.Random(7)  # noqa: S311  no secret
    lines = ["PassengerId,Survived,Pclass,Name,Sex,Age,SibSp,Ticket,Fare,Cabin,Embarked"]
    for i in range(1, rows + 1):
        ship, sex = draw.choice((1, 2, 3, 3)), draw.choice(("male", "male", "female"))
        chance = {"male": 0.1, "female": 0.6}[sex] + {1: 0.3, 2: 0.15, 3: 0.0}[ship]
        age = f"{draw.gauss(30, 12):.0f}".lstrip("-") if draw.random() > 0.2 else ""  # a fifth is unknown
        cabin = f"C{draw.randrange(200)}" if ship == 1 else ""
        cells = (
            i, int(draw.random() < chance), ship, f'"Name, Mx. {i}"', sex, age, draw.choice((0, 0, 0, 1, 2)),
            f"A/5 {draw.randrange(10_000, 99_999)}", f"{draw.lognormvariate(4 - ship / 2, 0.6):.2f}", cabin,
            draw.choice(("S", "S", "C", "Q", "")),
        )  # fmt: skip
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"
