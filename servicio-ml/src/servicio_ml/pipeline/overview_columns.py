"""Each column of an overview: what its values are, one column at a time, so that no more is in memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.domain.overview import Column, Frequent, Histogram, Value
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.pipeline.overview_bins import Bins, bins_of

FREQUENT_VALUES = 5
SHOWN_LEVELS = 60
"""Of a category's histogram, the most frequent ones."""
DIGITS = 7
"""Significant ones of what is computed: the order of a sum changes the last ones of it."""
QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What is known of a column before the rows are counted by class.

    Attributes:
        field: That it holds.
        target: Whether it is what is predicted.
        bins: Of its histogram.
        facts: Attributes of `domain.overview.Column`; none of a category.
    """

    field: Field
    target: bool
    bins: Bins
    facts: Mapping[str, Any]


def draft(rows: pl.LazyFrame, field: Field, *, target: bool) -> Draft:
    """Read one column and sum it up."""
    if field.kind is Kind.CATEGORY:
        return Draft(field=field, target=target, bins=bins_of(field, pl.Series()), facts={})
    values = rows.select(field.name).collect().to_series()
    ordered = values.drop_nulls().sort()
    facts = {"missing": values.null_count(), **_facts(ordered, field.kind)}
    return Draft(field=field, target=target, bins=bins_of(field, ordered), facts=facts)


def column(made: Draft, counts: NDArray[np.int64], classes: Sequence[str], rows: int) -> Column:
    """The column.

    Args:
        made: Of it.
        counts: Rows in each bin (first axis) of each class (second axis).
        classes: Names of the second axis.
        rows: How many there are, with or without a value.
    """
    field = made.field
    facts = made.facts or _category(field, counts.sum(axis=1), rows)
    return Column(
        name=field.name, kind=field.kind, unit=field.unit, description=field.description,
        target=made.target,
        count=rows - facts["missing"], histogram=_histogram(made.bins, counts, classes), **facts,
    )  # fmt: skip


def rounded(number: float) -> float:
    """A computed number with as many digits as are the same each time."""
    return float(f"{number:.{DIGITS}g}")


def _facts(ordered: pl.Series, kind: Kind) -> dict[str, Any]:
    if ordered.is_empty():
        return {"unique": 0}
    runs = ordered.rle().struct.unnest()
    frequent = runs.top_k(FREQUENT_VALUES, by=[pl.col("len"), -pl.int_range(pl.len())]).sort(
        "len", "value", descending=[True, False]
    )
    facts = {
        "unique": len(runs),
        "minimum": _value(ordered[0]),
        "maximum": _value(ordered[-1]),
        "frequent": tuple(Frequent(value=_value(each), rows=times) for times, each in frequent.rows()),
    }
    if kind is Kind.DATE:
        nearest = {name: ordered[round(share * (len(ordered) - 1))] for name, share in QUARTILES.items()}
        return {**facts, **{name: _value(day) for name, day in nearest.items()}}
    deviation = ordered.std()
    return {
        **facts,
        "mean": rounded(float(ordered.mean())),  # type: ignore[arg-type]  # of numbers it is one
        "std": None if deviation is None else rounded(float(deviation)),  # type: ignore[arg-type]
        **{name: _value(ordered.quantile(share, "linear")) for name, share in QUARTILES.items()},
    }


def _category(field: Field, counts: NDArray[np.int64], rows: int) -> dict[str, Any]:
    order = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
    return {
        "missing": rows - int(counts.sum()),
        "unique": int(np.count_nonzero(counts)),
        "frequent": tuple(
            Frequent(value=field.levels[place], rows=int(counts[place]))
            for place in order[:FREQUENT_VALUES]
            if counts[place]
        ),
    }


def _histogram(bins: Bins, counts: NDArray[np.int64], classes: Sequence[str]) -> Histogram:
    shown = most_frequent(counts.sum(axis=1)) if bins.kind is Kind.CATEGORY else range(len(bins))
    made = Histogram(
        labels=bins.labels,
        edges=bins.edges,
        counts={name: tuple(counts[list(shown), place].tolist()) for place, name in enumerate(classes)},
    )
    if bins.kind is not Kind.CATEGORY:
        return made
    labels = tuple(bins.labels[place] for place in shown)
    return replace(made, labels=labels, hidden=len(bins) - len(labels))


def most_frequent(counts: NDArray[np.int64]) -> list[int]:
    """Places of the greatest counts that are shown, in their order."""
    order = sorted(range(len(counts)), key=lambda place: (-counts[place], place))
    return sorted(order[:SHOWN_LEVELS])


def _value(value: Any) -> Value:
    found: Value = value.isoformat() if isinstance(value, date) else value
    return found
