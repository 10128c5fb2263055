"""Contract of the published files as a pandera schema, verified on the files themselves batch by batch."""

import warnings
from pathlib import Path

import polars as pl

with warnings.catch_warnings():
    # where PySpark is installed, pandera imports it, and PySpark warns about any pandas 3
    warnings.simplefilter("ignore", FutureWarning)
    import pandera.polars as pa

from pandera.errors import SchemaErrors

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import ContractError, format_names

BATCH_ROWS = 500_000
TYPES = {Kind.NUMBER: pl.Float64, Kind.INTEGER: pl.Int64, Kind.CATEGORY: pl.String, Kind.DATE: pl.Date}


def build_contract(schema: FeatureSchema, target: Target) -> pa.DataFrameSchema:
    """Build the contract of a published frame: `line`, the fields in the schema's order, then the target."""
    label = pa.Column(pl.String, pa.Check.isin(list(target.labels)))
    number = pa.Column(pl.Float64, _build_limits(target.minimum, target.maximum))
    # strict and ordered: training reads columns by position and must not see an unknown one
    return pa.DataFrameSchema(
        {
            SOURCE_LINE: pa.Column(pl.Int64, pa.Check.ge(1)),
            **{field.name: _build_column(field) for field in schema.fields},
            target.name: label if target.labels else number,
        },
        strict=True,
        ordered=True,
    )


def verify(path: Path, schema: FeatureSchema, target: Target) -> int:
    """Check that a Parquet file keeps the contract, and count its rows.

    Raises:
        ContractError: A row breaks the contract.
    """
    schema_check, rows = build_contract(schema, target), pl.scan_parquet(path)
    total = int(rows.select(pl.len()).collect().item())
    # the published files themselves are read back, so that a fault of the writer is found, too
    for start in range(0, total, BATCH_ROWS):
        batch = rows.slice(start, BATCH_ROWS).collect()
        try:
            schema_check.validate(batch, lazy=True)
        except SchemaErrors as error:
            failures = error.failure_cases.unique(["column", "check"], maintain_order=True)
            problems = (f"{row['column']} breaks {row['check']}" for row in failures.iter_rows(named=True))
            raise ContractError(
                path.stem, f"the rows break the contract: {format_names(problems)}"
            ) from error
    return total


def _build_column(field: Field) -> pa.Column:
    checks = (
        [pa.Check.isin(list(field.levels))] if field.levels else _build_limits(field.minimum, field.maximum)
    )
    return pa.Column(TYPES[field.kind], checks, nullable=field.nullable)


def _build_limits(minimum: float | None, maximum: float | None) -> list[pa.Check]:
    lower = [] if minimum is None else [pa.Check.ge(minimum)]
    return lower if maximum is None else [*lower, pa.Check.le(maximum)]
