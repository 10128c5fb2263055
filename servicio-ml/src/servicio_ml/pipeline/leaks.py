"""Leak checks: features of which one threshold separates the target's values, test rows that stand in train.

A feature leaks when its values part into two sides, each with a fair share of the rows, such that every
target value of one side is above every target value of the other. The sides are those of a threshold on a
number or a date, of a set of levels of a category, or the missing values against the others.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import listed
from servicio_ml.pipeline.transform import VALUE

LEAST_SHARE = 0.05
"""Of the rows, on the smaller side: an outlier separates by chance."""

LEAST_ROWS = 10
"""On the smaller side: among a few rows, anything separates by chance."""

LOW, HIGH, ROWS = "_low", "_high", "_rows"
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """Two sides of a feature whose target values do not overlap.

    Attributes:
        condition: What holds on the side with the high target values.
        bound: Greatest target value of the other side.
        rows: Of the smaller side.
    """

    condition: str
    bound: float
    rows: int


def find_leaks(rows: pl.LazyFrame, fields: Sequence[Field], target: Target) -> dict[str, str]:
    """The leaking fields with the separation found.

    Args:
        rows: The fields and `VALUE`, the target as a number.
        fields: Which of them to look at.
        target: Whose values are separated.
    """
    leaks = {}
    for field in fields:
        target_range = (pl.col(VALUE).min().alias(LOW), pl.col(VALUE).max().alias(HIGH), pl.len().alias(ROWS))
        groups = rows.group_by(field.name).agg(*target_range).collect(engine="streaming")
        least = max(LEAST_ROWS, LEAST_SHARE * int(groups[ROWS].sum()))
        found = [each for each in _separations(groups, field) if each.rows >= least]
        if found:
            best = max(found, key=lambda each: each.rows)
            leaks[field.name] = f"{best.condition} exactly when {_consequence(target, best.bound)}"
    return leaks


def count_twins(train: pl.LazyFrame, test: pl.LazyFrame, fields: Sequence[str]) -> int:
    """How many test rows are equal to a train row in all of the fields."""
    key = pl.struct(*fields).hash().alias("key")
    seen = train.select(key).unique()
    return int(
        test.select(key).join(seen, on="key", how="semi").select(pl.len()).collect(engine="streaming").item()
    )


def _separations(groups: pl.DataFrame, field: Field) -> Iterator[Separation]:
    """Of each way to part the values, the separation with the most rows on its smaller side."""
    name = field.name
    missing, present = groups.filter(pl.col(name).is_null()), groups.drop_nulls(name)
    for first, second, word in ((missing, present, "present"), (present, missing, "missing")):
        for _, bound, rows in _cuts(pl.concat([_together(first), _together(second)]).drop_nulls()):
            yield Separation(condition=f"{name} is {word}", bound=bound, rows=rows)
    if field.kind is Kind.CATEGORY:
        by_target = present.sort(LOW, HIGH, name)
        for place, bound, rows in _cuts(by_target):
            levels = sorted(by_target[name][place:], key=field.levels.index)
            yield Separation(condition=f"{name} is {_one_of(levels)}", bound=bound, rows=rows)
        return
    ascending = present.sort(name)
    for sign, ordered in ((">=", ascending), ("<=", ascending.reverse())):
        for place, bound, rows in _cuts(ordered):
            value = _shown(ordered[name][place])
            yield Separation(condition=f"{name} {sign} {value}", bound=bound, rows=rows)


def _cuts(ordered: pl.DataFrame) -> Iterator[tuple[int, float, int]]:
    """Where every target value before a group is below every one from it on; the most even cut, if any.

    Yields:
        Place of the first group of the high side, greatest target value before it, rows of the smaller side.
    """
    before: Numbers = np.maximum.accumulate(ordered[HIGH].to_numpy())[:-1]
    after: Numbers = np.minimum.accumulate(ordered[LOW].to_numpy()[::-1])[::-1][1:]
    count = ordered[ROWS].to_numpy().cumsum()[:-1]
    smaller = np.where(before < after, np.minimum(count, ordered[ROWS].sum() - count), 0)
    if smaller.any():
        place = int(smaller.argmax())
        yield place + 1, float(before[place]), int(smaller[place])


def _together(groups: pl.DataFrame) -> pl.DataFrame:
    return groups.select(pl.col(LOW).min(), pl.col(HIGH).max(), pl.col(ROWS).sum())


def _consequence(target: Target, bound: float) -> str:
    """What the high side means: `burn_rate > 0.4`, `disease is present`."""
    if target.numeric:
        name = re.sub(r"\W+", "_", target.column.strip().lower())
        return f"{name} > {_shown(bound)}"
    return f"{target.name} is {_one_of(target.labels[int(bound) + 1 :])}"


def _one_of(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"one of {listed(names)}"


def _shown(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
