"""Copies of a row that are none: rows that only columns keep apart which the use case does not read."""

from collections.abc import Mapping

import polars as pl

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import ContractError, format_names
from servicio_ml.pipeline.etl.staging import StagedRows
from servicio_ml.pipeline.reading.raw_file import RawRows
from servicio_ml.pipeline.reading.text import LINE, SURPLUS
from servicio_ml.pipeline.reading.transform import FIRST, RowStatus

UNNAMED = "(unnamed)"


def count_distinct_copies(raw: RawRows, staged: StagedRows) -> Mapping[str, int]:
    """Count for each column that is not read the copies that it would keep apart; zeros are left out."""
    if not (staged.status_counts[RowStatus.DUPLICATE] and raw.unread_columns):
        return {}
    stripped = [pl.col(name).str.strip_chars() for name in raw.unread_columns]
    # copied texts and not codes: an empty cell and a missing one are the same
    values = [pl.col(name).n_unique() - 1 for name in raw.unread_columns]
    complete = raw.every_column.filter(pl.col(SURPLUS).is_null()).select(LINE, *stripped)
    groups = complete.join(staged.rows.select(LINE, FIRST), on=LINE).group_by(FIRST).agg(pl.len(), *values)
    sums = groups.filter(pl.col("len") > 1).select(pl.col(*raw.unread_columns).sum())
    found = sums.collect(engine="streaming").row(0, named=True)
    return {name or UNNAMED: count for name, count in found.items() if count}


def check_copies(raw: RawRows, staged: StagedRows, source_name: str, use_case: UseCase) -> str:
    """Check that rows are dropped as copies by the choice of the use case.

    Returns:
        Description of the dropped rows that a column which is not read would keep apart; empty without one.

    Raises:
        ContractError: There are such rows and the use case does not say what they are.
    """
    found = count_distinct_copies(raw, staged) if use_case.deduplicate is not False else {}
    if not found:
        return ""
    columns = format_names(f"{name!r} ({count} rows)" for name, count in found.items())
    if use_case.deduplicate is None:
        raise ContractError(
            source_name,
            "rows are equal to another in every column that the use case reads, but differ in others:"
            f" {columns}; say in the use case what they are: deduplicate=True drops them, False keeps them",
        )
    return f"copies that are dropped and differ in columns that are not read: {columns}"
