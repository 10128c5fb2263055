"""Bins of one column: the levels of a category; frequent values and quantiles of numbers."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import Field, Kind

Numbers = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.int64]
MIN_ROWS_TO_COMPARE = 4096
"""Minimum number of values for which a comparison with each edge is faster than a binary search per value."""
UNLIMITED = (-math.inf, math.inf)
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
        # side="right" makes the lower edge inclusive, as in the definition of the bins
        places = np.searchsorted(np.asarray(self.edges), values, side="right")
        places[np.isnan(values)] = len(self.labels) - 1
        return np.bincount(places, minlength=len(self.labels))

    def _count_by_comparison(self, values: Numbers) -> Integers:
        """Count as `count` does, by comparing all values with each edge."""
        # edges are values of training rows, so the comparison in float32 is exact
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
    count = 1 if each.is_dated else bins
    integers = each.kind is Kind.INTEGER
    return build_numeric_bins(each.name, values, count, limits=each.limits, integers=integers)


def build_numeric_bins(
    name: str,
    values: Numbers,
    bins: int,
    *,
    limits: tuple[float, float] = UNLIMITED,
    integers: bool = False,
) -> ColumnBins:
    """Build bins of numbers `[n]`: one for each frequent value, quantiles for the rest.

    A value is frequent when it holds more than 1/`bins` of the known values, or when at most `bins` values
    occur at all. Without a bin of its own it would hide the rare values: a flag with 5 % ones, for example,
    has no quantile below its maximum.

    Args:
        name: Name of the column.
        values: Values `[n]`; NaN is missing.
        bins: Number of bins of values that do not repeat; 1 makes a single bin.
        limits: Minimum and maximum that a value can have; no bin lies outside.
        integers: Whether all values are whole.
    """
    known = values[~np.isnan(values)]
    if not len(known) or bins == 1:
        return ColumnBins(name=name, edges=(), labels=("any", MISSING_LABEL))
    distinct, counts = np.unique(known, return_counts=True)
    frequent = distinct if len(distinct) <= bins else distinct[counts > len(known) / bins]
    # the bin of a frequent value ends at the next number of its type, so that it holds nothing else
    ends = frequent + 1 if integers else _find_next(frequent)
    fixed = {*frequent[frequent > limits[0]].tolist(), *ends[frequent < limits[1]].tolist()}
    rest = known[~np.isin(known, frequent)]
    edges = sorted(fixed.union(_split_rest(rest, fixed, bins, len(known))))
    labels = (
        _label_integer_bins(edges, limits)
        if integers
        else _label_bins(edges, dict(zip(ends.tolist(), frequent.tolist(), strict=True)))
    )
    return ColumnBins(name=name, edges=tuple(edges), labels=(*labels, MISSING_LABEL))


def build_quantile_bins(name: str, values: Numbers, bins: int) -> ColumnBins:
    """Build quantile bins of predicted numbers `[n]`; repeated values give fewer than `bins` bins.

    The reference of a prediction comes from the models of the folds, whose frequent values are not those of
    the final model. Bins of their own would therefore always drift.
    """
    known = values[~np.isnan(values)]
    edges = sorted(_split_rest(known, (), bins, len(known)))
    return ColumnBins(name=name, edges=tuple(edges), labels=(*_label_bins(edges, {}), MISSING_LABEL))


def _find_next(values: Numbers) -> Numbers:
    """Return the next greater number of the same type; for 0 the smallest that no processor flushes to 0."""
    following = np.nextafter(values, np.asarray(np.inf, dtype=values.dtype))
    return np.where(values == 0, np.finfo(values.dtype).tiny, following)


def _split_rest(rest: Numbers, fixed: Collection[float], bins: int, rows: int) -> Iterator[float]:
    """Cut the values that are not frequent into bins of about `rows / bins` values.

    Args:
        rest: The values `[m]`.
        fixed: Edges of the frequent values' bins.
        bins: Number of bins of all rows.
        rows: Number of all rows.
    """
    if not len(rest):
        return
    # at least some bins where nearly all rows have a frequent value: a shift of the few others shows, too
    count = min(bins, max(MIN_REST_BINS, round(bins * len(rest) / rows)))
    inner = np.linspace(0, 1, count + 1)[1:-1]
    # "higher" takes observed values only, and repeated values must not make empty bins
    for cut in np.unique(np.quantile(rest, inner, method="higher")).tolist():
        start = max((edge for edge in fixed if edge <= cut), default=-math.inf)
        # a cut at the minimum, or right above a frequent value, would leave an empty bin below it
        if np.any((rest >= start) & (rest < cut)):
            yield cut


def _label_bins(edges: Sequence[float], end_values: Mapping[float, float]) -> Sequence[str]:
    """Label the bins between ascending edges: the value of a bin with one value, else its limits.

    Args:
        edges: Inner edges.
        end_values: Frequent value by the end of its bin, which is shown as that value.
    """
    if not edges:
        return ["any"]
    values = [end_values.get(edge, edge) for edge in edges]
    shown = _show_distinct(values)
    between = [low if low == high else f"{low} to {high}" for low, high in pairwise(shown)]
    first = shown[0] if edges[0] in end_values else f"< {shown[0]}"
    # a frequent value without an end is the maximum that a value can have
    last = shown[-1] if edges[-1] in end_values.values() else f">= {shown[-1]}"
    return [first, *between, f"> {shown[-1]}" if edges[-1] in end_values else last]


def _label_integer_bins(edges: Sequence[float], limits: tuple[float, float]) -> Sequence[str]:
    """Label the bins of integers between ascending edges, as `_label_bins` does."""
    if not edges:
        return ["any"]
    shown = _show_distinct(edges)
    bounds = [limits[0], *edges, limits[1] + 1]
    texts = [f"< {shown[0]}", *(f"{low} to {high}" for low, high in pairwise(shown)), f">= {shown[-1]}"]
    return [
        f"{low:.0f}" if high - low == 1 else text
        for (low, high), text in zip(pairwise(bounds), texts, strict=True)
    ]


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
