"""Columns without information: no value, or the same one in every row."""

from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding, RawColumn, quote
from servicio_ml.pipeline.drafting.reasons import format_reason


def find_constant(column: RawColumn) -> ColumnFinding | None:
    """Find that a column has no value, or only one."""
    present = column.present
    if present.is_empty():
        return ColumnFinding(column=column.name, reason=format_reason("it has no value in any row"))
    if present.n_unique() == 1 and not column.nullable:
        reason = format_reason("it is {value} in every row", value=quote(present[0]))
        return ColumnFinding(column=column.name, reason=reason)
    return None
