"""How columns, numbers and reasons are called."""

from streamlit_app.client.data import Column, Value
from streamlit_app.text import t, told

KINDS = ("number", "integer", "category", "date")
PROBLEMS = (
    "it is missing",
    "it is not",
    "the line has more fields than there are columns",
    "one of",
    "a whole number",
    "a number",
    "a date as",
    "of at least",
    "of at most",
    "from",
    "to",
)
"""What the ETL's reasons are made of, in the order in which they are looked for."""
PERCENT = 100
SEPARATED = 10_000
"""From here on, thousands are separated: years and the like are smaller."""


def title(column: Column) -> str:
    """A column for people."""
    return told(column.description) or column.name


def measured(column: Column) -> str:
    """The same with its unit."""
    return f"{title(column)} ({told(column.unit)})" if column.unit else title(column)


def short(name: str) -> str:
    """A column's name where there is no room for more."""
    return name.replace("_", " ")


def kind(column: Column) -> str:
    """What a column holds."""
    known = {
        "number": t("number"),
        "integer": t("whole number"),
        "category": t("category"),
        "date": t("date"),
    }
    return known.get(column.kind, column.kind)


def shown(value: Value | None) -> str:
    """A value in a table."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if abs(value) < SEPARATED else count(round(value))


def count(number: int) -> str:
    """A number of rows, in a way that no language reads as a fraction."""
    return f"{number:,}".replace(",", "\u202f")


def share(rows: int, of: int) -> str:
    """Of so many rows, in per cent."""
    return f"{PERCENT * rows / of:.1f} %" if of else "–"


def problem(english: str) -> str:
    """Why a value was rejected."""
    known = [each for each in PROBLEMS if f" {each} " in f" {english} "]
    for each in known:
        english = f" {english} ".replace(f" {each} ", f" {told(each)} ", 1)[1:-1]
    return english
