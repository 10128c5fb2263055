"""Columns that are derived from the dates of a file: seasons, parts of date-times and elapsed time."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import polars as pl

from servicio_ml.domain.derived import Cyclic, DatePart, Derived, Difference, Part
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.pipeline.drafting.columns.raw_column import MIN_READABLE, ColumnFinding
from servicio_ml.pipeline.drafting.columns.statistics import compute_share
from servicio_ml.pipeline.drafting.dates.time_order import has_seasons

DAYS_PER_YEAR = 365.2425
MAX_DATED = 4
"""Maximum number of dates in a file of which all pairs are compared."""


def build_derived(
    fields: Sequence[Field], findings: Sequence[ColumnFinding], date: str
) -> tuple[Derived, ...]:
    """Build the derived columns of a draft; one whose name a field has is left out.

    Args:
        fields: Fields of the draft.
        findings: What was found of the columns.
        date: Name of the field that dates the rows, which models do not read itself; empty without one.
    """
    values = {each.field.name: each.values for each in findings if each.field and each.values is not None}
    names = {each.name for each in fields}
    built = (*_build_parts(fields, date), *_build_seasons(values, date), *_build_differences(fields, values))
    return tuple(column for column in built if column.name not in names)


def _build_parts(fields: Sequence[Field], date: str) -> Iterator[Derived]:
    """Build the weekday of date-times, and the hour where models do not read the time itself."""
    for each in fields:
        parts: tuple[Part, ...] = ("hour", "weekday") if each.name == date else ("weekday",)
        for part in parts if each.kind is Kind.DATETIME else ():
            yield DatePart(name=f"{each.name}_{part}", source=each.name, part=part)


def _build_seasons(values: Mapping[str, pl.Series], date: str) -> Iterator[Derived]:
    """Build the columns of the season, where the rows are of two years or more."""
    if date and has_seasons(values[date]):
        yield Cyclic(name="season_sin", source=date, period=DAYS_PER_YEAR, wave="sin")
        yield Cyclic(name="season_cos", source=date, period=DAYS_PER_YEAR, wave="cos")


def _build_differences(fields: Sequence[Field], values: Mapping[str, pl.Series]) -> Iterator[Derived]:
    """Build the time between two dates of which one follows the other."""
    dated = [each.name for each in fields if each.is_dated and each.name in values]
    for first, second in permutations(dated, 2) if len(dated) <= MAX_DATED else ():
        elapsed = values[second].cast(pl.Datetime) - values[first].cast(pl.Datetime)
        seconds = elapsed.drop_nulls().dt.total_seconds()
        if compute_share(seconds > 0) > 0 and compute_share(seconds >= 0) >= MIN_READABLE:
            yield Difference(name=f"{second}_after_{first}", minuend=second, subtrahend=first)
