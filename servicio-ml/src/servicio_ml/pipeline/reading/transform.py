"""Rows of text become typed columns and a row status: one lazy expression for any Narwhals engine.

A row has exactly one status, the first of these that applies: `quarantined` (its line has more or fewer cells
than there are columns, so that no cell can be trusted), `duplicate` (equal to an earlier row in every column
that is read, if the use case deduplicates), `later` (dated after the period), `unlabelled` (no target, so
that it is useless for training whatever else is wrong with it), `quarantined` (a value cannot be used),
`kept`.
"""

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from typing import Any

import narwhals as nw

from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.pipeline.reading.columns import LabelledReadPlan, ReadPlan
from servicio_ml.pipeline.reading.expressions import STAGES, TEXT_STAGES, add_stages
from servicio_ml.pipeline.reading.text import LACKING, LINE, SURPLUS

VALUE, STATUS, REASON = "_value", "_status", "_reason"
"""Columns of the target as a number (a label's code), the row's status, and the reason of its quarantine."""
ROW_IDENTIFIER = "_identifier"
FIRST, PROBLEMS = "_first", "_problems"
"""Columns of the line of the first of equal rows, and of the problems of all values."""
INVALID_FIELDS = "_flawed"
"""Column of the comma-separated names of fields whose text cannot be read."""

SURPLUS_PROBLEM = "the line has more fields than there are columns"
LACKING_PROBLEM = "the line has fewer fields than there are columns"

LazyRows = nw.LazyFrame[Any]


class RowStatus(StrEnum):
    """Status of a raw row after the transform."""

    DUPLICATE = "duplicate"
    LATER = "later"
    UNLABELLED = "unlabelled"
    QUARANTINED = "quarantined"
    KEPT = "kept"


def transform(rows: LazyRows, use_case: UseCase, plan: LabelledReadPlan, *, last_day: date) -> LazyRows:
    """Build typed rows: `LINE`, fields, target, `VALUE`, `STATUS` and `FIRST`.

    Rejected rows have their `REASON` and raw texts, too; all have a `ROW_IDENTIFIER` if the use case has one.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text.
        use_case: Use case of the rows.
        plan: Plan by which they are read.
        last_day: Last day of the period.
    """
    kept = [ROW_IDENTIFIER] if use_case.identifier else []
    staged = _add_stages(_add_identifier(rows, use_case), plan, kept)
    staged = staged.with_columns(_join_problems(plan).alias(PROBLEMS))
    staged = staged.with_columns(_find_first_line(use_case, plan)).with_columns(
        _build_status(use_case, plan, last_day)
    )
    rejected = nw.col(STATUS) == nw.lit(RowStatus.QUARANTINED.value)
    return staged.select(
        LINE,
        *kept,
        *(nw.col(each.name_stage("value")).alias(each.field.name) for each in plan.columns),
        _build_label(use_case.target, nw.col(plan.target.name_stage("value"))).alias(use_case.target.name),
        _encode_target(use_case.target, nw.col(plan.target.name_stage("value"))).alias(VALUE),
        STATUS,
        FIRST,
        nw.when(rejected).then(_build_reason(plan)).alias(REASON),
        *(nw.when(rejected).then(nw.col(name)).alias(name) for name in plan.raw_columns),
    )


def _add_identifier(rows: LazyRows, use_case: UseCase) -> LazyRows:
    """Add the text of the identifier, as it is but for blanks around it; null where it is missing."""
    if not use_case.identifier:
        return rows
    text = nw.col(use_case.identifier).str.strip_chars()
    present = ~text.is_in(["", *use_case.missing])
    return rows.with_columns(nw.when(present).then(text).alias(ROW_IDENTIFIER))


def transform_inputs(rows: LazyRows, plan: ReadPlan, kept_columns: Sequence[str] = ()) -> LazyRows:
    """Build typed rows without a target: `LINE`, `REASON` (null if usable), the fields, `kept_columns`.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text, and the kept columns.
        plan: Plan by which they are read.
        kept_columns: Columns that stay as they are.
    """
    return _add_stages(rows, plan, kept_columns).select(
        LINE,
        nw.when(_has_problem(plan)).then(_build_reason(plan)).alias(REASON),
        *(nw.col(each.name_stage("value")).alias(each.field.name) for each in plan.columns),
        *kept_columns,
    )


def transform_labelled(rows: LazyRows, plan: LabelledReadPlan, target: Target) -> LazyRows:
    """Build typed rows with their target, whatever their status: `LINE`, `INVALID_FIELDS`, fields, target.

    Args:
        rows: `LINE`, `SURPLUS` and the raw columns as text.
        plan: Plan by which they are read.
        target: Target of the plan; a text that is no target value counts as missing.
    """
    invalid = (
        nw.when(~nw.col(column.name_stage("problem")).is_null()).then(nw.lit(column.field.name))
        for column in plan.columns
    )
    return _add_stages(rows, plan).select(
        LINE,
        nw.concat_str(*invalid, separator=",", ignore_nulls=True).alias(INVALID_FIELDS),
        *(nw.col(each.name_stage("value")).alias(each.field.name) for each in plan.columns),
        _build_label(target, nw.col(plan.target.name_stage("value"))).alias(target.name),
    )


