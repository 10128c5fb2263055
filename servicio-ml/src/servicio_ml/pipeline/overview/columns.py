"""Summary of each column of an overview, computed one column at a time to bound memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.lifecycle.overview import FrequentValue, Histogram, OverviewColumn, Value
from servicio_ml.pipeline.overview.bins import DATED_KINDS, HistogramBins, build_bins

FREQUENT_VALUES = 5
MAX_SHOWN_LEVELS = 60
"""Maximum number of levels in a category's histogram; the most frequent ones are shown."""
SIGNIFICANT_DIGITS = 7
"""Significant digits of computed numbers: the order of summation changes the digits after them."""
QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnDraft:
    """Summary of a column before the rows are counted by class.

    Attributes:
        field: Field of the column.
        target: Whether the column is the target.
        bins: Bins of its histogram.
        facts: Attributes of `lifecycle.overview.Column`; empty for a category.
    """

    field: Field
    target: bool
    bins: HistogramBins
    facts: Mapping[str, Any]


def draft_column(rows: pl.LazyFrame, field: Field, *, target: bool) -> ColumnDraft:
    """Read one column and summarize it."""
    if field.has_levels:
        return ColumnDraft(field=field, target=target, bins=build_bins(field, pl.Series()), facts={})
    values = rows.select(field.name).collect().to_series()
    ordered = values.drop_nulls().sort()
    facts = {"missing": values.null_count(), **_compute_facts(ordered, field.kind)}
    return ColumnDraft(field=field, target=target, bins=build_bins(field, ordered), facts=facts)


def build_column(
    draft: ColumnDraft, counts: NDArray[np.int64], classes: Sequence[str], rows: int
) -> OverviewColumn:
    """Build the summary of a column.

    Args:
        draft: Its summary so far.
        counts: Rows in each bin (first axis) of each class (second axis).
        classes: Names of the second axis.
        rows: Number of rows, with or without a value.
    """
    field = draft.field
    facts = draft.facts or _summarize_category(field, counts.sum(axis=1), rows)
    return OverviewColumn(
        name=field.name, kind=field.kind, unit=field.unit, description=field.description,
        target=draft.target,
        count=rows - facts["missing"], histogram=_build_histogram(draft.bins, counts, classes), **facts,
    )  # fmt: skip


def round_significant(number: float) -> float:
    """Round a computed number to the digits that are reproducible."""
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}")


def _compute_facts(ordered: pl.Series, kind: Kind) -> dict[str, Any]:
    if ordered.is_empty():
        return {"unique": 0}
    # run lengths of sorted values count them without a hash table
    runs = ordered.rle().struct.unnest()
    frequent = runs.top_k(FREQUENT_VALUES, by=[pl.col("len"), -pl.int_range(pl.len())]).sort(
        "len", "value", descending=[True, False]
    )
    facts = {
        "unique": len(runs),
        "minimum": _to_json_value(ordered[0]),
        "maximum": _to_json_value(ordered[-1]),
        "frequent": tuple(
            FrequentValue(value=_to_json_value(each), rows=times) for times, each in frequent.rows()
        ),
    }
    if kind in DATED_KINDS:
        # a quartile of dates must be a date that exists
        nearest = {name: ordered[round(share * (len(ordered) - 1))] for name, share in QUARTILES.items()}
        return {**facts, **{name: _to_json_value(day) for name, day in nearest.items()}}
    deviation = ordered.std()
    return {
        **facts,
        "mean": round_significant(float(ordered.mean())),  # type: ignore[arg-type]  # it is a number for numbers
        "std": None if deviation is None else round_significant(float(deviation)),  # type: ignore[arg-type]
        **{name: _to_json_value(ordered.quantile(share, "linear")) for name, share in QUARTILES.items()},
    }


def _summarize_category(field: Field, counts: NDArray[np.int64], rows: int) -> dict[str, Any]:
    order = sorted(range(len(counts)), key=lambda level: (-counts[level], level))
    return {
        "missing": rows - int(counts.sum()),
        "unique": int(np.count_nonzero(counts)),
        "frequent": tuple(
            FrequentValue(value=field.levels[level], rows=int(counts[level]))
            for level in order[:FREQUENT_VALUES]
            if counts[level]
        ),
    }


def _build_histogram(bins: HistogramBins, counts: NDArray[np.int64], classes: Sequence[str]) -> Histogram:
    shown = find_most_frequent(counts.sum(axis=1)) if bins.has_levels else range(len(bins))
    histogram = Histogram(
        labels=bins.labels,
        edges=bins.edges,
        counts={name: tuple(counts[list(shown), index].tolist()) for index, name in enumerate(classes)},
    )
    if not bins.has_levels:
        return histogram
    labels = tuple(bins.labels[level] for level in shown)
    return replace(histogram, labels=labels, hidden=len(bins) - len(labels))


def find_most_frequent(counts: NDArray[np.int64]) -> list[int]:
    """Find the indexes of the largest counts, at most `MAX_SHOWN_LEVELS`, in ascending order."""
    order = sorted(range(len(counts)), key=lambda level: (-counts[level], level))
    return sorted(order[:MAX_SHOWN_LEVELS])


def _to_json_value(value: Any) -> Value:
    found: Value = value.isoformat() if isinstance(value, date) else value
    return found
