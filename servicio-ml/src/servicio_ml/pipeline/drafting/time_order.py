"""Time order of the rows: the date by which they are split."""

from collections.abc import Sequence

import polars as pl

from servicio_ml.domain.schema import Kind
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.columns.statistics import compute_share, find_bounds

MIN_ORDERED = 0.9
"""Minimum share of the neighbouring rows that are in order: entities one below the other are, too."""
MIN_DAYS = 20
"""Minimum number of different days."""
NAMES = frozenset({"date", "day", "time", "timestamp", "datetime", "event_date", "observation_date"})
SEASON_DAYS = 730
"""Minimum number of days between the first and the last row from which the season is a feature."""


def find_time_column(findings: Sequence[ColumnFinding]) -> tuple[str, str] | None:
    """Find the field that dates the rows, with the reason; None where no date is known to do so."""
    for finding in findings:
        if finding.field is None or finding.values is None or finding.field.kind is not Kind.DATE:
            continue
        days = finding.values
        if days.null_count() or days.n_unique() < MIN_DAYS:
            continue
        if finding.field.name in NAMES:
            return finding.field.name, "its name dates the row"
        if (share := _compute_order(days)) >= MIN_ORDERED:
            return finding.field.name, f"{share:.0%} of the rows follow the one before them"
    return None


def has_seasons(days: pl.Series) -> bool:
    """Whether rows are of two years or more."""
    first, last = find_bounds(days)
    return bool((last - first).days >= SEASON_DAYS)


def _compute_order(days: pl.Series) -> float:
    steps = days.to_physical().diff().drop_nulls()
    return max(compute_share(steps >= 0), compute_share(steps <= 0))
