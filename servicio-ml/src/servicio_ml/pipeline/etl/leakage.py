"""Leak checks: features that separate the target's values by one condition, and test rows that are in train.

A feature leaks when its values fall into two sides, each with a minimum share of the rows, such that every
target value of one side is above every target value of the other. The sides are those of a threshold on a
number or a date, of a set of levels of a category, or the missing values against the others. A number that
rises over time is above some value from some day on, which is a trend and no leak.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.domain.values import OTHER
from servicio_ml.errors import format_names
from servicio_ml.pipeline.reading.columns import ReadPlan
from servicio_ml.pipeline.reading.transform import VALUE

MIN_SHARE = 0.05
"""Minimum share of the rows on the smaller side: an outlier separates by chance."""

MIN_ROWS = 10
"""Minimum number of rows on the smaller side: among a few rows, anything separates by chance."""

LOW, HIGH, ROWS = "_low", "_high", "_rows"
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """Two sides of a feature whose target values do not overlap.

    Attributes:
        condition: Condition that holds on the side with the high target values.
        bound: Maximum target value of the other side.
        rows: Number of rows of the smaller side.
    """

    condition: str
    bound: float
    rows: int


def select_model_fields(use_case: UseCase, plan: ReadPlan) -> list[Field]:
    """Select the fields that may be features: all but those that split or weigh the rows."""
    return [column.field for column in plan.columns if column.field.name not in use_case.non_features]


def find_leaks(rows: pl.LazyFrame, fields: Sequence[Field], target: Target) -> dict[str, str]:
    """Find the leaking fields, each with the separation found.

    Args:
        rows: The fields and `VALUE`, the target as a number.
        fields: Fields to check.
        target: Target whose values are separated.
    """
    leaks = {}
    # the number of a text's words is no condition that a reader would look for
    for field in (each for each in fields if each.kind is not Kind.TEXT):
        target_range = (pl.col(VALUE).min().alias(LOW), pl.col(VALUE).max().alias(HIGH), pl.len().alias(ROWS))
        groups = rows.group_by(field.name).agg(*target_range).collect(engine="streaming")
        groups = _merge_rare_levels(groups, field)
        min_rows = max(MIN_ROWS, MIN_SHARE * int(groups[ROWS].sum()))
        has_trend = field.is_dated and not target.labels
        separations = _find_separations(groups, field, by_order=not has_trend)
        found = [each for each in separations if each.rows >= min_rows]
        if found:
            best = max(found, key=lambda each: each.rows)
            leaks[field.name] = f"{best.condition} exactly when {_describe_high_side(target, best.bound)}"
    return leaks


def _merge_rare_levels(groups: pl.DataFrame, field: Field) -> pl.DataFrame:
    """Merge the groups of rare texts, which models read as one level; each alone separates by chance."""
    if not field.learned_levels:
        return groups
    rare = (pl.col(ROWS) < field.learned_levels.minimum_rows) & pl.col(field.name).is_not_null()
    name = pl.when(rare).then(pl.lit(OTHER)).otherwise(field.name).alias(field.name)
    return groups.group_by(name).agg(pl.col(LOW).min(), pl.col(HIGH).max(), pl.col(ROWS).sum())


def count_train_test_duplicates(train: pl.LazyFrame, test: pl.LazyFrame, fields: Sequence[str]) -> int:
    """Count the test rows that are equal to a train row in all of the fields."""
    # hashes instead of rows: a semi join on all columns would keep the table in memory
    key = pl.struct(*fields).hash().alias("key")
    seen = train.select(key).unique()
    return int(
        test.select(key).join(seen, on="key", how="semi").select(pl.len()).collect(engine="streaming").item()
    )


def _find_separations(groups: pl.DataFrame, field: Field, *, by_order: bool) -> Iterator[Separation]:
    """Find for each kind of condition the separation with the most rows on its smaller side.

    Args:
        groups: Range of the target and number of rows by value of the field.
        field: The field.
        by_order: Whether a threshold on its values is a condition.
    """
    name = field.name
    missing, present = groups.filter(pl.col(name).is_null()), groups.drop_nulls(name)
    for first, second, word in ((missing, present, "present"), (present, missing, "missing")):
        for _, bound, rows in _find_cuts(
            pl.concat([_merge_groups(first), _merge_groups(second)]).drop_nulls()
        ):
            yield Separation(condition=f"{name} is {word}", bound=bound, rows=rows)
    if field.has_levels:
        # levels have no order of their own; in the order of the target, a separating set is a prefix
        by_target = present.sort(LOW, HIGH, name)
        for index, bound, rows in _find_cuts(by_target):
            order = {level: code for code, level in enumerate(field.levels)}
            levels = sorted(by_target[name][index:], key=lambda level: (order.get(level, 0), level))
            yield Separation(condition=f"{name} is {_format_levels(levels)}", bound=bound, rows=rows)
        return
    if not by_order:
        return
    ascending = present.sort(name)
    for sign, ordered in ((">=", ascending), ("<=", ascending.reverse())):
        for index, bound, rows in _find_cuts(ordered):
            value = _format_value(ordered[name][index])
            yield Separation(condition=f"{name} {sign} {value}", bound=bound, rows=rows)


def _find_cuts(ordered: pl.DataFrame) -> Iterator[tuple[int, float, int]]:
    """Find the most even cut of ordered groups with every target value before it below every later one.

    Yields:
        Index of the first group of the high side, maximum target value before it, rows of the smaller side.
    """
    # running maximum and minimum find every cut in one pass over the groups
    before: Numbers = np.maximum.accumulate(ordered[HIGH].to_numpy())[:-1]
    after: Numbers = np.minimum.accumulate(ordered[LOW].to_numpy()[::-1])[::-1][1:]
    count = ordered[ROWS].to_numpy().cumsum()[:-1]
    smaller = np.where(before < after, np.minimum(count, ordered[ROWS].sum() - count), 0)
    if smaller.any():
        index = int(smaller.argmax())
        yield index + 1, float(before[index]), int(smaller[index])


def _merge_groups(groups: pl.DataFrame) -> pl.DataFrame:
    return groups.select(pl.col(LOW).min(), pl.col(HIGH).max(), pl.col(ROWS).sum())


def _describe_high_side(target: Target, bound: float) -> str:
    """Describe the high side in terms of the target: `burn_rate > 0.4`, `disease is present`."""
    if target.numeric:
        name = re.sub(r"\W+", "_", target.column.strip().lower())
        return f"{name} > {_format_value(bound)}"
    return f"{target.name} is {_format_levels(target.labels[int(bound) + 1 :])}"


def _format_levels(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"one of {format_names(names)}"


def _format_value(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)
