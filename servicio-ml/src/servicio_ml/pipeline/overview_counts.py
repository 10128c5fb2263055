"""What is counted over all columns of an overview, batch by batch: bins by class, pairs of columns, gaps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from servicio_ml.domain.overview import Matrix
from servicio_ml.domain.schema import Kind
from servicio_ml.pipeline.overview_bins import NOWHERE, Bins, Places

BATCH_ROWS = 250_000
DECIMALS = 4
ROUNDING = 1e-12
"""A variance below this share of the mean square is that of a constant."""
Counted = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts over all batches so far.

    Attributes:
        bins: Of each column.
        target: Whose classes part the rows; empty where there are none.
        means: Of the columns that are correlated, about: what they are counted from.
        gaps: The category by which missing values are counted; empty for none.
        by_class: Column to rows, bins by classes.
        pairs: Two categories to rows, levels by levels.
        missing: Column to rows where it is missing, by the levels of `gaps`.
        sums: Pairs of correlated columns, over rows that have both: rows, the sum and the sum of squares of
            the first, and the sum of products.
    """

    bins: Mapping[str, Bins]
    target: str
    means: Mapping[str, float]
    gaps: str
    by_class: dict[str, Counted] = field(init=False)
    pairs: dict[tuple[str, str], Counted] = field(init=False)
    missing: dict[str, Counted] = field(init=False)
    sums: dict[str, Sums] = field(init=False)

    def __post_init__(self) -> None:
        classes = len(self.bins[self.target]) if self.target else 1
        self.by_class = {name: np.zeros((len(each), classes), np.int64) for name, each in self.bins.items()}
        categories = [name for name, each in self.bins.items() if each.kind is Kind.CATEGORY]
        self.pairs = {
            (one, other): np.zeros((len(self.bins[one]), len(self.bins[other])), np.int64)
            for one, other in combinations(categories, 2)
        }
        levels = len(self.bins[self.gaps]) if self.gaps else 0
        self.missing = {name: np.zeros(levels, np.int64) for name in self.bins} if self.gaps else {}
        size = len(self.means)
        self.sums = {name: np.zeros((size, size)) for name in ("rows", "first", "squares", "products")}

    def add(self, batch: pl.DataFrame) -> None:
        """Count a batch of rows, whose categories are of `pl.Enum`."""
        places = {name: each.places(batch[name]) for name, each in self.bins.items()}
        parted = places[self.target] if self.target else np.zeros(len(batch), np.int64)
        for name, counts in self.by_class.items():
            self.by_class[name] = counts + _crossed(places[name], parted, counts.shape)
        for (one, other), counts in self.pairs.items():
            self.pairs[one, other] = counts + _crossed(places[one], places[other], counts.shape)
        for name, rows in self.missing.items():
            level = places[self.gaps]
            where = level[(places[name] == NOWHERE) & (level != NOWHERE)]
            self.missing[name] = rows + np.bincount(where, minlength=len(rows))
        self._multiply(batch, places)

    def _multiply(self, batch: pl.DataFrame, places: Mapping[str, Places]) -> None:
        numbers = np.empty((len(self.means), len(batch)))
        for i, (name, mean) in enumerate(self.means.items()):
            column = places[name] if self.bins[name].labels else batch[name].cast(pl.Float64).to_numpy()
            numbers[i] = np.where(places[name] == NOWHERE, np.nan, column - mean)
        there = ~np.isnan(numbers)
        numbers[~there] = 0
        known = there.astype(np.float64)
        self.sums["rows"] += _products(known, known)
        self.sums["first"] += _products(numbers, known)
        self.sums["squares"] += _products(numbers**2, known)
        self.sums["products"] += _products(numbers, numbers)

    def correlations(self) -> Matrix:
        """Pearson's, of each pair over the rows that have both."""
        rows, first, squares, products = (
            self.sums[name] for name in ("rows", "first", "squares", "products")
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = squares - first**2 / rows
            spread[~(spread > ROUNDING * squares)] = np.nan
            found = (products - first * first.T / rows) / np.sqrt(spread * spread.T)
        return _matrix(list(self.means), np.clip(found, -1, 1))

    def associations(self) -> Matrix:
        """Cramér's V of each pair of categories over the rows that have both (Cramér 1946, 21.9)."""
        names = list(dict.fromkeys(name for pair in self.pairs for name in pair))
        found = np.eye(len(names))
        for (one, other), counts in self.pairs.items():
            i, j = names.index(one), names.index(other)
            found[i, j] = found[j, i] = _cramer(counts)
        return _matrix(names, found)


def _products(one: Sums, other: Sums) -> Sums:
    # not by BLAS: for so small a product its threads wait for each other longer than they work
    found: Sums = np.einsum("in,jn->ij", one, other)
    return found


def _crossed(first: Places, second: Places, shape: tuple[int, ...]) -> Counted:
    known = (first != NOWHERE) & (second != NOWHERE)
    crossed = np.bincount(first[known] * shape[1] + second[known], minlength=shape[0] * shape[1])
    return crossed.reshape(shape)


def _cramer(counts: Counted) -> float:
    seen = counts[counts.any(axis=1)][:, counts.any(axis=0)].astype(np.float64)
    freedom = min(seen.shape) - 1
    if freedom < 1:
        return np.nan
    total = seen.sum()
    expected = np.outer(seen.sum(axis=1), seen.sum(axis=0)) / total
    return float(np.sqrt(((seen - expected) ** 2 / expected).sum() / total / freedom))


def _matrix(names: Sequence[str], values: Sums) -> Matrix:
    return Matrix(
        names=tuple(names),
        cells=tuple(
            tuple(None if np.isnan(each) else round(float(each), DECIMALS) + 0.0 for each in line)
            for line in values
        ),
    )
