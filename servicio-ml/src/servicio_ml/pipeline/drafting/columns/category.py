"""Categories: a few texts, or two numbers, each in many rows."""

from collections import Counter
from collections.abc import Sequence

import polars as pl

from servicio_ml.domain.schema import Kind, LearnedLevels, Parse
from servicio_ml.domain.values import BOOLEAN_LEVELS, OTHER, normalize_code
from servicio_ml.pipeline.drafting.columns.raw_column import (
    MAX_LEVELS,
    ColumnFinding,
    RawColumn,
    describe_rest,
    quote,
    shorten,
)
from servicio_ml.pipeline.drafting.columns.scales import sort_by_scale
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

MIN_ROWS_PER_LEVEL = 5
"""Minimum mean number of rows of a level: with fewer, the texts describe single rows."""
MIN_COVERED = 0.99
"""Minimum share of the rows that the most frequent levels cover, where there are too many of them."""
LEARNED = (
    (LearnedLevels(), 0.8), (LearnedLevels(maximum=300), 0.8),
    (LearnedLevels(maximum=300, minimum_rows=MIN_ROWS_PER_LEVEL), 0.8), (LearnedLevels(), 0.5),
)  # fmt: skip
"""Rules for learned levels, each with the share of the rows it must cover; the first that does counts."""
SHOWN_LEVELS = 3


def find_boolean(column: RawColumn) -> ColumnFinding | None:
    """Find that a column holds true and false, in any case."""
    # no other words: a request could not send `Yes` for a boolean, as it can for a level
    values = column.texts.str.to_lowercase()
    if {*values.drop_nulls()} != {*BOOLEAN_LEVELS}:
        return None
    field = column.build_field(Kind.BOOLEAN)
    return ColumnFinding(
        column=column.name, reason=format_reason("true and false"), field=field, values=values
    )


def find_category(column: RawColumn) -> ColumnFinding:
    """Find the levels of a column of texts; with too many of them, it is left out."""
    counts = _count_texts(column.present)
    forms = _merge_cases(counts)
    levels = _choose_levels(Counter({level: counts[level] for level in forms.values()}))
    if _has_several_lines(counts):
        return ColumnFinding(column=column.name, reason=format_reason("texts of several lines"))
    if not levels or len(column.present) < MIN_ROWS_PER_LEVEL * len(levels):
        reason = format_reason(
            "text: {number} different values, such as {example}",
            number=len(counts), example=quote(next(iter(counts))),
        )  # fmt: skip
        return ColumnFinding(column=column.name, reason=reason)
    recode = {text: level for text, level in sorted(forms.items()) if text != level and level in levels}
    learned = find_learned_category(column) if _is_open(counts, levels) else None
    return learned or _build_finding(column, levels, recode)


def _is_open(counts: Counter[str], levels: Sequence[str]) -> bool:
    """Whether other levels are to be expected: about as many as were seen once (Good 1953)."""
    return 1 in counts.values() and not sort_by_scale(levels)


def find_learned_category(column: RawColumn) -> ColumnFinding | None:
    """Find that a column has too many texts to list them, of which frequent ones can be learned."""
    counts = _count_texts(column.present)
    if _has_several_lines(counts):
        return None
    for rule, share in LEARNED:
        frequent = [text for text, rows in counts.most_common(rule.maximum) if rows >= rule.minimum_rows]
        if sum(counts[text] for text in frequent) >= share * counts.total():
            break
    else:
        return None
    is_rare = column.texts.is_not_null() & ~column.texts.is_in(frequent).fill_null(value=False)
    field = column.build_field(Kind.CATEGORY, example=frequent[0], learned_levels=rule)
    reason = format_reason(
        "{number} texts ({shown}): the {frequent} frequent ones are levels, the others {other}",
        number=len(counts), shown=_list_some(frequent), frequent=len(frequent), other=repr(OTHER),
    )  # fmt: skip
    return ColumnFinding(
        column=column.name, reason=reason, field=field, values=column.texts.set(is_rare, OTHER)
    )


def build_code_category(column: RawColumn, values: pl.Series) -> ColumnFinding:
    """Build the category of a column of two numbers."""
    found = column.texts.filter(values.is_not_null()).unique()
    codes = {text: normalize_code(text) or text for text in found}
    levels = sorted(
        {*codes.values()}, key=lambda code: (normalize_code(code) is None, float(code.replace(",", "")))
    )
    return _build_finding(column, tuple(levels), {}, column.texts.replace(codes))


def _count_texts(texts: pl.Series) -> Counter[str]:
    counts = texts.alias("text").value_counts(name="rows").sort("rows", "text", descending=[True, False])
    return Counter(dict(counts.iter_rows()))


def _has_several_lines(counts: Counter[str]) -> bool:
    return any("\n" in text or "\r" in text for text in counts)


def _merge_cases(counts: Counter[str]) -> dict[str, str]:
    """Map each text to the most frequent one that differs from it in upper and lower case only."""
    forms = dict[str, str]()
    return {text: forms.setdefault(text.lower(), text) for text in counts}


def _choose_levels(counts: Counter[str]) -> tuple[str, ...]:
    frequent = [text for text, _ in counts.most_common(MAX_LEVELS)]
    covered = sum(counts[text] for text in frequent)
    return tuple(sorted(frequent)) if covered >= MIN_COVERED * counts.total() else ()


def _build_finding(
    column: RawColumn, levels: tuple[str, ...], recode: dict[str, str], texts: pl.Series | None = None
) -> ColumnFinding:
    read = column.texts if texts is None else texts
    recoded = read.replace(recode) if recode else read
    values = recoded.set(~recoded.is_in([*levels]).fill_null(value=False), None)
    scale = sort_by_scale(levels)
    field = column.build_field(
        Kind.CATEGORY, levels=scale or levels, ordered=bool(scale), parse=Parse(recode=recode)
    )
    reason = join_reasons(
        format_reason("{number} levels ({shown})", number=len(levels), shown=_list_some(field.levels)),
        format_reason("they ascend in this order") if scale else "",
        _describe_recode(recode),
        describe_rest(column.texts, values),
    )
    return ColumnFinding(column=column.name, reason=reason, field=field, values=values)


def _describe_recode(recode: dict[str, str]) -> str:
    if not recode:
        return ""
    return format_reason("texts that differ from a level in case only: {shown}", shown=_list_some([*recode]))


def _list_some(texts: Sequence[str]) -> str:
    return ", ".join(map(shorten, texts[:SHOWN_LEVELS])) + ("…" if len(texts) > SHOWN_LEVELS else "")
