"""Bins of one column: the levels of a category; frequent values and quantiles of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import Field

Numbers = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]
MIN_ROWS_TO_COMPARE = 4096
"""Minimum number of values for which a comparison with each edge is faster than a binary search per value."""
MISSING_LABEL = "missing"
"""Label of the bin of missing values, the last one."""
MIN_REST_BINS = 3
"""Minimum number of bins of the values that are not frequent, as far as they differ."""
MIN_LABEL_DIGITS, MAX_FLOAT_DIGITS = 6, 17


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnBins:
    """Bins of one column.

    Attributes:
        name: Name of the column.
        edges: Ascending inner edges: bin i holds `edges[i-1] <= value < edges[i]`. The edges of a category
            are the codes 1, 2, …, one bin for each level.
        labels: Labels of the bins, the last one `missing`.
    """

    name: str
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def count(self, values: Numbers) -> Integers:
        """Count the values `[n]` in each bin, `[len(labels)]`; NaN is missing."""
        if len(values) >= MIN_ROWS_TO_COMPARE:
            return self._count_by_comparison(values)
        return np.bincount(self.find_bins(values), minlength=len(self.labels))

    def find_bins(self, values: Numbers) -> npt.NDArray[np.intp]:
        """Find the bin of each value, `[n]`; NaN is missing."""
        # side="right" makes the lower edge inclusive, as in the definition of the bins
        places = np.searchsorted(np.asarray(self.edges), values, side="right")
        places[np.isnan(values)] = len(self.labels) - 1
        return places

    def _count_by_comparison(self, values: Numbers) -> Integers:
        """Count as `count` does, by comparing all values with each edge."""
        # edges are float32 numbers, as the values are, so the comparison is exact
        column = np.ascontiguousarray(values)
        missing = np.count_nonzero(np.isnan(column))
        reached = (np.count_nonzero(column >= bound) for bound in self.edges)
        at_least = np.array([len(column) - missing, *reached, 0], dtype=np.int64)
        return np.append(at_least[:-1] - at_least[1:], missing)


def build_field_bins(each: Field, values: Numbers, bins: int) -> ColumnBins:
    """Build the bins of a field from its values `[n]`; see `build_numeric_bins` for `bins`."""
    if each.has_levels:
        return build_level_bins(each.name, each.levels)
    # every date after the training rows is new, so quantile bins of a date would always drift
    return build_numeric_bins(each.name, values, 1 if each.is_dated else bins)


def build_numeric_bins(name: str, values: Numbers, bins: int) -> ColumnBins:
    """Build bins of numbers `[n]`: one for each frequent value, quantiles for the rest.

    A value is frequent when it holds more than 1/`bins` of the known values, or when at most `bins` values
    occur at all. Without a bin of its own it would hide the rare values: a flag with 5 % ones, for example,
    has no quantile below its maximum.

    Bins part half-way between two values that occur, so that each holds rows, and a value that is off by its
    rounding stays in its bin. Only zero is exact where amounts follow.

    Args:
        name: Name of the column.
        values: Values `[n]`; NaN is missing.
        bins: Number of bins of values that do not repeat; 1 makes a single bin.
    """
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if not len(distinct) or bins == 1:
        return ColumnBins(name=name, edges=(), labels=("any", MISSING_LABEL))
    if len(distinct) == 1:
        return _build_constant_bins(name, distinct)
    is_frequent = (counts > counts.sum() / bins) | (len(distinct) <= bins)
    is_start = is_frequent | np.isin(distinct, _find_cuts(distinct, counts, is_frequent, bins))
    # a frequent value also ends its bin
    is_start[1:] |= is_frequent[:-1]
    is_start[0] = True
    return _build_run_bins(name, distinct, np.flatnonzero(is_start))


def build_quantile_bins(name: str, values: Numbers, bins: int) -> ColumnBins:
    """Build quantile bins of numbers `[n]` whose frequent values mean nothing.

    The reference of a prediction comes from the models of the folds, whose frequent values are not those of
    the final model. Bins of their own would therefore always drift, and so would bins that part half-way
    between two of them: the final model's values lie between.
    """
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    if not len(distinct):
        return ColumnBins(name=name, edges=(), labels=("any", MISSING_LABEL))
    cuts = _find_cuts(distinct, counts, np.zeros(len(distinct), dtype=bool), bins)
    starts = np.union1d([0], np.flatnonzero(np.isin(distinct, cuts))).astype(np.intp)
    firsts, lasts = _split_runs(distinct, starts)
    labels = (*_label_runs(firsts, lasts), MISSING_LABEL)
    return ColumnBins(name=name, edges=tuple(firsts[1:].tolist()), labels=labels)


def _find_cuts(distinct: Numbers, counts: Integers, is_frequent: npt.NDArray[np.bool_], bins: int) -> Numbers:
    """Find where bins of about `rows / bins` rows begin, among the values that are not frequent."""
    rest = np.repeat(distinct[~is_frequent], counts[~is_frequent])
    if not len(rest):
        return rest
    # at least some bins where nearly all rows have a frequent value: a shift of the few others shows, too
    count = min(bins, max(MIN_REST_BINS, round(bins * len(rest) / counts.sum())))
    # "higher" takes values that occur
    cuts: Numbers = np.quantile(rest, np.linspace(0, 1, count + 1)[1:-1], method="higher")
    return cuts


def _build_run_bins(name: str, distinct: Numbers, starts: npt.NDArray[np.intp]) -> ColumnBins:
    """Build one bin for each run of ascending values, which begins at one of `starts` (the first is 0)."""
    firsts, lasts = _split_runs(distinct, starts)
    # in the type of the values, as counting compares; the middle itself belongs to the bin below it
    middles = _find_next(lasts[:-1] + (firsts[1:] - lasts[:-1]) / 2)
    # zero means none, and every amount is more: one that is small must not count as none
    is_none = (firsts[:-1] == 0) & (lasts[:-1] == 0) & (firsts[1:] < lasts[1:])
    edges = np.where(is_none, np.finfo(distinct.dtype).tiny, np.minimum(middles, firsts[1:]))
    return ColumnBins(
        name=name, edges=tuple(edges.tolist()), labels=(*_label_runs(firsts, lasts), MISSING_LABEL)
    )


def _split_runs(distinct: Numbers, starts: npt.NDArray[np.intp]) -> tuple[Numbers, Numbers]:
    """Return the first and the last value of each run of ascending values."""
    return distinct[starts], distinct[np.append(starts[1:], len(distinct)) - 1]


def _build_constant_bins(name: str, value: Numbers) -> ColumnBins:
    """Build the bins of a column with a single value, `[1]`: any other one is new."""
    edges = (value.item(), _find_next(value).item())
    shown = f"{value.item():.{MIN_LABEL_DIGITS}g}"
    return ColumnBins(name=name, edges=edges, labels=(f"< {shown}", shown, f"> {shown}", MISSING_LABEL))


def _find_next(values: Numbers) -> Numbers:
    """Return the next greater number of the same type; for 0 the smallest that no processor flushes to 0."""
    following = np.nextafter(values, np.asarray(np.inf, dtype=values.dtype))
    return np.where(values == 0, np.finfo(values.dtype).tiny, following)


def _label_runs(firsts: Numbers, lasts: Numbers) -> list[str]:
    """Label each run of values by its first and last one, which both lie in it; the outer runs are open."""
    if len(firsts) == 1:
        return ["any"]
    shown = _show_distinct([*firsts.tolist(), *lasts.tolist()])
    low, high = shown[: len(firsts)], shown[len(firsts) :]
    texts = [start if start == end else f"{start} to {end}" for start, end in zip(low, high, strict=True)]
    first = texts[0] if low[0] == high[0] else f"<= {high[0]}"
    last = texts[-1] if low[-1] == high[-1] else f">= {low[-1]}"
    return [first, *texts[1:-1], last]


def _show_distinct(values: Sequence[float]) -> list[str]:
    """Show numbers with as few digits, from `MIN_LABEL_DIGITS`, as keep different ones apart."""
    # two bins with equal labels would be one series of the metrics
    digits = range(MIN_LABEL_DIGITS, MAX_FLOAT_DIGITS)
    wanted = next(
        (n for n in digits if len({f"{v:.{n}g}" for v in values}) == len({*values})), MAX_FLOAT_DIGITS
    )
    return [f"{value:.{wanted}g}" for value in values]


def build_level_bins(name: str, levels: Sequence[str]) -> ColumnBins:
    """Build one bin for each level."""
    edges = tuple(float(code) for code in range(1, len(levels)))
    return ColumnBins(name=name, edges=edges, labels=(*levels, MISSING_LABEL))
