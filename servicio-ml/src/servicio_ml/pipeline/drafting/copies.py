"""Copies: columns with the values of another one, and rows that are equal to others."""

from collections.abc import Sequence
from math import prod

import polars as pl

from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding

CHANCE_FACTOR = 100
"""Number of possible rows, as a multiple of the rows, from which equal rows are no coincidence."""


def leave_out_copied_columns(findings: Sequence[ColumnFinding]) -> list[ColumnFinding]:
    """Leave out each column whose values are those of a column before it."""
    kept = list[ColumnFinding]()
    for finding in findings:
        copied = next((each for each in kept if _is_copy(finding, each)), None)
        kept.append(finding.leave_out(f"its values are those of {copied.column!r}") if copied else finding)
    return kept


def _is_copy(finding: ColumnFinding, other: ColumnFinding) -> bool:
    if finding.values is None or other.values is None or finding.values.dtype != other.values.dtype:
        return False
    return finding.values.equals(other.values, null_equal=True)


def choose_deduplication(cells: pl.DataFrame, read: Sequence[str]) -> tuple[bool | None, str, float]:
    """Choose what equal rows are, with the reason and the share of the rows that stay (0-1).

    None and an empty text where there are none.

    Args:
        cells: Every column of the file.
        read: Columns that the use case reads.
    """
    equal = len(cells) - cells.select(read).n_unique()
    if not equal:
        return None, "", 1.0
    rows = "1 row is" if equal == 1 else f"{equal} rows are"
    exact = len(cells) - cells.n_unique()
    possible = prod(cells[name].n_unique() for name in read)
    if possible < CHANCE_FACTOR * len(cells):
        return False, f"{rows} equal to another by chance, of {possible:,} possible ones: kept", 1.0
    if 2 * exact < equal:
        return False, f"{rows} equal to another but for the columns left out: kept", 1.0
    return True, f"{rows} equal to another: copies, which are dropped", 1 - equal / len(cells)
