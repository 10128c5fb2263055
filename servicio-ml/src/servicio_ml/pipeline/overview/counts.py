"""Counts over all columns of an overview, batch by batch: bins by class, pairs of columns, missing values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.lifecycle.overview import PairMatrix
from servicio_ml.pipeline.overview.bins import NO_BIN, BinIndexes, HistogramBins

BATCH_ROWS = 250_000
DECIMALS = 4
CONSTANT_TOLERANCE = 1e-12
"""Relative tolerance: a variance below this share of the mean square counts as that of a constant."""
MIN_BINS = 2
"""Minimum number of bins with rows, of a column and of the target, for one to explain the other."""
CountArray = NDArray[np.int64]
SumArray = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class OverviewCounts:
    """Counts over all batches so far.

    Attributes:
        bins: Bins of each column.
        target: Name of the target, by whose bins the rows are counted.
        means: Approximate means of the correlated columns; sums are taken of deviations from them.
        grouping_field: Category by which missing values are counted; empty for none.
        by_target: Column to rows, bins by bins of the target, which no published row lacks.
        pairs: Two categories to rows, levels by levels.
        missing: Column to rows where it is missing, by the levels of `grouping_field`.
        sums: Pairs of correlated columns, over rows that have both: rows, the sum and the sum of squares of
            the first, and the sum of products.
    """

    bins: Mapping[str, HistogramBins]
    target: str
    means: Mapping[str, float]
    grouping_field: str
    by_target: dict[str, CountArray] = field(init=False)
    pairs: dict[tuple[str, str], CountArray] = field(init=False)
    missing: dict[str, CountArray] = field(init=False)
    sums: dict[str, SumArray] = field(init=False)

    def __post_init__(self) -> None:
        targets = len(self.bins[self.target])
        self.by_target = {name: np.zeros((len(each), targets), np.int64) for name, each in self.bins.items()}
        categories = [name for name, each in self.bins.items() if each.has_levels]
        self.pairs = {
            (one, other): np.zeros((len(self.bins[one]), len(self.bins[other])), np.int64)
            for one, other in combinations(categories, 2)
        }
        levels = len(self.bins[self.grouping_field]) if self.grouping_field else 0
        self.missing = {name: np.zeros(levels, np.int64) for name in self.bins} if self.grouping_field else {}
        size = len(self.means)
        self.sums = {name: np.zeros((size, size)) for name in ("rows", "first", "squares", "products")}

    def add(self, batch: pl.DataFrame) -> None:
        """Count a batch of rows, whose categories are `pl.Enum` columns."""
        indexes = {name: each.assign(batch[name]) for name, each in self.bins.items()}
        for name, counts in self.by_target.items():
            self.by_target[name] = counts + _cross_tabulate(indexes[name], indexes[self.target], counts.shape)
        for (one, other), counts in self.pairs.items():
            self.pairs[one, other] = counts + _cross_tabulate(indexes[one], indexes[other], counts.shape)
        for name, rows in self.missing.items():
            level = indexes[self.grouping_field]
            where = level[(indexes[name] == NO_BIN) & (level != NO_BIN)]
            self.missing[name] = rows + np.bincount(where, minlength=len(rows))
        self._multiply(batch, indexes)

    def _multiply(self, batch: pl.DataFrame, indexes: Mapping[str, BinIndexes]) -> None:
        # deviations from approximate means: raw sums of squares lose all digits of large numbers
        numbers = np.empty((len(self.means), len(batch)))
        for i, (name, mean) in enumerate(self.means.items()):
            column = indexes[name] if self.bins[name].labels else batch[name].cast(pl.Float64).to_numpy()
            numbers[i] = np.where(indexes[name] == NO_BIN, np.nan, column - mean)
        present = ~np.isnan(numbers)
        numbers[~present] = 0
        known = present.astype(np.float64)
        self.sums["rows"] += _compute_products(known, known)
        self.sums["first"] += _compute_products(numbers, known)
        self.sums["squares"] += _compute_products(numbers**2, known)
        self.sums["products"] += _compute_products(numbers, numbers)

    def compute_information(self, name: str) -> float | None:
        """Compute the share of the target's entropy (0 to 1) that the bin of a column explains.

        None for the target, and where all rows are in one bin.

        It is the uncertainty coefficient (Theil 1970) of the mutual information less its bias in a sample
        (Miller 1955).
        """
        counts = self.by_target[name]
        seen = counts[counts.any(axis=1)][:, counts.any(axis=0)].astype(np.float64)
        if name == self.target or min(seen.shape) < MIN_BINS:
            return None
        total = seen.sum()
        shares, first, second = seen / total, seen.sum(axis=1) / total, seen.sum(axis=0) / total
        known = shares > 0
        mutual = (shares[known] * np.log((shares / np.outer(first, second))[known])).sum()
        bias = (len(first) - 1) * (len(second) - 1) / (2 * total)
        entropy = -(second * np.log(second)).sum()
        return round(float(np.clip((mutual - bias) / entropy, 0, 1)), DECIMALS)

    def compute_correlations(self) -> PairMatrix:
        """Compute Pearson's correlation of each pair over the rows that have both."""
        rows, first, squares, products = (
            self.sums[name] for name in ("rows", "first", "squares", "products")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = squares - first**2 / rows
            # negated, so that NaN counts as constant, too
            spread[~(spread > CONSTANT_TOLERANCE * squares)] = np.nan
            found = (products - first * first.T / rows) / np.sqrt(spread * spread.T)
        return _build_matrix(list(self.means), np.clip(found, -1, 1))

    def compute_associations(self) -> PairMatrix:
        """Compute Cramér's V of each pair of categories over the rows that have both (Cramér 1946, 21.9)."""
        names = list(dict.fromkeys(name for names in self.pairs for name in names))
        found = np.eye(len(names))
        for (one, other), counts in self.pairs.items():
            i, j = names.index(one), names.index(other)
            found[i, j] = found[j, i] = _compute_cramers_v(counts)
        return _build_matrix(names, found)


def _compute_products(one: SumArray, other: SumArray) -> SumArray:
    # not BLAS: for a product this small its threads wait for each other longer than they work
    found: SumArray = np.einsum("in,jn->ij", one, other)
    return found


def _cross_tabulate(first: BinIndexes, second: BinIndexes, shape: tuple[int, ...]) -> CountArray:
    known = (first != NO_BIN) & (second != NO_BIN)
    # one bincount over combined indexes is many times faster than a group_by per pair
    crossed = np.bincount(first[known] * shape[1] + second[known], minlength=shape[0] * shape[1])
    return crossed.reshape(shape)


def _compute_cramers_v(counts: CountArray) -> float:
    seen = counts[counts.any(axis=1)][:, counts.any(axis=0)].astype(np.float64)
    freedom = min(seen.shape) - 1
    if freedom < 1:
        return np.nan
    total = seen.sum()
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / total
    return float(np.sqrt(((seen - expected) ** 2 / expected).sum() / total / freedom))


def _build_matrix(names: Sequence[str], values: SumArray) -> PairMatrix:
    return PairMatrix(
        names=tuple(names),
        cells=tuple(
            tuple(None if np.isnan(each) else round(float(each), DECIMALS) + 0.0 for each in line)
            for line in values
        ),
    )
