"""Profile of the published data: a table with one row per field and one for the target."""

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from servicio_ml.domain.fields.date_time import ISO_FORMAT
from servicio_ml.domain.schema import Field, Kind

NUMERIC_KINDS = frozenset({Kind.NUMBER, Kind.INTEGER})
PROFILE_COLUMNS = {
    "name": pl.String,
    "kind": pl.String,
    "unit": pl.String,
    "missing_before": pl.Float64,
    "missing_after": pl.Float64,
    "mean": pl.Float64,
    "std": pl.Float64,
    "minimum": pl.String,
    "maximum": pl.String,
    "most_frequent": pl.String,
    "most_frequent_share": pl.Float64,
}


def build_profile(
    rows: pl.LazyFrame, fields: Sequence[Field], missing_before: Mapping[str, float]
) -> pl.DataFrame:
    """Build the table; shares are from 0 to 1, the standard deviation is the sample's, in the field's unit.

    Args:
        rows: Published rows.
        fields: Fields to profile; the target may be one of them.
        missing_before: Share of the raw rows in which each field is missing.
    """
    names = [field.name for field in fields]
    numbers = [field.name for field in fields if field.kind in NUMERIC_KINDS]
    ordered = [*_write_ordered_values(fields)]
    # one pass over the file for all columns
    facts = rows.select(
        pl.len().alias("rows"),
        pl.col(names).null_count().name.prefix("nulls "),
        pl.col(numbers).mean().name.prefix("mean "),
        pl.col(numbers).std().name.prefix("std "),
        *(each.min().cast(pl.String).name.prefix("min ") for each in ordered),
        *(each.max().cast(pl.String).name.prefix("max ") for each in ordered),
    )
    found = facts.collect(engine="streaming").row(0, named=True)
    table = [
        {
            "name": field.name,
            "kind": field.kind.value,
            "unit": field.unit,
            "missing_before": missing_before[field.name],
            "missing_after": found[f"nulls {field.name}"] / max(found["rows"], 1),
            "mean": found.get(f"mean {field.name}"),
            "std": found.get(f"std {field.name}"),
            "minimum": found.get(f"min {field.name}"),
            "maximum": found.get(f"max {field.name}"),
            **(_find_most_frequent(rows, field.name, found["rows"]) if field.has_levels else {}),
        }
        for field in fields
    ]
    return pl.DataFrame(table, schema=PROFILE_COLUMNS)


def extract_profile_metrics(table: pl.DataFrame) -> dict[str, float]:
    """Extract the table's numbers by metric name, such as `mean_rainfall`; empty cells are left out."""
    return dict(_iterate_metrics(table))


def _iterate_metrics(table: pl.DataFrame) -> Iterator[tuple[str, float]]:
    for row in table.iter_rows(named=True):
        for fact in ("missing_before", "missing_after", "mean", "std"):
            if row[fact] is not None:
                yield f"{fact}_{row['name']}", row[fact]


def _write_ordered_values(fields: Sequence[Field]) -> Iterator[pl.Expr]:
    """Write the values that have a minimum: numbers, dates, and date-times as ISO texts."""
    for field in fields:
        value = pl.col(field.name)
        if field.kind is Kind.DATETIME:
            yield value.dt.strftime(ISO_FORMAT)
        elif field.is_dated or field.kind in NUMERIC_KINDS:
            yield value


def _find_most_frequent(rows: pl.LazyFrame, name: str, total: int) -> dict[str, object]:
    levels = rows.group_by(name).len().drop_nulls(name).sort("len", name, descending=[True, False])
    for level, count in levels.head(1).collect(engine="streaming").iter_rows():
        return {"most_frequent": level, "most_frequent_share": count / total}
    return {}
