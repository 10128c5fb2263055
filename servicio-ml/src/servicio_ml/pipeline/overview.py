"""The overview of what the ETL publishes, from the files that it publishes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.overview import Gaps, Overview, Table
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.domain.use_case import BINARY_LABELS, Target, UseCase
from servicio_ml.pipeline.overview_columns import Draft, column, draft, most_frequent
from servicio_ml.pipeline.overview_counts import BATCH_ROWS, DECIMALS, Tally
from servicio_ml.pipeline.overview_rejected import quarantine
from servicio_ml.pipeline.plan import Plan, target_field

SAMPLE_ROWS = 20


def overview(
    use_case: UseCase, schema: FeatureSchema, plan: Plan, dialect: str, parts: Mapping[str, Path]
) -> Overview:
    """The overview; memory holds one column or one batch of rows, whichever is more.

    Args:
        use_case: Whose rows they are.
        schema: The fields that are published.
        plan: How the raw file was read.
        dialect: How it is spelt.
        parts: `train`, `test` and `quarantine` as local files.
    """
    target = use_case.target
    fields = [*schema.fields, target_field(replace(target, edges=()))]
    published = pl.scan_parquet([parts["train"], parts["test"]])
    drafts = [draft(published, field, target=field.name == target.name) for field in fields]
    gaps = structure(use_case, schema)
    rows, tally = _counted(published, drafts, target, gaps)
    classes = target.labels or ("",)
    columns = tuple(column(each, tally.by_class[each.field.name], classes, rows) for each in drafts)
    return Overview(
        dialect=dialect,
        rows=rows,
        classes=target.labels,
        columns=columns,
        correlations=tally.correlations(),
        associations=tally.associations(),
        gaps=_gaps(tally, schema.field(gaps)) if gaps else None,
        sample=_sample(parts, [SOURCE_LINE, *(field.name for field in fields)]),
        quarantine=quarantine(pl.scan_parquet(parts["quarantine"]), plan),
    )


def structure(use_case: UseCase, schema: FeatureSchema) -> str:
    """The category that structures the rows: the first by which champions are judged; empty without one."""
    categories = {field.name for field in schema.fields if field.kind is Kind.CATEGORY}
    return next((name for name in use_case.promotion.slices if name in categories), "")


def _counted(rows: pl.LazyFrame, drafts: Sequence[Draft], target: Target, gaps: str) -> tuple[int, Tally]:
    """How many rows there are, and what is counted of them."""
    means = {each.field.name: each.facts["mean"] for each in drafts if each.facts.get("mean") is not None}
    if target.labels and (target.edges or len(target.labels) == BINARY_LABELS):
        means[target.name] = 0.0
    tally = Tally(
        bins={each.field.name: each.bins for each in drafts},
        target=target.name if target.labels else "",
        means=means,
        gaps=gaps,
    )
    levels = {each.field.name: each.field.levels for each in drafts if each.field.kind is Kind.CATEGORY}
    typed = rows.with_columns(pl.col(name).cast(pl.Enum(texts)) for name, texts in levels.items())
    total = int(rows.select(pl.len()).collect().item())
    for start in range(0, total, BATCH_ROWS):
        tally.add(typed.slice(start, BATCH_ROWS).collect())
    return total, tally


def _gaps(tally: Tally, field: Field) -> Gaps | None:
    rows = tally.by_class[field.name].sum(axis=1)
    shown = [place for place in most_frequent(rows) if rows[place]]
    missing = {name: counts for name, counts in tally.missing.items() if counts.any()}
    if not missing:
        return None
    return Gaps(
        field=field.name,
        levels=tuple(field.levels[place] for place in shown),
        rows=tuple(int(rows[place]) for place in shown),
        shares={
            name: tuple(round(float(counts[place] / rows[place]), DECIMALS) for place in shown)
            for name, counts in missing.items()
        },
    )


def _sample(parts: Mapping[str, Path], names: Sequence[str]) -> Table:
    firsts = [pl.scan_parquet(parts[part]).head(SAMPLE_ROWS) for part in ("train", "test")]
    rows = pl.concat(firsts).select(names).sort(SOURCE_LINE).head(SAMPLE_ROWS)
    return Table(
        names=tuple(names),
        rows=tuple(rows.with_columns(pl.selectors.date().cast(pl.String)).collect().rows()),
    )
