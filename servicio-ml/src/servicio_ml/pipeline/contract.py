"""The contract of what is published, as a pandera schema, verified on the files themselves batch by batch."""

import warnings
from pathlib import Path

import polars as pl

with warnings.catch_warnings():
    # where PySpark is installed, pandera imports it, and PySpark warns of any pandas 3
    warnings.simplefilter("ignore", FutureWarning)
    import pandera.polars as pa

from pandera.errors import SchemaErrors

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import ContractError, listed

BATCH_ROWS = 500_000
TYPES = {Kind.NUMBER: pl.Float64, Kind.INTEGER: pl.Int64, Kind.CATEGORY: pl.String, Kind.DATE: pl.Date}


def contract(schema: FeatureSchema, target: Target) -> pa.DataFrameSchema:
    """What a published frame holds: `line`, the fields in the schema's order, then the target."""
    label = pa.Column(pl.String, pa.Check.isin(list(target.labels)))
    number = pa.Column(pl.Float64, _limits(target.minimum, target.maximum))
    return pa.DataFrameSchema(
        {
            SOURCE_LINE: pa.Column(pl.Int64, pa.Check.ge(1)),
            **{field.name: _column(field) for field in schema.fields},
            target.name: label if target.labels else number,
        },
        strict=True,
        ordered=True,
    )


def verify(path: Path, schema: FeatureSchema, target: Target) -> int:
    """See that a Parquet file keeps the contract, and count its rows.

    Raises:
        ContractError: It does not.
    """
    agreed, rows = contract(schema, target), pl.scan_parquet(path)
    total = int(rows.select(pl.len()).collect().item())
    for start in range(0, total, BATCH_ROWS):
        batch = rows.slice(start, BATCH_ROWS).collect()
        try:
            agreed.validate(batch, lazy=True)
        except SchemaErrors as error:
            cases = error.failure_cases.unique(["column", "check"], maintain_order=True)
            told = (f"{row['column']} breaks {row['check']}" for row in cases.iter_rows(named=True))
            raise ContractError(path.stem, f"the rows break the contract: {listed(told)}") from error
    return total


def _column(field: Field) -> pa.Column:
    checks = [pa.Check.isin(list(field.levels))] if field.levels else _limits(field.minimum, field.maximum)
    return pa.Column(TYPES[field.kind], checks, nullable=field.nullable)


def _limits(minimum: float | None, maximum: float | None) -> list[pa.Check]:
    least = [] if minimum is None else [pa.Check.ge(minimum)]
    return least if maximum is None else [*least, pa.Check.le(maximum)]
