"""Causes of rejected rows in a few words: one per field, with the number of its rows and an example."""

from collections.abc import Sequence

import polars as pl

from servicio_ml.domain.schema import Field
from servicio_ml.pipeline.reading.expressions import describe_allowed_values
from servicio_ml.pipeline.reading.transform import LACKING_PROBLEM, SURPLUS_PROBLEM

MAX_CAUSES = 3
MAX_SHOWN_CHARACTERS = 60
MISSING_PROBLEM = "it is missing"
SEPARATOR = "; "


def summarize_causes(rejected: pl.LazyFrame, fields: Sequence[Field], *, line: str, reason: str) -> str:
    """Summarize the most frequent causes: three at most, the most frequent first.

    A field is one cause however many different texts it rejects, so that a column in another format is
    reported once and not once per value.

    Args:
        rejected: Rejected rows, with their line and the reason as `transform` writes it.
        fields: Fields that were read, and the target.
        line: Column of the line.
        reason: Column of the reason.
    """
    # with the separator in front, a prefix is found at the start of a problem only
    text = pl.lit(SEPARATOR) + pl.col(reason)
    prefixes = [
        *(f"{SEPARATOR}{field.name}: {word}" for field in fields for word in ("'", MISSING_PROBLEM)),
        *(f"{SEPARATOR}{problem}" for problem in (SURPLUS_PROBLEM, LACKING_PROBLEM)),
    ]
    counts = rejected.select(
        text.str.contains(prefix, literal=True).sum().alias(f"{i}") for i, prefix in enumerate(prefixes)
    )
    rows = zip(counts.collect(engine="streaming").row(0), prefixes, strict=True)
    # a stable sort: causes of equally many rows stay in the order of the fields
    frequent = sorted((each for each in rows if each[0]), key=lambda each: -each[0])[:MAX_CAUSES]
    allowed = {field.name: describe_allowed_values(field) for field in fields}
    found = ((prefix, rejected.filter(text.str.contains(prefix, literal=True))) for _, prefix in frequent)
    return SEPARATOR.join(_describe_cause(prefix, rows, allowed, line, reason) for prefix, rows in found)


def _describe_cause(prefix: str, rows: pl.LazyFrame, allowed: dict[str, str], line: str, reason: str) -> str:
    words = prefix.removeprefix(SEPARATOR)
    name = words.partition(":")[0]
    pattern = rf"(?s)(?:^|; ){name}: '(.*?)' is not "
    texts = rows.select(pl.col(line), pl.col(reason).str.extract(pattern).alias("text"))
    count, first, different = (
        texts.select(pl.len(), pl.col(line).min(), pl.col("text").n_unique())
        .collect(engine="streaming")
        .row(0)
    )
    where = f"first in line {first}" if count > 1 else f"in line {first}"
    if not words.endswith("'"):
        return f"{words} ({_count_rows(count)}, {where})"
    example = texts.group_by("text").len().sort("len", "text", descending=[True, False]).head(1)
    text = example.collect(engine="streaming")["text"][0]
    more = f" with {different} different values" if different > 1 else ""
    return f"{name}: '{_truncate(text)}' is not {allowed[name]} ({_count_rows(count)}{more}, {where})"


def _count_rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _truncate(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[:MAX_SHOWN_CHARACTERS]}…"
