"""Rows of text become typed columns, each row with its fate: one lazy expression for any Narwhals engine.

A row has exactly one fate, the first of these that applies: `duplicate` (equal to an earlier row in every
raw column that is read, where the use case asks for it), `later` (dated after the period), `unlabelled`
(no target: it teaches nothing, whatever else is wrong with it), `quarantined` (some value cannot be used),
`kept`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from enum import StrEnum
from typing import Any

import narwhals as nw

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.errors import listed
from servicio_ml.pipeline.ingest import LINE, SURPLUS
from servicio_ml.pipeline.plan import Column, Plan, Reading

VALUE, FATE, REASON = "_value", "_fate", "_reason"
"""The target as a number (a label's code), the row's fate, and why it is in quarantine."""
FLAWED = "_flawed"
"""Names of the fields whose text cannot be read, with commas between."""

# In the common ground of Rust's and Java's regular expressions; Rust's \d would take any script's digits.
NUMBER = (
    r"^[+-]?(?:(?:[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}|[0-9]+)(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE][+-]?[0-9]{1,3})?$"
)
"""A number, with or without separators of thousands (`2,700`, `1,45,500`)."""

_LEAP_DAY = r"(?:[12][0-9](?:0[48]|[2468][048]|[13579][26])|(?:1[26]|2[048])00)-02-29"
_OTHER_DAY = (
    r"[12][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
DATE = f"^(?:{_OTHER_DAY}|{_LEAP_DAY})$"
"""A day that stands in the calendar."""

EXACT = 2.0**53
"""Whole numbers beyond this are not exact as float64."""

SURPLUS_FLAW = "the line has more fields than there are columns"

Rows = nw.LazyFrame[Any]


class Fate(StrEnum):
    """What becomes of a row."""

    DUPLICATE = "duplicate"
    LATER = "later"
    UNLABELLED = "unlabelled"
    QUARANTINED = "quarantined"
    KEPT = "kept"


def transform(rows: Rows, use_case: UseCase, plan: Plan, *, last_day: date) -> Rows:
    """Typed rows: `LINE`, the fields, the target, `VALUE`, `FATE`; of rejected ones `REASON` and raw texts.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text.
        use_case: Whose rows they are.
        plan: How they are read.
        last_day: Of the period.
    """
    staged = _staged(rows, plan)
    staged = staged.with_columns(_first_line(use_case, plan)).with_columns(_fate(use_case, plan, last_day))
    rejected = nw.col(FATE) == nw.lit(Fate.QUARANTINED.value)
    return staged.select(
        LINE,
        *(nw.col(each.working("value")).alias(each.field.name) for each in plan.columns),
        _label(use_case.target, nw.col(plan.target.working("value"))).alias(use_case.target.name),
        _code(use_case.target, nw.col(plan.target.working("value"))).alias(VALUE),
        FATE,
        nw.when(rejected).then(_reason(plan)).alias(REASON),
        *(nw.when(rejected).then(nw.col(name)).alias(name) for name in plan.raw),
    )


def inputs(rows: Rows, reading: Reading, kept: Sequence[str] = ()) -> Rows:
    """Typed rows without a target: `LINE`, `REASON` (null where the row can be used), the fields, `kept`.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text, and what is kept.
        reading: How they are read.
        kept: Columns that stay as they are.
    """
    return _staged(rows, reading, kept).select(
        LINE,
        nw.when(_flawed(reading)).then(_reason(reading)).alias(REASON),
        *(nw.col(each.working("value")).alias(each.field.name) for each in reading.columns),
        *kept,
    )


def offered(rows: Rows, plan: Plan, target: Target) -> Rows:
    """Typed rows with the truth about them, whatever their fate would be: `LINE`, `FLAWED`, fields, target.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text.
        plan: How they are read.
        target: Of the plan; a text that is none is missing.
    """
    flawed = (
        nw.when(~nw.col(column.working("flaw")).is_null()).then(nw.lit(column.field.name))
        for column in plan.columns
    )
    return _staged(rows, plan).select(
        LINE,
        nw.concat_str(*flawed, separator=",", ignore_nulls=True).alias(FLAWED),
        *(nw.col(each.working("value")).alias(each.field.name) for each in plan.columns),
        _label(target, nw.col(plan.target.working("value"))).alias(target.name),
    )


def _staged(rows: Rows, reading: Reading, kept: Sequence[str] = ()) -> Rows:
    """The rows with every intermediate column."""
    stripped = (nw.col(column).str.strip_chars().alias(name) for name, column in reading.raw.items())
    staged = rows.select(LINE, SURPLUS, *kept, *stripped)
    for stage in (_text, _picked, _parsed, _value, _flaw):
        staged = staged.with_columns(*(stage(column) for column in reading.every))
    return staged


def missing_shares(rows: Rows, plan: Plan) -> Rows:
    """One row: of each field and the target, the share of rows in which the raw text means missing (0-1)."""
    stripped = (nw.col(column).str.strip_chars().alias(name) for name, column in plan.raw.items())
    texts = rows.select(*stripped).select(*(_text(column).alias(column.field.name) for column in plan.every))
    return texts.select(nw.all().is_null().mean())


def _text(column: Column) -> nw.Expr:
    """The text that stands for a value; null where it is missing."""
    raw = text = nw.col(column.raw)
    for spelling, meaning in column.parse.recode.items():
        text = nw.when(raw == nw.lit(spelling)).then(nw.lit(meaning)).otherwise(text)
    return nw.when(~text.is_in(column.missing)).then(text).alias(column.working("text"))


def _picked(column: Column) -> nw.Expr:
    """The part of the text that is the value; null where the pattern is not found."""
    text, pattern = nw.col(column.working("text")), column.parse.pattern
    if pattern:
        group = text.str.replace_all(f"(?s)^.*?(?:{pattern}).*$", "$1")
        text = nw.when(text.str.contains(pattern)).then(group)
    return text.alias(column.working("picked"))


def _parsed(column: Column) -> nw.Expr:
    """The value before its limits are looked at; null where it cannot be read."""
    picked, kind = nw.col(column.working("picked")), column.field.kind
    if kind is Kind.CATEGORY:
        parsed = nw.when(picked.is_in(column.field.levels)).then(picked)
    elif kind is Kind.DATE:
        parsed = nw.when(picked.str.contains(DATE)).then(picked).str.to_date("%Y-%m-%d")
    else:
        digits = nw.when(picked.str.contains(NUMBER)).then(picked)
        parsed = digits.str.replace_all(",", "", literal=True).cast(nw.Float64)
        if column.parse.units:
            parsed = parsed * _factor(column)
    return parsed.alias(column.working("parsed"))


def _factor(column: Column) -> nw.Expr:
    """What turns the number into the field's unit: of the first unit that the text names."""
    text = nw.col(column.working("text")).str.to_lowercase()
    factor = nw.lit(1.0)
    for unit in reversed(list(column.parse.units)):
        named = text.str.contains(unit.lower(), literal=True)
        factor = nw.when(named).then(nw.lit(float(column.parse.units[unit]))).otherwise(factor)
    return factor


def _value(column: Column) -> nw.Expr:
    """The value, null where it is missing or not allowed."""
    field, parsed = column.field, nw.col(column.working("parsed"))
    value = parsed
    if field.kind in {Kind.NUMBER, Kind.INTEGER}:
        fits = [parsed.is_finite()]
        if column.parse.missing_numbers:
            fits.append(~parsed.is_in(column.missing_numbers))
        if field.minimum is not None:
            fits.append(parsed >= nw.lit(float(field.minimum)))
        if field.maximum is not None:
            fits.append(parsed <= nw.lit(float(field.maximum)))
        if field.kind is Kind.INTEGER:
            fits += [parsed == parsed.floor(), parsed.abs() <= nw.lit(EXACT)]
        value = nw.when(nw.all_horizontal(*fits, ignore_nulls=False)).then(parsed)
    if field.kind is Kind.INTEGER:
        value = value.cast(nw.Int64)
    return value.alias(column.working("value"))


def _flaw(column: Column) -> nw.Expr:
    """What is wrong with the value, in words; null where nothing is."""
    field = column.field
    text, picked = nw.col(column.working("text")), nw.col(column.working("picked"))
    missing = text.is_null() | (picked == nw.lit(""))
    if column.parse.missing_numbers:
        missing = missing | nw.col(column.working("parsed")).is_in(column.missing_numbers)
    missing = missing.fill_null(value=False)
    wrong = nw.when(nw.col(column.working("value")).is_null() & ~missing).then(text)
    flaw = nw.concat_str(nw.lit(f"{field.name}: '"), wrong, nw.lit(f"' is not {allowed_words(field)}"))
    if not field.nullable:
        flaw = nw.when(missing).then(nw.lit(f"{field.name}: it is missing")).otherwise(flaw)
    return flaw.alias(column.working("flaw"))


def allowed_words(field: Field) -> str:
    """What a value of the field may be that is not missing, in a few words."""
    if field.kind is Kind.CATEGORY:
        return f"one of {listed(field.levels)}"
    return replace(field, nullable=False).allowed


def _first_line(use_case: UseCase, plan: Plan) -> nw.Expr:
    """The line of the first of equal rows."""
    first = nw.col(LINE).min().over(*plan.raw) if use_case.deduplicate else nw.col(LINE)
    return first.alias("_first")


def _fate(use_case: UseCase, plan: Plan, last_day: date) -> nw.Expr:
    target = plan.target
    unlabelled = nw.col(target.working("value")).is_null() & nw.col(target.working("flaw")).is_null()
    fates = [
        (Fate.QUARANTINED, _flawed(plan)),
        (Fate.UNLABELLED, unlabelled),
        (Fate.DUPLICATE, nw.col(LINE) > nw.col("_first")),
    ]
    dates = {column.field.name: column.working("value") for column in plan.columns}
    if use_case.event_date in dates:
        fates.insert(2, (Fate.LATER, nw.col(dates[use_case.event_date]) > nw.lit(last_day)))
    fate = nw.lit(Fate.KEPT.value)
    for name, applies in fates:
        fate = nw.when(applies).then(nw.lit(name.value)).otherwise(fate)
    return fate.alias(FATE)


def _flawed(reading: Reading) -> nw.Expr:
    flaws = (nw.col(column.working("flaw")) for column in reading.every)
    return nw.any_horizontal(*(~flaw.is_null() for flaw in (*flaws, nw.col(SURPLUS))), ignore_nulls=True)


def _reason(reading: Reading) -> nw.Expr:
    surplus = nw.when(~nw.col(SURPLUS).is_null()).then(nw.lit(SURPLUS_FLAW))
    flaws = (nw.col(column.working("flaw")) for column in reading.every)
    return nw.concat_str(*flaws, surplus, separator="; ", ignore_nulls=True)


def _label(target: Target, value: nw.Expr) -> nw.Expr:
    """The label of a raw number that is cut into classes; else the value as it is."""
    if not target.edges:
        return value
    label = nw.lit(target.labels[-1])
    for edge, name in zip(reversed(target.edges), reversed(target.labels[:-1]), strict=True):
        label = nw.when(value < nw.lit(edge)).then(nw.lit(name)).otherwise(label)
    return nw.when(~value.is_null()).then(label)


def _code(target: Target, value: nw.Expr) -> nw.Expr:
    """The raw number, or the place of a label among the labels."""
    if target.numeric:
        return value
    code = nw.lit(None, dtype=nw.Float64)
    for place, label in enumerate(target.labels):
        code = nw.when(value == nw.lit(label)).then(nw.lit(float(place))).otherwise(code)
    return code
