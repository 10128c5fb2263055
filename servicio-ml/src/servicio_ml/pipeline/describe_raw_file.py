"""Description of a raw file as a use case reads it: rows by status, and a summary of each field."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.etl.summary import build_profile
from servicio_ml.pipeline.reading.columns import build_target_field
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import RowStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFileDescription:
    """A raw file as the ETL would read it.

    Attributes:
        source: Name by which the user knows the file.
        dialect: Name of its dialect.
        rows: Number of its rows.
        status_counts: `kept`, `quarantined` and so on to a number of rows; they add up to `rows`.
        reasons: The most frequent reasons of the quarantine, in words.
        ignored: Columns that the use case does not read.
        absent: Optional fields that the file lacks.
        fields: One per field and one for the target, as `pipeline.summary.profile` has it of the kept rows,
            with `distinct` (values) and an `example`.
    """

    source: str
    dialect: str
    rows: int
    status_counts: Mapping[str, int]
    reasons: str
    ignored: Sequence[str]
    absent: Sequence[str]
    fields: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(use_case: UseCase, source: Path, *, source_name: str) -> RawFileDescription:
    """Read a raw file and summarize it; nothing is published.

    Args:
        use_case: Use case that reads it.
        source: The raw file, in any format that `read_rows` reads.
        source_name: Name by which the user knows it, for messages.

    Raises:
        DataError: The file cannot be read, or no row of it can be used.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-describe-") as folder:
        snapshot = copy_input_file(source, source_name, Path(folder))
        raw = read_rows(snapshot, use_case)
        staged = stage(snapshot, raw, use_case, date.max)
        # without its edges: people want to see the raw number, not the label
        labelled = build_target_field(replace(use_case.target, edges=()))
        fields = [*(column.field for column in staged.plan.columns), labelled]
        table = build_profile(staged.kept, fields, staged.missing_shares)
        names = [field.name for field in fields]
        return RawFileDescription(
            source=source_name,
            dialect=raw.dialect.name,
            rows=sum(staged.status_counts.values()),
            status_counts={status.value: count for status, count in staged.status_counts.items()},
            reasons=staged.summarize_reasons() if staged.status_counts[RowStatus.QUARANTINED] else "",
            ignored=raw.ignored_columns,
            absent=raw.absent_fields,
            fields=[
                {**row, **extra}
                for row, extra in zip(
                    table.iter_rows(named=True), _summarize_values(staged.kept, names), strict=True
                )
            ],
        )


def _summarize_values(rows: pl.LazyFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Count the distinct values of each column, and take the first of them as an example."""
    found = rows.select(
        pl.col(names).drop_nulls().n_unique().name.prefix("distinct "),
        pl.col(names).drop_nulls().first().cast(pl.String).name.prefix("example "),
    )
    facts = found.collect(engine="streaming").row(0, named=True)
    return [{"distinct": facts[f"distinct {name}"], "example": facts[f"example {name}"]} for name in names]
