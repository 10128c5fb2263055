"""Decimal mark of a file, from its texts that are numbers with one mark only."""

import polars as pl

from servicio_ml.pipeline.reading.formats.text_format import TextFormat
from servicio_ml.pipeline.reading.number_text import COMMA, NUMBER_PATTERNS, POINT

MIN_SHARE = 0.9
"""Minimum share of a column's texts that are numbers with the mark."""


def find_decimal_mark(cells: pl.DataFrame, text_format: TextFormat) -> str:
    """Find the decimal mark that a dialect must declare; empty where the default reads the same."""
    point, comma = (_count_columns(cells, mark, other) for mark, other in ((POINT, COMMA), (COMMA, POINT)))
    if comma > point:
        return COMMA
    # with semicolons either mark is possible, and a number of both readings would be refused
    return POINT if point and not text_format.decimal_marks else ""


def _count_columns(cells: pl.DataFrame, mark: str, other: str) -> int:
    """Count the columns of numbers that have one decimal mark and cannot have the other."""
    with_mark, with_other = (pl.all().str.contains(NUMBER_PATTERNS[each]) for each in (mark, other))
    readable = cells.select(with_mark.mean()).row(0)
    proven = cells.select((with_mark & ~with_other).any()).row(0)
    return sum((share or 0) >= MIN_SHARE and bool(only) for share, only in zip(readable, proven, strict=True))
