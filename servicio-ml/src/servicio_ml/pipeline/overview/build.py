"""Overview of the data that the ETL publishes, built from the published files."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import polars.selectors as cs

from servicio_ml.domain.checks.use_case import BINARY_LABELS
from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.fields.date_time import ISO_FORMAT
from servicio_ml.domain.fields.words import WORD_PATTERN
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.domain.values import OTHER
from servicio_ml.lifecycle.overview import (
    DataOrigin,
    MissingShares,
    OverviewColumn,
    OverviewRows,
    PeriodOverview,
)
from servicio_ml.pipeline.overview.columns import ColumnDraft, build_column, draft_column, find_most_frequent
from servicio_ml.pipeline.overview.counts import BATCH_ROWS, DECIMALS, OverviewCounts
from servicio_ml.pipeline.overview.rejected import summarize_quarantine
from servicio_ml.pipeline.reading.columns import LabelledReadPlan, build_target_field

SAMPLE_ROWS = 20


def build_overview(
    use_case: UseCase, schema: FeatureSchema, plan: LabelledReadPlan, dialect: str, files: Mapping[str, Path]
) -> PeriodOverview:
    """Build the overview; memory holds one column or one batch of rows, whichever is larger.

    Args:
        use_case: Use case of the rows.
        schema: Published fields.
        plan: Plan by which the raw file was read.
        dialect: Name of the raw file's dialect.
        files: `train`, `test` and `quarantine` as local files.
    """
    target = use_case.target
    fields = [*schema.fields, build_target_field(replace(target, edges=()))]
    published = _count_words(pl.scan_parquet([files["train"], files["test"]]), schema)
    drafts = [draft_column(published, field, target=field.name == target.name) for field in fields]
    gaps = find_grouping_field(use_case, schema)
    rows, counts = _count_rows(published, drafts, target, gaps)
    columns = tuple(_build_column(each, counts, target, rows) for each in drafts)
    return PeriodOverview(
        origin=_describe_origin(use_case),
        dialect=dialect,
        rows=rows,
        classes=target.labels,
        columns=columns,
        correlations=counts.compute_correlations(),
        associations=counts.compute_associations(),
        gaps=_build_gaps(counts, schema.get_field(gaps)) if gaps else None,
        sample=_build_sample(files, [SOURCE_LINE, *(field.name for field in fields)]),
        quarantine=summarize_quarantine(pl.scan_parquet(files["quarantine"]), plan),
    )


def _build_column(draft: ColumnDraft, counts: OverviewCounts, target: Target, rows: int) -> OverviewColumn:
    found, name = counts.by_target[draft.field.name], draft.field.name
    by_class = found if target.labels else found.sum(axis=1, keepdims=True)
    column = build_column(draft, by_class, target.labels or ("",), rows)
    return replace(column, information=counts.compute_information(name))


def _describe_origin(use_case: UseCase) -> DataOrigin:
    origin = use_case.origin
    return DataOrigin(
        title=use_case.title, description=use_case.description, page=origin.page, licence=origin.licence
    )


def _count_words(rows: pl.LazyFrame, schema: FeatureSchema) -> pl.LazyFrame:
    """Replace texts by the number of their words."""
    texts = [each.name for each in schema.fields if each.kind is Kind.TEXT]
    return rows.with_columns(pl.col(name).str.count_matches(WORD_PATTERN).cast(pl.Float64) for name in texts)


def find_grouping_field(use_case: UseCase, schema: FeatureSchema) -> str:
    """Find the category that groups the rows: the first slice of the promotion policy; empty without one."""
    categories = {field.name for field in schema.fields if field.has_levels}
    return next((name for name in use_case.promotion.slices if name in categories), "")


def _count_rows(
    rows: pl.LazyFrame, drafts: Sequence[ColumnDraft], target: Target, grouping_field: str
) -> tuple[int, OverviewCounts]:
    """Count the rows by bin, class and pair of columns; return their number with the counts."""
    counts = OverviewCounts(
        bins={each.field.name: each.bins for each in drafts},
        target=target.name,
        means=_find_means(drafts, target),
        grouping_field=grouping_field,
    )
    # Enum codes are bin indexes, so categories need no lookup
    categories = [each.field for each in drafts if each.field.has_levels]
    typed = rows.with_columns(map(_build_level, categories))
    total = int(rows.select(pl.len()).collect().item())
    for start in range(0, total, BATCH_ROWS):
        counts.add(typed.slice(start, BATCH_ROWS).collect())
    return total, counts


def _build_level(field: Field) -> pl.Expr:
    level = pl.col(field.name)
    if field.learned_levels:
        level = pl.when(level.is_in([*field.levels]) | level.is_null()).then(level).otherwise(pl.lit(OTHER))
    return level.cast(pl.Enum(field.levels)).alias(field.name)


def _find_means(drafts: Sequence[ColumnDraft], target: Target) -> dict[str, float]:
    """Find the mean of each column to correlate; an ordered or binary target counts by its class index."""
    means = {each.field.name: each.facts["mean"] for each in drafts if each.facts.get("mean") is not None}
    is_ordered = target.edges or len(target.labels) == BINARY_LABELS
    return {**means, target.name: 0.0} if target.labels and is_ordered else means


def _build_gaps(counts: OverviewCounts, field: Field) -> MissingShares | None:
    rows = counts.by_target[field.name].sum(axis=1)
    shown = [level for level in find_most_frequent(rows) if rows[level]]
    missing = {name: row_counts for name, row_counts in counts.missing.items() if row_counts.any()}
    if not missing:
        return None
    return MissingShares(
        field=field.name,
        levels=tuple(field.levels[level] for level in shown),
        rows=tuple(int(rows[level]) for level in shown),
        shares={
            name: tuple(round(float(row_counts[level] / rows[level]), DECIMALS) for level in shown)
            for name, row_counts in missing.items()
        },
    )


def _build_sample(files: Mapping[str, Path], names: Sequence[str]) -> OverviewRows:
    # both files, sorted by source line, so that the sample looks like the raw file's beginning
    firsts = [pl.scan_parquet(files[name]).head(SAMPLE_ROWS) for name in ("train", "test")]
    rows = pl.concat(firsts).select(names).sort(SOURCE_LINE).head(SAMPLE_ROWS)
    dates, moments = cs.date().cast(pl.String), cs.datetime().dt.strftime(ISO_FORMAT)
    return OverviewRows(
        names=tuple(names),
        rows=tuple(rows.with_columns(dates, moments).collect().rows()),
    )
