"""Identifiers: they name a row or a thing, and say nothing about rows that come later."""

import re
from collections.abc import Sequence

import polars as pl

from servicio_ml.domain.fields.identifier import MAX_IDENTIFIER_CHARACTERS
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MAX_LEVELS,
    MIN_READABLE,
    ColumnFinding,
    RawColumn,
    parse_numbers,
)
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds
from servicio_ml.pipeline.drafting.columns.text import find_text
from servicio_ml.pipeline.drafting.reasons import format_reason

NAME = re.compile(r"(.*_)?(id|ids|uuid|guid|index|key|row|row_number|rownum|serial|record)")
"""Name of a field that is an identifier if its values are whole numbers, and many of them."""


def find_identifier(column: RawColumn) -> ColumnFinding | None:
    """Find that a column names the rows: another value in each, or whole numbers under such a name."""
    present = column.present
    values = parse_numbers(present, column.decimal)
    if values.count() < MIN_READABLE * len(present):
        return _find_text_identifier(column)
    whole = values.drop_nulls()
    if not bool((whole == whole.floor()).all()) or whole.n_unique() <= MAX_LEVELS:
        return None
    if NAME.fullmatch(column.field_name):
        reason = format_reason(
            "an identifier by its name, with {number} different whole numbers", number=whole.n_unique()
        )
        return ColumnFinding(column=column.name, reason=reason, is_identifier=True)
    if not column.nullable and _is_sequence(whole):
        return ColumnFinding(column=column.name, reason=format_reason("an identifier: it numbers the rows"))
    return None


def _find_text_identifier(column: RawColumn) -> ColumnFinding | None:
    present = column.present
    if column.nullable or present.n_unique() < len(present):
        return None
    # numbers with a unit may all differ, too
    if compute_share(present.str.contains(r"^[+-]?[0-9.,]+\s*\D{0,6}$")) >= MIN_READABLE:
        return None
    reason = format_reason("an identifier: every row has another text")
    # titles and names differ in every row as well, but have words in common
    return find_text(column) or ColumnFinding(column=column.name, reason=reason, is_identifier=True)


def choose_identifier(findings: Sequence[ColumnFinding], cells: pl.DataFrame) -> str:
    """Choose the first column that is an identifier and another one in every row; empty where there is none.

    Args:
        findings: Columns.
        cells: Their texts.
    """
    named = (each.column for each in findings if each.is_identifier)
    return next((column for column in named if _is_unique(cells[column])), "")


def _is_unique(texts: pl.Series) -> bool:
    is_short = bool((texts.str.len_chars() <= MAX_IDENTIFIER_CHARACTERS).all())
    return is_short and not texts.null_count() and texts.n_unique() == len(texts)


def _is_sequence(values: pl.Series) -> bool:
    low, high = find_bounds(values)
    return values.n_unique() == len(values) and bool(len(values) == high - low + 1)
