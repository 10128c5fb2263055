"""Numbers with a unit, a currency or a magnitude in their texts."""

import re

import polars as pl

from servicio_ml.domain.schema import Parse
from servicio_ml.pipeline.drafting.columns.number import NumberText, build_number
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    parse_numbers,
)

CURRENCIES = r"[$€£¥₹]|USD|EUR|GBP|Rs\.?"
WORD = r"[^\d\s.,+-]\S{0,9}"
PARTS = rf"^(?P<before>(?:{CURRENCIES})?)\s*(?P<number>[+-]?\d[\d.,]*)\s*(?P<after>(?:{WORD})?|\+)$"
"""A number with a currency before it, or one word after it."""
MAGNITUDES = {"k": 1e3, "m": 1e6, "b": 1e9}
MIN_DISTINCT = 3
"""Minimum number of different numbers: fewer are the levels of a category."""


def find_measure(column: RawColumn) -> ColumnFinding | None:
    """Find that the texts of a column are numbers with the same text before and after them."""
    present = column.present
    parts = present.str.extract_groups(PARTS).struct.unnest().drop_nulls("number")
    if len(parts) < MIN_READABLE * len(present) or parts["number"].n_unique() < MIN_DISTINCT:
        return None
    texts = _find_magnitudes(parts) or _find_unit(parts, len(present))
    if texts is None:
        return None
    number = column.texts.str.extract(texts.parse.pattern)
    values = parse_numbers(number, column.decimal)
    if texts.parse.units:
        factor = column.texts.str.slice(-1).str.to_lowercase().replace_strict(MAGNITUDES, default=1.0)
        values = values * factor
    return build_number(column, values, NumberText(parse=texts.parse, unit=texts.unit, example=present[0]))


def _find_unit(parts: pl.DataFrame, count: int) -> NumberText | None:
    """Find the text before and after most numbers; it may be absent."""
    with_text = parts.filter((pl.col("before") != "") | (pl.col("after") != ""))
    groups = (
        with_text.group_by("before", "after")
        .len()
        .sort("len", "before", "after", descending=[True, False, False])
    )
    if groups.is_empty():
        return None
    before, after, _ = groups.row(0)
    same = parts.filter(pl.col("before").is_in([before, ""]) & pl.col("after").is_in([after, ""]))
    if len(same) < MIN_READABLE * count:
        return None
    start = rf"{_escape(before)}\s*" if before else ""
    pattern = rf"^{start}([+-]?[\d.,]+)\s*{_escape(after)}$"
    return NumberText(parse=Parse(pattern=pattern), unit=(after or before).strip("+ "))


def _find_magnitudes(parts: pl.DataFrame) -> NumberText | None:
    letters = set(parts["after"].str.to_lowercase().unique()) - {""}
    if len(letters) <= 1 or letters - {*MAGNITUDES}:
        return None
    units = {letter: MAGNITUDES[letter] for letter in sorted(letters)}
    return NumberText(parse=Parse(pattern=r"^([+-]?[\d.,]+)\s*[kKmMbB]?$", units=units))


def _escape(text: str) -> str:
    return f"(?:{re.escape(text)})?" if text else ""
