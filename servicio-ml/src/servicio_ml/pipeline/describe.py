"""What a raw file holds, seen through a use case: its rows' fates and one line per field."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.ingest import read_rows, take_snapshot
from servicio_ml.pipeline.plan import target_field
from servicio_ml.pipeline.staging import stage
from servicio_ml.pipeline.summary import profile
from servicio_ml.pipeline.transform import Fate


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A raw file as the ETL would read it.

    Attributes:
        source: What the user called the file.
        dialect: How it is spelt.
        rows: How many it has.
        fates: `kept`, `quarantined` and so on to a number of rows; they add up to `rows`.
        reasons: The most frequent reasons of the quarantine, in words.
        ignored: Columns that the use case does not read.
        absent: Optional fields that the file lacks.
        fields: One per field and one for the target, as `pipeline.summary.profile` has it of the kept rows,
            with `distinct` (values) and an `example`.
    """

    source: str
    dialect: str
    rows: int
    fates: Mapping[str, int]
    reasons: str
    ignored: Sequence[str]
    absent: Sequence[str]
    fields: Sequence[Mapping[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def describe(use_case: UseCase, source: Path, *, named: str) -> Description:
    """Read a raw file and sum it up; nothing is published.

    Args:
        use_case: Through whose fields.
        source: The raw file: a CSV (UTF-8) or Parquet.
        named: What the user called it.

    Raises:
        DataError: The file cannot be read, or no row of it can be used.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-describe-") as folder:
        snapshot = take_snapshot(source, named, Path(folder))
        raw = read_rows(snapshot, use_case)
        staged = stage(snapshot, raw, use_case, date.max)
        labelled = target_field(replace(use_case.target, edges=()))
        fields = [*(column.field for column in staged.plan.columns), labelled]
        table = profile(staged.kept, fields, staged.missing)
        names = [field.name for field in fields]
        return Description(
            source=named,
            dialect=raw.dialect.name,
            rows=sum(staged.fates.values()),
            fates={fate.value: count for fate, count in staged.fates.items()},
            reasons=staged.reasons() if staged.fates[Fate.QUARANTINED] else "",
            ignored=raw.ignored,
            absent=raw.absent,
            fields=[
                {**row, **extra}
                for row, extra in zip(table.iter_rows(named=True), _values(staged.kept, names), strict=True)
            ],
        )


def _values(rows: pl.LazyFrame, names: Sequence[str]) -> list[dict[str, Any]]:
    """Of each column, how many distinct values it has, and the first of them."""
    found = rows.select(
        pl.col(names).drop_nulls().n_unique().name.prefix("distinct "),
        pl.col(names).drop_nulls().first().cast(pl.String).name.prefix("example "),
    )
    facts = found.collect(engine="streaming").row(0, named=True)
    return [{"distinct": facts[f"distinct {name}"], "example": facts[f"example {name}"]} for name in names]
