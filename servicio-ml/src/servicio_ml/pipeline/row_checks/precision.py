"""Numbers that float32 does not separate: a column of them is refused before anything is published."""

import polars as pl

from servicio_ml.domain.checks.exactness import MIN_STEPS, compute_float32_step
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import ContractError

BULK = (0.05, 0.95)
"""Quantiles between which most values of a column lie: few outliers do not decide about it."""
MIN_LOST_SHARE = 0.01
"""Minimum share of distinct values that become equal, for a column whose range float32 separates."""


def refuse_rounded_numbers(rows: pl.LazyFrame, schema: FeatureSchema) -> None:
    """Refuse a number without bounds whose distinct values become equal when they are rounded to float32.

    The bounds of other numbers are checked when the use case is read.

    Args:
        rows: Rows to publish, with a column for each field.
        schema: Fields of the rows.

    Raises:
        ContractError: There is such a column; the message says how many values become equal.
    """
    for field in schema.fields:
        if field.kind is Kind.NUMBER and (field.minimum is None or field.maximum is None):
            _refuse_rounded_column(rows, field)


def _refuse_rounded_column(rows: pl.LazyFrame, field: Field) -> None:
    value = pl.col(field.name)
    distinct = rows.select(value).drop_nulls().unique()
    low, high = (value.quantile(share).alias(f"{share}") for share in BULK)
    found = distinct.select(pl.len(), value.cast(pl.Float32).n_unique().alias("rounded"), low, high).collect(
        engine="streaming"
    )
    count, rounded, lowest, highest = found.row(0)
    if not _is_too_coarse(count, count - rounded, lowest, highest):
        return
    raise ContractError(
        field.name,
        f"{count - rounded} of its {count} distinct values become equal to another one in float32 (7 digits),"
        f" whose steps are {compute_float32_step(highest):g} there; make it a date, subtract an origin, or"
        " use a larger unit such as thousands",
    )


def _is_too_coarse(count: int, lost: int, lowest: float, highest: float) -> bool:
    if not lost:
        return False
    step = compute_float32_step(min(abs(lowest), abs(highest))) if lowest * highest > 0 else 0.0
    # digits beyond the seventh are noise where the range has many steps, and identifiers or moments elsewhere
    return step * MIN_STEPS > highest - lowest or (step > 1 and lost >= MIN_LOST_SHARE * count)
