"""The bins of a column's histogram: a category's levels, years or months, round steps of a number."""

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.domain.schema import Field, Kind

Places = NDArray[np.int64]
NUMBER_BINS = 25
"""About so many; there are at most two more, and the two open ones."""
ROUND = (1, 2, 5, 10)
TAIL = 0.01
"""Share of the rows at each end that may fall into one open bin."""
LONG_TAIL = 0.25
"""As a share of the middle's width: a shorter tail gets bins of its own."""
MOST_MONTHS = 36
"""A longer time is shown by years."""
MONTHS = 12
NOWHERE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bins:
    """As `domain.overview.Histogram` has them.

    Attributes:
        kind: Of the column.
        labels: Of a category's or a date's bins.
        edges: Of a number's bins.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    edges: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.labels) or max(len(self.edges) - 1, 0)

    def places(self, values: pl.Series) -> Places:
        """The bin of each value, -1 where it is missing; of a category, the values are of a `pl.Enum`."""
        if self.kind is Kind.CATEGORY:
            found = values.to_physical().cast(pl.Int64)
        elif self.kind is Kind.DATE:
            found = self._of_dates(values)
        else:
            inner = np.array(self.edges[1:-1], dtype=np.float64)
            numbers = values.cast(pl.Float64).to_numpy()
            return np.where(np.isnan(numbers), NOWHERE, np.searchsorted(inner, numbers, side="right"))
        return found.fill_null(NOWHERE).to_numpy()

    def _of_dates(self, values: pl.Series) -> pl.Series:
        first, *month = (int(part) for part in self.labels[0].split("-")) if self.labels else (0,)
        years = values.dt.year().cast(pl.Int64) - first
        return years * MONTHS + values.dt.month().cast(pl.Int64) - month[0] if month else years


def bins_of(field: Field, ordered: pl.Series) -> Bins:
    """The bins of a field.

    Args:
        field: That is binned.
        ordered: Its values but for the missing ones, ascending; of a category they do not count.
    """
    if field.kind is Kind.CATEGORY:
        return Bins(kind=field.kind, labels=field.levels)
    if ordered.is_empty():
        return Bins(kind=field.kind)
    if field.kind is Kind.DATE:
        return Bins(kind=field.kind, labels=tuple(_dates(ordered[0], ordered[-1])))
    return Bins(kind=field.kind, edges=_edges(ordered, whole=field.kind is Kind.INTEGER))


def _dates(first: date, last: date) -> list[str]:
    begin, end = (day.year * MONTHS + day.month - 1 for day in (first, last))
    if end - begin >= MOST_MONTHS:
        return [f"{year:04}" for year in range(first.year, last.year + 1)]
    return [f"{month // MONTHS:04}-{month % MONTHS + 1:02}" for month in range(begin, end + 1)]


def _edges(ordered: pl.Series, *, whole: bool) -> tuple[float | None, ...]:
    least, greatest = float(ordered[0]), float(ordered[-1])
    low, high = _middle(ordered, least, greatest)
    step, decimals = _step((high - low) / NUMBER_BINS, whole=whole)
    first, last = math.floor(low / step), math.floor(high / step) + 1
    edges: list[float | None] = [round(place * step, decimals) for place in range(first, last + 1)]
    before = [None] if least < (edges[0] or 0) else []
    after = [None] if greatest >= (edges[-1] or 0) else []
    return (*before, *edges, *after)


def _middle(ordered: pl.Series, least: float, greatest: float) -> tuple[float, float]:
    """What gets bins of its own: all, but for long tails."""
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (TAIL, 1 - TAIL))
    longest = LONG_TAIL * (high - low)
    if not longest:
        return least, greatest
    return (
        least if low - least <= longest else low,
        greatest if greatest - high <= longest else high,
    )


def _step(width: float, *, whole: bool) -> tuple[float, int]:
    """The next round number that is not below a width, and how many decimals it has."""
    if width <= 0 or (whole and width < 1):
        return 1.0, 0
    power = math.floor(math.log10(width))
    factor = next((each for each in ROUND if each * 10.0**power >= width), ROUND[-1])
    return factor * 10.0**power, max(0, -power)
