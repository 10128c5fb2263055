"""Bins of a column's histogram: a category's levels, years or months, round steps of a number."""

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.domain.schema import Field, Kind

BinIndexes = NDArray[np.int64]
TARGET_BINS = 25
"""Approximate number of bins of a number; there are at most two more, and two open ones."""
ROUND_FACTORS = (1, 2, 5, 10)
TAIL_SHARE = 0.01
"""Maximum share of the rows at each end that fall into one open bin."""
LONG_TAIL_SHARE = 0.25
"""Minimum length of a long tail as a share of the central range's width; a shorter one gets its own bins."""
MAX_MONTHS = 36
"""Maximum number of bins by month; a longer time is binned by year."""
MONTHS_PER_YEAR = 12
LEVEL_KINDS = (Kind.CATEGORY, Kind.BOOLEAN)
DATED_KINDS = (Kind.DATE, Kind.DATETIME)
NO_BIN = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramBins:
    """Bins in the form of `lifecycle.overview.Histogram`.

    Attributes:
        kind: Kind of the column.
        labels: Labels of a category's or a date's bins.
        edges: Limits of a number's bins; None at an open end.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    edges: tuple[float | None, ...] = ()

    def __len__(self) -> int:
        return len(self.labels) or max(len(self.edges) - 1, 0)

    @property
    def has_levels(self) -> bool:
        """Whether each level is a bin."""
        return self.kind in LEVEL_KINDS

    def assign(self, values: pl.Series) -> BinIndexes:
        """Assign each value to a bin, `NO_BIN` where it is missing; a category's values are a `pl.Enum`."""
        if self.has_levels:
            found = values.to_physical().cast(pl.Int64)
        elif self.kind in DATED_KINDS:
            found = self._assign_dates(values)
        else:
            # the ends are open or hold the extremes, so only inner limits decide
            inner = np.array(self.edges[1:-1], dtype=np.float64)
            numbers = values.cast(pl.Float64).to_numpy()
            return np.where(np.isnan(numbers), NO_BIN, np.searchsorted(inner, numbers, side="right"))
        return found.fill_null(NO_BIN).to_numpy()

    def _assign_dates(self, values: pl.Series) -> pl.Series:
        first, *month = (int(text) for text in self.labels[0].split("-")) if self.labels else (0,)
        years = values.dt.year().cast(pl.Int64) - first
        return years * MONTHS_PER_YEAR + values.dt.month().cast(pl.Int64) - month[0] if month else years


def build_bins(field: Field, ordered: pl.Series) -> HistogramBins:
    """Build the bins of a field.

    Args:
        field: Field to bin.
        ordered: Its values without the missing ones, ascending; not used for a category.
    """
    if field.has_levels:
        return HistogramBins(kind=field.kind, labels=field.levels)
    if ordered.is_empty():
        return HistogramBins(kind=field.kind)
    if field.is_dated:
        return HistogramBins(kind=field.kind, labels=tuple(_label_dates(ordered[0], ordered[-1])))
    return HistogramBins(kind=field.kind, edges=_compute_edges(ordered, integer=field.kind is Kind.INTEGER))


def _label_dates(first: date, last: date) -> list[str]:
    begin, end = (day.year * MONTHS_PER_YEAR + day.month - 1 for day in (first, last))
    if end - begin >= MAX_MONTHS:
        return [f"{year:04}" for year in range(first.year, last.year + 1)]
    return [
        f"{month // MONTHS_PER_YEAR:04}-{month % MONTHS_PER_YEAR + 1:02}" for month in range(begin, end + 1)
    ]


def _compute_edges(ordered: pl.Series, *, integer: bool) -> tuple[float | None, ...]:
    minimum, maximum = float(ordered[0]), float(ordered[-1])
    low, high = _trim_long_tails(ordered, minimum, maximum)
    step, decimals = _round_step((high - low) / TARGET_BINS, integer=integer)
    # multiples of the step, computed from integers, so that limits are round and do not accumulate error
    first, last = math.floor(low / step), math.floor(high / step) + 1
    edges: list[float | None] = [round(index * step, decimals) for index in range(first, last + 1)]
    before = [None] if minimum < (edges[0] or 0) else []
    after = [None] if maximum >= (edges[-1] or 0) else []
    return (*before, *edges, *after)


def _trim_long_tails(ordered: pl.Series, minimum: float, maximum: float) -> tuple[float, float]:
    """Find the range that gets bins: all values except long tails."""
    # quantiles by position: interpolation would invent values that no row has
    low, high = (float(ordered[round(share * (len(ordered) - 1))]) for share in (TAIL_SHARE, 1 - TAIL_SHARE))
    longest = LONG_TAIL_SHARE * (high - low)
    if not longest:
        return minimum, maximum
    return (
        minimum if low - minimum <= longest else low,
        maximum if maximum - high <= longest else high,
    )


def _round_step(width: float, *, integer: bool) -> tuple[float, int]:
    """Round a width up to the next round number; return it with its number of decimals."""
    if width <= 0 or (integer and width < 1):
        return 1.0, 0
    # 1, 2 or 5 times a power of ten: steps that people read at a glance
    power = math.floor(math.log10(width))
    factor = next((each for each in ROUND_FACTORS if each * 10.0**power >= width), ROUND_FACTORS[-1])
    return factor * 10.0**power, max(0, -power)
