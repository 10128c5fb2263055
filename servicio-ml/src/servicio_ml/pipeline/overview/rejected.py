"""Quarantine in an overview: its reasons without the values, and the problems of its first rows."""

import re
from collections.abc import Iterator, Mapping

import polars as pl

from servicio_ml.lifecycle.overview import QuarantineOverview, QuarantineReason, RejectedValue
from servicio_ml.pipeline.reading.columns import ColumnPlan, LabelledReadPlan
from servicio_ml.pipeline.reading.expressions import describe_allowed_values
from servicio_ml.pipeline.reading.transform import LACKING_PROBLEM, SURPLUS_PROBLEM

EXAMPLE_ROWS, MAX_EXAMPLES = 50, 200
MAX_SHOWN_CHARACTERS = 120
REASON_SEPARATOR = "; "
MISSING_PROBLEM = "it is missing"


def summarize_quarantine(rejected: pl.LazyFrame, plan: LabelledReadPlan) -> QuarantineOverview:
    """Summarize the rejected rows.

    Args:
        rejected: `line`, `reason` as written by `transform`, and the raw columns.
        plan: Plan by which the file was read.
    """
    first = rejected.head(EXAMPLE_ROWS).collect()
    examples = [each for row in first.iter_rows(named=True) for each in _parse_problems(row, plan)]
    rows, *counts = rejected.select(pl.len(), *_build_counts(plan)).collect(engine="streaming").row(0)
    found = zip(_list_problems(plan), counts, strict=True)
    reasons = [
        QuarantineReason(field=field, problem=problem, rows=times)
        for (field, problem), times in found
        if times
    ]
    return QuarantineOverview(
        rows=rows,
        reasons=tuple(sorted(reasons, key=lambda each: (-each.rows, each.field or "", each.problem))),
        examples=tuple(examples[:MAX_EXAMPLES]),
    )


def _list_problems(plan: LabelledReadPlan) -> Iterator[tuple[str | None, str]]:
    """List every problem that a row can have: field and problem."""
    for column in plan.all_columns:
        yield column.field.name, f"it is not {describe_allowed_values(column.field)}"
        yield column.field.name, MISSING_PROBLEM
    yield None, SURPLUS_PROBLEM
    yield None, LACKING_PROBLEM


def _build_counts(plan: LabelledReadPlan) -> Iterator[pl.Expr]:
    """Build for each problem the number of rows that have it."""
    # with the separator in front, a prefix is found at the start of a reason only
    reason = pl.lit(REASON_SEPARATOR) + pl.col("reason")
    for number, (field, problem) in enumerate(_list_problems(plan)):
        prefix = f"{field}: {MISSING_PROBLEM}" if problem == MISSING_PROBLEM else f"{field}: '"
        pattern = f"{REASON_SEPARATOR}{prefix if field else problem}"
        yield reason.str.contains(pattern, literal=True).sum().alias(f"{number}")


def _parse_problems(row: Mapping[str, str | int], plan: LabelledReadPlan) -> Iterator[RejectedValue]:
    line, reason = int(row["line"]), str(row["reason"])
    for column in plan.all_columns:
        found = _build_pattern(column).search(reason)
        if found is None:
            continue
        value = found["value"]
        problem = MISSING_PROBLEM if value is None else f"it is not {describe_allowed_values(column.field)}"
        yield RejectedValue(line=line, field=column.field.name, value=_truncate(value), problem=problem)
    for problem in (SURPLUS_PROBLEM, LACKING_PROBLEM):
        if reason.endswith(problem):
            yield RejectedValue(line=line, field=None, value=None, problem=problem)


def _build_pattern(column: ColumnPlan) -> re.Pattern[str]:
    # values may contain quotes and separators, so the allowed values after them end the match
    wrong = f"'(?P<value>.*?)' is not {re.escape(describe_allowed_values(column.field))}"
    return re.compile(rf"(?:^|; ){column.field.name}: (?:{wrong}|{MISSING_PROBLEM})(?=; |$)", re.DOTALL)


def _truncate(value: str | None) -> str | None:
    if value is None or len(value) <= MAX_SHOWN_CHARACTERS:
        return value
    return f"{value[:MAX_SHOWN_CHARACTERS]}…"
