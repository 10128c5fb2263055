"""Contract of the published files: learned levels, and a pandera schema that is verified on the files."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl
from polars._typing import PolarsDataType

with warnings.catch_warnings():
    # where PySpark is installed, pandera imports it, and PySpark warns about any pandas 3
    warnings.simplefilter("ignore", FutureWarning)
    import pandera.polars as pa

from pandera.errors import SchemaErrors

from servicio_ml.domain.checks.attributes import Label, find_problem
from servicio_ml.domain.checks.fields import MISSING_LABEL
from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.fields.words import WORD_PATTERN
from servicio_ml.domain.ports.progress import Progress
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.domain.use_case import Target
from servicio_ml.domain.values import OTHER
from servicio_ml.errors import ContractError, format_names

BATCH_ROWS = 500_000
TYPES: Mapping[Kind, PolarsDataType] = {
    Kind.NUMBER: pl.Float64,
    Kind.INTEGER: pl.Int64,
    Kind.CATEGORY: pl.String,
    Kind.DATE: pl.Date,
    Kind.DATETIME: pl.Datetime("us"),
    Kind.BOOLEAN: pl.String,
    Kind.TEXT: pl.String,
}


def build_contract(
    fields: Sequence[Field], target: Target, *, identified: bool = False
) -> pa.DataFrameSchema:
    """Build the contract of a published frame: `line`, `identifier`, the fields, the target.

    Args:
        fields: Fields, in their order.
        target: Last column.
        identified: Whether rows have an identifier.
    """
    identifier = {IDENTIFIER: pa.Column(pl.String, nullable=True)} if identified else {}
    label = pa.Column(pl.String, pa.Check.isin(list(target.labels)))
    number = pa.Column(pl.Float64, _build_limits(target.minimum, target.maximum))
    # strict and ordered: training reads columns by position and must not see an unknown one
    return pa.DataFrameSchema(
        {
            SOURCE_LINE: pa.Column(pl.Int64, pa.Check.ge(1)),
            **identifier,
            **{field.name: _build_column(field) for field in fields},
            target.name: label if target.labels else number,
        },
        strict=True,
        ordered=True,
    )


def verify(path: Path, fields: Sequence[Field], target: Target, *, identified: bool = False) -> int:
    """Check that a Parquet file keeps the contract, and count its rows.

    Raises:
        ContractError: A row breaks the contract.
    """
    contract, rows = build_contract(fields, target, identified=identified), pl.scan_parquet(path)
    total = int(rows.select(pl.len()).collect().item())
    # the published files themselves are read back, so that a fault of the writer is found, too
    for start in range(0, total, BATCH_ROWS):
        batch = rows.slice(start, BATCH_ROWS).collect()
        try:
            contract.validate(batch, lazy=True)
        except SchemaErrors as error:
            failures = error.failure_cases.unique(["column", "check"], maintain_order=True)
            problems = (f"{row['column']} breaks {row['check']}" for row in failures.iter_rows(named=True))
            raise ContractError(
                path.stem, f"the rows break the contract: {format_names(problems)}"
            ) from error
    return total


def _build_column(field: Field) -> pa.Column:
    closed = field.levels and not field.learned_levels
    checks = [pa.Check.isin(list(field.levels))] if closed else _build_limits(field.minimum, field.maximum)
    return pa.Column(TYPES[field.kind], checks, nullable=field.nullable)


def _build_limits(minimum: float | None, maximum: float | None) -> list[pa.Check]:
    lower = [] if minimum is None else [pa.Check.ge(minimum)]
    return lower if maximum is None else [*lower, pa.Check.le(maximum)]


def select_levels(schema: FeatureSchema, rows: pl.LazyFrame, progress: Progress) -> FeatureSchema:
    """Return the schema with the levels of its learned categories and the words of texts; report how many.

    Args:
        schema: Fields of the period.
        rows: Training rows.
        progress: Receiver of the reports.
    """
    return schema.set_levels(
        {
            each.name: _select_levels(each, each.learned_levels, rows, progress)
            for each in schema.fields
            if each.learned_levels
        },
        {each.name: _select_words(each, rows, progress) for each in schema.fields if each.kind is Kind.TEXT},
    )


def _select_words(field: Field, rows: pl.LazyFrame, progress: Progress) -> tuple[str, ...]:
    rule = field.learned_words
    words = pl.col(field.name).str.to_lowercase().str.extract_all(WORD_PATTERN).list.unique()
    counts = rows.select(words.explode()).group_by(field.name).len().drop_nulls(field.name)
    frequent = counts.filter(pl.col("len") >= rule.minimum_rows).collect(engine="streaming")
    chosen = frequent.sort("len", field.name, descending=[True, False]).head(rule.maximum)[field.name]
    progress.report(
        f"{field.name}: {len(chosen)} words are learned, each in {rule.minimum_rows} rows or more"
    )
    return tuple(chosen)


def _select_levels(
    field: Field, rule: LearnedLevels, rows: pl.LazyFrame, progress: Progress
) -> tuple[str, ...]:
    counts = rows.group_by(field.name).len().drop_nulls(field.name).collect(engine="streaming")
    frequent = counts.filter(pl.col("len") >= rule.minimum_rows, _is_level(pl.col(field.name)))
    levels = frequent.sort("len", field.name, descending=[True, False]).head(rule.maximum)
    others = int(counts["len"].sum()) - int(levels["len"].sum())
    progress.report(
        f"{field.name}: {len(levels)} of {len(counts)} texts are levels; the others, in {others} training "
        f"rows, are {OTHER!r}"
    )
    return (*levels[field.name], OTHER)


def _is_level(text: pl.Expr) -> pl.Expr:
    # `missing` is the name of absent values in bins and metrics
    reserved = [OTHER, MISSING_LABEL]
    return text.map_elements(
        lambda level: level not in reserved and not find_problem(level, Label, "level"),
        return_dtype=pl.Boolean,
    )
