"""Copies: columns with the values of another one, and rows that are equal to others."""

from collections.abc import Sequence
from math import prod

import polars as pl

from servicio_ml.domain.schema import Kind
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.reasons import format_reason, join_reasons

CHANCE_FACTOR = 100
"""Number of possible rows, as a multiple of the rows, from which equal rows are no coincidence."""


def leave_out_copied_columns(findings: Sequence[ColumnFinding]) -> list[ColumnFinding]:
    """Leave out each column with the values of a column before it, or with other names for its levels."""
    kept = list[ColumnFinding]()
    for finding in findings:
        reasons = (_describe_copy(finding, each) for each in kept)
        reason = next(filter(None, reasons), "")
        kept.append(finding.leave_out(reason) if reason else finding)
    return kept


def _describe_copy(finding: ColumnFinding, other: ColumnFinding) -> str:
    """Describe what makes a column a copy of another one; empty where it is none."""
    if finding.field is None or finding.values is None or other.field is None or other.values is None:
        return ""
    if finding.values.dtype == other.values.dtype and finding.values.equals(other.values, null_equal=True):
        return format_reason("its values are those of {column}", column=repr(other.column))
    if {finding.field.kind, other.field.kind} == {Kind.CATEGORY} and _is_renaming(
        finding.values, other.values
    ):
        return format_reason("its levels are other names for those of {column}", column=repr(other.column))
    return ""


def _is_renaming(values: pl.Series, others: pl.Series) -> bool:
    """Whether each level always stands beside the same level of the other column, and the reverse."""
    pairs = pl.DataFrame({"value": values, "other": others}).unique()
    return len(pairs) == pairs["value"].n_unique() == pairs["other"].n_unique() > 1


def choose_deduplication(cells: pl.DataFrame, read: Sequence[str]) -> tuple[bool | None, str, float]:
    """Choose whether equal rows are dropped as copies; None where no rows are equal.

    The reason and the share of the rows that stay (0-1) go with it.

    Args:
        cells: Every column of the file.
        read: Columns that the use case reads.
    """
    equal = len(cells) - cells.select(read).n_unique()
    if not equal:
        return None, "", 1.0
    rows = format_reason("number of rows that are equal to another: {number}", number=equal)
    exact = len(cells) - cells.n_unique()
    possible = prod(cells[name].n_unique() for name in read)
    if possible < CHANCE_FACTOR * len(cells):
        why = format_reason(
            "kept: with {number} possible rows, some are equal by chance", number=f"{possible:,}"
        )
        return False, join_reasons(rows, why), 1.0
    if 2 * exact < equal:
        why = format_reason("kept: they differ in the columns that are left out")
        return False, join_reasons(rows, why), 1.0
    return True, join_reasons(rows, format_reason("dropped as copies")), 1 - equal / len(cells)
