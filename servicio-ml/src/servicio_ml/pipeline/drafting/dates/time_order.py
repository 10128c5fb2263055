"""Time order of the rows: the date by which they are split."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from servicio_ml.domain.schema import Kind
from servicio_ml.errors import DraftError, format_names
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds
from servicio_ml.pipeline.drafting.reasons import format_reason

MIN_ORDERED = 0.9
"""Minimum share of neighbouring rows in order, not all: a file may have one entity below the other."""
MIN_DAYS = 20
"""Minimum number of different days."""
NAMES = frozenset({"date", "day", "time", "timestamp", "datetime", "event_date", "observation_date"})
NUMBERS = frozenset({Kind.NUMBER, Kind.INTEGER})
MIN_VALUES = 3
"""Minimum number of different values of a number that follows the time; two are a state before and after."""
SEASON_DAYS = 730
"""Minimum number of days between the first and the last row from which the season is a feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeColumn:
    """A column that dates the rows.

    Attributes:
        column: Name of the raw column.
        field: Name of its field.
        reason: What was seen.
    """

    column: str
    field: str
    reason: str


def choose_time_column(findings: Sequence[ColumnFinding], named: str, source_name: str) -> TimeColumn | None:
    """Choose the column that dates the rows: the named one, else the first; None where none does so.

    Raises:
        DraftError: The named column holds no dates, or not in every row.
    """
    if not named:
        return next(iter(list_time_columns(findings)), None)
    for finding in findings:
        if finding.column == named and _is_complete_date(finding) and finding.field is not None:
            return TimeColumn(column=named, field=finding.field.name, reason=format_reason("as asked"))
    dates = format_names(each.column for each in findings if _is_complete_date(each)) or "none"
    problem = f"the column {named!r} cannot date the rows; columns with a date in every row: {dates}"
    raise DraftError(source_name, problem)


def list_time_columns(findings: Sequence[ColumnFinding]) -> list[TimeColumn]:
    """List the columns that date the rows by their names or by their order."""
    return list(_iterate_time_columns(findings))


def _is_complete_date(finding: ColumnFinding) -> bool:
    is_date = finding.field is not None and finding.field.is_dated
    return is_date and finding.values is not None and not finding.values.null_count()


def _iterate_time_columns(findings: Sequence[ColumnFinding]) -> Iterator[TimeColumn]:
    for finding in findings:
        days = finding.values
        if finding.field is None or days is None or not _is_complete_date(finding):
            continue
        if days.n_unique() < MIN_DAYS:
            continue
        name, share = finding.field.name, _compute_order(days)
        if name in NAMES:
            reason = format_reason("its name dates the row")
            yield TimeColumn(column=finding.column, field=name, reason=reason)
        elif share >= MIN_ORDERED:
            reason = format_reason("{share} of the rows follow the one before them", share=f"{share:.0%}")
            yield TimeColumn(column=finding.column, field=name, reason=reason)


def leave_out_time_copies(
    findings: Sequence[ColumnFinding], time: TimeColumn, kept: Collection[str]
) -> list[ColumnFinding]:
    """Leave out the numbers that only follow the time: they rise, or fall, from each day to the next.

    A model of trees answers beyond the last number of its training rows as at that number, and every later
    row lies beyond it.

    Args:
        findings: Every column.
        time: Column that dates the rows.
        kept: Columns that the user wants.
    """
    days = next(each.values for each in findings if each.column == time.column)
    reason = format_reason("it follows {column}, so that later rows lie beyond it", column=repr(time.column))
    return [
        each.leave_out(reason) if each.column not in kept and _is_monotone(each, days) else each
        for each in findings
    ]


def _is_monotone(finding: ColumnFinding, days: pl.Series | None) -> bool:
    values = finding.values
    if finding.field is None or values is None or days is None or finding.field.kind not in NUMBERS:
        return False
    if values.null_count() or values.n_unique() < MIN_VALUES:
        return False
    bounds = (
        pl.DataFrame({"day": days, "value": values})
        .group_by("day")
        .agg(low=pl.col("value").min(), high=pl.col("value").max())
        .sort("day")
    )
    rises = bounds["low"][1:] >= bounds["high"][:-1]
    falls = bounds["high"][1:] <= bounds["low"][:-1]
    return bool(rises.all() or falls.all())


def has_seasons(days: pl.Series) -> bool:
    """Whether rows are of two years or more."""
    first, last = find_bounds(days)
    return bool((last - first).days >= SEASON_DAYS)


def _compute_order(days: pl.Series) -> float:
    steps = days.to_physical().diff().drop_nulls()
    return max(compute_share(steps >= 0), compute_share(steps <= 0))
