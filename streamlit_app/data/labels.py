"""Texts for columns, numbers and reasons of rejection."""

from streamlit_app.client.data import ColumnOverview, Value
from streamlit_app.translation import format_count, t, translate

PROBLEM_PHRASES = (
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
"""Phrases of the ETL's reasons, in the order in which they are translated."""
PERCENT = 100
THOUSANDS_FROM = 10_000
"""Smallest number with a separator between thousands: years have none."""


def label_column(column: ColumnOverview) -> str:
    """Return the description of a column, or its name without one."""
    return translate(column.description) or column.name


def label_with_unit(column: ColumnOverview) -> str:
    """Return the description of a column with its unit."""
    label = label_column(column)
    return f"{label} ({translate(column.unit)})" if column.unit else label


def shorten_name(name: str) -> str:
    """Return the name of a column for places that are too narrow for its description."""
    return name.replace("_", " ")


def label_kind(kind: object) -> str:
    """Return the text of a kind of column."""
    kinds = {
        "number": t("number"),
        "integer": t("whole number"),
        "category": t("category"),
        "date": t("date"),
        "datetime": t("date and time"),
        "boolean": t("yes or no"),
        "text": t("text"),
        "left out": t("left out"),
    }
    return kinds.get(str(kind), str(kind))


def format_value(value: Value | None) -> str:
    """Format a value of a table."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:.6g}" if abs(value) < THOUSANDS_FROM else format_count(round(value))


def format_share(rows: int, total: int) -> str:
    """Format the share of rows in a total as a percentage."""
    return f"{PERCENT * rows / total:.1f} %" if total else "–"


def translate_problem(english: str) -> str:
    """Translate the ETL's reason for a rejected value, phrase by phrase."""
    phrases = [each for each in PROBLEM_PHRASES if f" {each} " in f" {english} "]
    for phrase in phrases:
        english = f" {english} ".replace(f" {phrase} ", f" {translate(phrase)} ", 1)[1:-1]
    return english
