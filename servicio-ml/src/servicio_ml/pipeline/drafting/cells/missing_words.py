"""Words that mean missing in a file, besides those of every use case."""

from collections.abc import Sequence

import polars as pl

from servicio_ml.domain.use_case import MISSING
from servicio_ml.pipeline.drafting.columns.raw_column import MAX_LEVELS, MIN_READABLE
from servicio_ml.pipeline.drafting.columns.statistics import compute_share
from servicio_ml.pipeline.reading.number_text import NUMBER_PATTERNS

WORDS = frozenset(
    ("?", "na", "n/a", "#n/a", "nan", "null", "\\n", "unknown", "missing", "not available", "(blank)")
)
"""Words that mean missing in every column, in lower case."""
NUMBER_WORDS = WORDS | {"none", "nil", "-", "--", ".", "undefined"}
"""Words that mean missing among numbers; `none` may well be a level of a category."""


def find_missing_words(cells: pl.DataFrame, decimal: str) -> tuple[str, ...]:
    """Find the texts that mean missing, in the case in which they are written, without the default ones."""
    found = set[str]()
    for column in cells.get_columns():
        found |= _find_words(column, NUMBER_PATTERNS[decimal or "."])
    return tuple(sorted(found - {*MISSING}))


def replace_missing_words(cells: pl.DataFrame, words: Sequence[str]) -> pl.DataFrame:
    """Replace the texts that mean missing by null."""
    missing = pl.Series([*MISSING, *words]).implode()
    return cells.select(pl.when(~pl.all().is_in(missing)).then(pl.all()))


def _find_words(column: pl.Series, number: str) -> set[str]:
    texts = column.drop_nulls().unique()
    words = set(texts.filter(texts.str.to_lowercase().is_in(sorted(NUMBER_WORDS))))
    if not words:
        return set()
    others = column.filter(~column.is_in(sorted(words))).drop_nulls()
    if len(others) and compute_share(others.str.contains(number)) >= MIN_READABLE:
        return words
    return {word for word in words if word.lower() in WORDS} if len(texts) <= 2 * MAX_LEVELS else set()
