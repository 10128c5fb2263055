"""Columns without information: no value, or the same one in every row."""

from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn, shorten


def find_constant(column: RawColumn) -> ColumnFinding | None:
    """Find that a column has no value, or only one."""
    present = column.present
    if present.is_empty():
        return ColumnFinding(column=column.name, reason="it has no value in any row")
    if present.n_unique() == 1 and not column.nullable:
        return ColumnFinding(column=column.name, reason=f"it is {shorten(present[0])!r} in every row")
    return None