def _add_stages(rows: LazyRows, plan: ReadPlan, kept_columns: Sequence[str] = ()) -> LazyRows:
    """Add every intermediate column, each stage built on the one before."""
    stripped = (nw.col(column).str.strip_chars().alias(name) for name, column in plan.raw_columns.items())
    staged = rows.select(LINE, SURPLUS, *kept_columns, *stripped)
    return add_stages(staged, plan.all_columns, STAGES)


def compute_missing_shares(rows: LazyRows, plan: LabelledReadPlan) -> LazyRows:
    """Compute one row: for each field and the target, the share of rows (0-1) in which it is missing."""
    stripped = (nw.col(column).str.strip_chars().alias(name) for name, column in plan.raw_columns.items())
    texts = add_stages(rows.select(*stripped), plan.all_columns, TEXT_STAGES)
    shares = (
        nw.col(column.name_stage("text")).is_null().mean().alias(column.field.name)
        for column in plan.all_columns
    )
    return texts.select(*shares)


def _find_first_line(use_case: UseCase, plan: LabelledReadPlan) -> nw.Expr:
    """Find the line of the first of equal rows.

    Values are compared, so that `10` and `10.0` are equal; a text that a pattern or a recoding reads is
    compared itself, since its value may be a part of it.
    """
    names = dict.fromkeys(
        column.raw_column if column.parse.pattern or column.parse.recode else column.name_stage("value")
        for column in plan.all_columns
    )
    # min over a window, not unique(): it is deterministic and works on Spark
    if use_case.deduplicate is False:
        return nw.col(LINE).alias(FIRST)
    # with the surplus, so that no complete row is a copy of a line that was cut
    return nw.col(LINE).min().over(*names, PROBLEMS, SURPLUS).alias(FIRST)


def _build_status(use_case: UseCase, plan: LabelledReadPlan, last_day: date) -> nw.Expr:
    target = plan.target
    unlabelled = nw.col(target.name_stage("value")).is_null() & nw.col(target.name_stage("problem")).is_null()
    statuses = [
        (RowStatus.QUARANTINED, _has_problem(plan)),
        (RowStatus.UNLABELLED, unlabelled),
        (RowStatus.DUPLICATE, nw.col(LINE) > nw.col(FIRST)),
        (RowStatus.QUARANTINED, ~nw.col(SURPLUS).is_null()),
    ]
    dates = {column.field.name: column.name_stage("value") for column in plan.columns}
    if use_case.event_date in dates:
        day = nw.col(dates[use_case.event_date]).cast(nw.Date)
        statuses.insert(2, (RowStatus.LATER, day > nw.lit(last_day)))
    # the last one that applies wins, so the list goes from the weakest to the strongest status
    status = nw.lit(RowStatus.KEPT.value)
    for name, applies in statuses:
        status = nw.when(applies).then(nw.lit(name.value)).otherwise(status)
    return status.alias(STATUS)


def _has_problem(plan: ReadPlan) -> nw.Expr:
    problems = (nw.col(column.name_stage("problem")) for column in plan.all_columns)
    return nw.any_horizontal(
        *(~problem.is_null() for problem in (*problems, nw.col(SURPLUS))), ignore_nulls=True
    )


def _build_reason(plan: ReadPlan) -> nw.Expr:
    # the surplus comes last, so that a pattern can find it at the end of the reason
    lacking = nw.col(SURPLUS) == nw.lit(LACKING)
    problem = nw.when(lacking).then(nw.lit(LACKING_PROBLEM)).otherwise(nw.lit(SURPLUS_PROBLEM))
    surplus = nw.when(~nw.col(SURPLUS).is_null()).then(problem)
    problems = (nw.col(column.name_stage("problem")) for column in plan.all_columns)
    return nw.concat_str(*problems, surplus, separator="; ", ignore_nulls=True)


def _join_problems(plan: ReadPlan) -> nw.Expr:
    problems = (nw.col(column.name_stage("problem")) for column in plan.all_columns)
    return nw.concat_str(*problems, separator="; ", ignore_nulls=True)


def _build_label(target: Target, value: nw.Expr) -> nw.Expr:
    """Build the label of a raw number that is binned into classes; otherwise keep the value."""
    if not target.edges:
        return value
    label = nw.lit(target.labels[-1])
    for upper, name in zip(reversed(target.edges), reversed(target.labels[:-1]), strict=True):
        label = nw.when(value < nw.lit(upper)).then(nw.lit(name)).otherwise(label)
    return nw.when(~value.is_null()).then(label)


def _encode_target(target: Target, value: nw.Expr) -> nw.Expr:
    """Encode the target: the raw number, or the index of a label among the labels."""
    if target.numeric:
        return value
    code = nw.lit(None, dtype=nw.Float64)
    for index, label in enumerate(target.labels):
        code = nw.when(value == nw.lit(label)).then(nw.lit(float(index))).otherwise(code)
    return code
