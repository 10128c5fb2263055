"""Short texts of which words come again: product names, titles, remarks."""

import polars as pl

from servicio_ml.domain.fields.words import MAX_CHARACTERS, WORD_PATTERN, LearnedWords
from servicio_ml.domain.schema import Kind
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn
from servicio_ml.pipeline.drafting.columns.statistics import compute_share
from servicio_ml.pipeline.drafting.reasons import format_reason

MIN_WORDS = 5
"""Minimum number of words that are learned."""
MIN_COVERED = 0.5
"""Minimum share of the texts that have one of them."""
SHOWN_WORDS = 3


def find_text(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds short texts of one line, with words that come again."""
    present = column.present
    if (present.str.len_chars() > MAX_CHARACTERS).any() or present.str.contains(r"[\r\n]").any():
        return None
    rule = LearnedWords()
    words = column.texts.str.to_lowercase().str.extract_all(WORD_PATTERN)
    counts = words.list.unique().explode().drop_nulls().alias("word").value_counts(name="rows")
    frequent = counts.filter(pl.col("rows") >= rule.minimum_rows)
    learned = frequent.sort("rows", "word", descending=[True, False])["word"].head(rule.maximum).to_list()
    covered = words.list.eval(pl.element().is_in(learned)).list.any()
    if len(learned) < MIN_WORDS or compute_share(covered) < MIN_COVERED:
        return None
    reason = format_reason(
        "short texts, of which words are learned, such as {shown}", shown=", ".join(learned[:SHOWN_WORDS])
    )
    # quick models see how many words there are
    return ColumnFinding(
        column=column.name, reason=reason, field=column.build_field(Kind.TEXT, example=present[0]),
        values=words.list.len().cast(pl.Float64),
    )  # fmt: skip
