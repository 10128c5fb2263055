"""Narwhals expressions that turn the text of one column into its value, stage by stage.

Stages are columns named by `ColumnPlan.name_stage`: `joined`, `code`, `recoded`, `text`, `match`, `before`,
`after`, `level`, `parsed`, `value` and `problem`. Each function builds those of one stage.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import narwhals as nw

from servicio_ml.domain.fields.words import MAX_CHARACTERS
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import (
    BOOLEAN_WORDS,
    CODE_PATTERN,
    CODE_STEPS,
    WHITE_SPACE,
    map_codes,
    normalize_code,
    normalize_text,
)
from servicio_ml.errors import format_names
from servicio_ml.pipeline.reading.columns import ColumnPlan
from servicio_ml.pipeline.reading.dates.date_time_text import parse_dated_text
from servicio_ml.pipeline.reading.dates.day_text import WHOLE_PART
from servicio_ml.pipeline.reading.number_text import build_unit_factor, parse_number
from servicio_ml.pipeline.reading.surroundings import extract_surroundings, is_cut_number

Stage = Sequence[nw.Expr]
NUMERIC = (Kind.NUMBER, Kind.INTEGER)


def join_columns(column: ColumnPlan) -> Stage:
    """Join the texts of several raw columns by a blank; null where one of them is missing."""
    if len(column.raw_columns) == 1:
        return ()
    texts = [nw.col(name) for name in column.raw_columns]
    present = (_is_present(text, column.missing_texts).fill_null(value=False) for text in texts)
    parts = [text.str.replace_all(*WHOLE_PART) for text in texts] if column.field.is_dated else texts
    joined = nw.concat_str(*parts, separator=" ")
    whole = nw.all_horizontal(*present, ignore_nulls=False)
    return (nw.when(whole).then(joined).alias(column.name_stage("joined")),)


def build_code(column: ColumnPlan) -> Stage:
    """Build the number of the raw text in its normal form, where recoding compares with numbers."""
    if not _select_codes(column.parse.recode):
        return ()
    return (_normalize_codes(nw.col(column.raw_column)).alias(column.name_stage("code")),)


def recode_text(column: ColumnPlan) -> Stage:
    """Build the text after recoding: by equal text, or by equal value where the recoded text is a number."""
    raw = text = nw.col(column.raw_column)
    codes = {normalize_code(recoded): meaning for recoded, meaning in column.parse.recode.items()}
    words = {text: meaning for text, meaning in column.parse.recode.items() if normalize_code(text) is None}
    numbers = {code: meaning for code, meaning in codes.items() if code is not None}
    # a look-up, not a `when` for each entry: a table of thousands of them would exceed the engine's depth
    if words:
        text = _replace(raw, words, default=text)
    if numbers:
        text = _replace(nw.col(column.name_stage("code")), numbers, default=text)
    return (text.alias(column.name_stage("recoded")),)


def _replace(key: nw.Expr, meanings: Mapping[str, str], *, default: nw.Expr) -> nw.Expr:
    return key.replace_strict([*meanings], [*meanings.values()], default=default, return_dtype=nw.String)


def build_text(column: ColumnPlan) -> Stage:
    """Build the text; null where it is missing."""
    text = nw.col(column.name_stage("recoded"))
    present = _is_present(text, column.missing_texts)
    return (nw.when(present).then(text).alias(column.name_stage("text")),)


def _is_present(text: nw.Expr, missing_texts: Sequence[str]) -> nw.Expr:
    present = ~text.is_in(missing_texts)
    if codes := _select_codes(missing_texts):
        # a comparison with null is null: a text that is no number is present
        present = present & ~_normalize_codes(text).is_in(codes).fill_null(value=False)
    return present


def extract_match(column: ColumnPlan) -> Stage:
    """Extract the part of the text that is the value, null without one, and what is around it."""
    text, pattern = nw.col(column.name_stage("text")), column.parse.pattern
    if not pattern:
        return (text.alias(column.name_stage("match")),)
    group = text.str.replace_all(f"(?s)^.*?(?:{pattern}).*$", "$1")
    match = nw.when(text.str.contains(pattern)).then(group).alias(column.name_stage("match"))
    if column.field.kind not in NUMERIC:
        return (match,)
    before, after = extract_surroundings(text, pattern)
    return match, before.alias(column.name_stage("before")), after.alias(column.name_stage("after"))


def find_level(column: ColumnPlan) -> Stage:
    """Find the level of a category by the number that it is, where levels compare by value.

    For a boolean, its number, or its word in lower case; with `fold_case`, the folded text.
    """
    match, is_boolean = nw.col(column.name_stage("match")), column.field.kind is Kind.BOOLEAN
    if column.parse.fold_case:
        folded = match.str.to_lowercase().str.replace_all(WHITE_SPACE, " ")
        return (folded.alias(column.name_stage("level")),)
    if not (is_boolean or column.field.learned_levels or map_codes(column.field.levels)):
        return ()
    level = _normalize_codes(match)
    if is_boolean:
        level = nw.when(level.is_null()).then(match.str.to_lowercase()).otherwise(level)
    return (level.alias(column.name_stage("level")),)


def parse_text(column: ColumnPlan) -> Stage:
    """Parse the value before its limits are checked; null where it cannot be read."""
    match, kind = nw.col(column.name_stage("match")), column.field.kind
    if kind is Kind.CATEGORY:
        parsed = _parse_level(column, match)
    elif kind is Kind.BOOLEAN:
        meanings = {word: level for level, words in BOOLEAN_WORDS.items() for word in words}
        parsed = _replace(nw.col(column.name_stage("level")), meanings, default=nw.lit(None, dtype=nw.String))
    elif kind is Kind.TEXT:
        parsed = nw.when(match.str.len_chars() <= MAX_CHARACTERS).then(match)
    elif column.field.is_dated:
        parsed = parse_dated_text(match, column.field, column.parse.date_format)
    else:
        parsed = _parse_number(column, match)
    return (parsed.alias(column.name_stage("parsed")),)


def _parse_level(column: ColumnPlan, match: nw.Expr) -> nw.Expr:
    code = nw.col(column.name_stage("level"))
    if column.parse.fold_case:
        levels = {normalize_text(level): level for level in column.field.levels}
        return _replace(code, levels, default=nw.lit(None, dtype=nw.String))
    if column.field.learned_levels:
        # any text; `3.0` and `3` are one level
        return nw.when(code.is_null()).then(match).otherwise(code)
    level: nw.Expr = nw.when(match.is_in(column.field.levels)).then(match)
    if codes := map_codes(column.field.levels):
        normal = [number for number, text in codes.items() if number == text]
        by_value: nw.Expr = nw.when(code.is_in(normal)).then(code)
        for number, text in codes.items():
            if number != text:
                by_value = nw.when(code == nw.lit(number)).then(nw.lit(text)).otherwise(by_value)
        level = nw.when(level.is_null()).then(by_value).otherwise(level)
    return level


def _parse_number(column: ColumnPlan, match: nw.Expr) -> nw.Expr:
    number = parse_number(match, column.decimal)
    if not column.parse.pattern:
        return number
    text, after = nw.col(column.name_stage("text")), nw.col(column.name_stage("after"))
    # a number with the field's own unit needs no factor
    own = {column.field.unit: 1.0} if column.field.unit else {}
    units = {unit.lower(): factor for unit, factor in {**own, **column.parse.units}.items()}
    number = nw.when(~is_cut_number(nw.col(column.name_stage("before")), after, units)).then(number)
    if not column.parse.units:
        return number
    return number * build_unit_factor(text, after, units)


def _normalize_codes(text: nw.Expr) -> nw.Expr:
    """Normalize the text of numbers as `normalize_code` does; null where it is no number."""
    code = nw.when(text.str.contains(CODE_PATTERN)).then(text)
    for pattern, replacement in CODE_STEPS:
        code = code.str.replace_all(pattern, replacement)
    return code


def _select_codes(texts: Iterable[str]) -> list[str]:
    return [code for code in map(normalize_code, texts) if code is not None]


def apply_limits(column: ColumnPlan) -> Stage:
    """Build the value; null where it is missing or not allowed."""
    field, parsed = column.field, nw.col(column.name_stage("parsed"))
    value = parsed
    if field.kind in NUMERIC:
        low, high = field.limits
        conditions = [parsed >= nw.lit(float(low)), parsed <= nw.lit(float(high))]
        if column.parse.missing_numbers:
            conditions.append(~parsed.is_in(column.missing_numbers))
        if field.kind is Kind.INTEGER:
            conditions.append(parsed == parsed.floor())
        value = nw.when(nw.all_horizontal(*conditions, ignore_nulls=False)).then(parsed)
    if field.kind is Kind.INTEGER:
        value = value.cast(nw.Int64)
    return (value.alias(column.name_stage("value")),)


def build_problem(column: ColumnPlan) -> Stage:
    """Describe the problem of the value; null where there is none."""
    field = column.field
    text, match = nw.col(column.name_stage("text")), nw.col(column.name_stage("match"))
    missing = text.is_null() | (match == nw.lit(""))
    if column.parse.missing_numbers:
        missing = missing | nw.col(column.name_stage("parsed")).is_in(column.missing_numbers)
    # a comparison with null is null, which would make the row neither missing nor wrong
    missing = missing.fill_null(value=False)
    wrong = nw.when(nw.col(column.name_stage("value")).is_null() & ~missing).then(text)
    problem = nw.concat_str(
        nw.lit(f"{field.name}: '"), wrong, nw.lit(f"' is not {describe_allowed_values(field)}")
    )
    if not field.nullable:
        problem = nw.when(missing).then(nw.lit(f"{field.name}: it is missing")).otherwise(problem)
    return (problem.alias(column.name_stage("problem")),)


def describe_allowed_values(field: Field) -> str:
    """Describe the allowed values of a field, apart from a missing one, in a few words."""
    if field.levels and not field.learned_levels:
        return f"one of {format_names(field.levels)}"
    return replace(field, nullable=False).allowed


TEXT_STAGES = (join_columns, build_code, recode_text, build_text)
STAGES = (*TEXT_STAGES, extract_match, find_level, parse_text, apply_limits, build_problem)
"""Stages in order: each reads the ones before it."""


def add_stages(
    rows: nw.LazyFrame[Any], columns: Sequence[ColumnPlan], stages: Sequence[Callable[[ColumnPlan], Stage]]
) -> nw.LazyFrame[Any]:
    """Add stages of columns to rows that hold their raw texts."""
    # each stage is a column: repeating the expressions inline would grow the plan exponentially
    for stage in stages:
        if expressions := [expression for column in columns for expression in stage(column)]:
            rows = rows.with_columns(*expressions)
    return rows
