"""Drift of logged rows: their counts by bin against the shares of a reference, by season."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from servicio_ml.domain.drift import DriftResult, measure_drift
from servicio_ml.domain.prediction import Chunk, ScoredRows
from servicio_ml.features.bins import Integers, Numbers
from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import ReferenceProfile

Rows = TypeVar("Rows", Chunk, ScoredRows, Chunk | ScoredRows)
BLOCK_ROWS = 1 << 16
"""Minimum number of rows of a block: small enough for the memory, large enough for vectorised counting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowCounts:
    """Numbers of rows of a window.

    Attributes:
        columns: Rows by bin of each feature, then of the prediction.
        seasons: Rows by season of the reference.
    """

    columns: Sequence[Integers]
    seasons: Integers

    @property
    def rows(self) -> int:
        return int(self.seasons.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedShares:
    """Expected shares of rows with a given mixture of seasons.

    Attributes:
        shares: Shares of the bins of each column.
        rows: Effective number of reference rows: 1 / Σ w² / m for seasons of weight w with m rows.
    """

    shares: Sequence[Numbers]
    rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftColumn:
    """Drift of a feature or of the prediction.

    Attributes:
        name: Name of the column.
        labels: Labels of the bins, the last one `missing`.
        counts: Rows of the window by bin.
        shares: Expected shares of the bins.
        shift: Result of the drift test; None when the window has no rows.
    """

    name: str
    labels: Sequence[str]
    counts: Integers
    shares: Numbers
    shift: DriftResult | None

    @property
    def drifted(self) -> bool:
        return self.shift is not None and self.shift.drifted


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowDrift:
    """Drift of a window.

    Attributes:
        rows: Number of rows of the window.
        reference_rows: Effective number of reference rows, see `ExpectedShares`.
        features: Drift of the features, in the order of the matrix.
        prediction: Drift of the prediction.
    """

    rows: int
    reference_rows: float
    features: Sequence[DriftColumn]
    prediction: DriftColumn

    @property
    def drifted_share(self) -> float:
        """Share of the drifted features (0–1)."""
        return sum(each.drifted for each in self.features) / len(self.features)


def count_rows(reference: ReferenceProfile, chunks: Iterable[Chunk | ScoredRows]) -> WindowCounts:
    """Count logged rows by bin and season."""
    # counts add up block by block, so the memory does not grow with the window
    columns = [np.zeros(len(each.labels), dtype=np.int64) for each in reference.all_bins]
    seasons = np.zeros(len(reference.seasons), dtype=np.int64)
    for matrix, answers in read_blocks(chunks):
        added = [*reference.count(matrix), reference.prediction.count(answers.binned_values)]
        for total, number in zip(columns, added, strict=True):
            np.add(total, number, out=total)
        seasons += reference.count_seasons(matrix)
    return WindowCounts(columns=columns, seasons=seasons)


def compute_expected(reference: ReferenceProfile, seasons: Integers) -> ExpectedShares:
    """Compute the expected shares for rows by season; without rows, those of all seasons."""
    known = list(reference.seasons.values())
    # an empty window has no mixture of seasons to weight with
    if not seasons.sum():
        return ExpectedShares(shares=[np.array(shares) for shares in known[0].shares], rows=known[0].rows)
    weights = seasons / seasons.sum()
    shares = [
        np.tensordot(weights, np.array(each), axes=1)
        for each in zip(*(season.shares for season in known), strict=True)
    ]
    # the shares of a mixture vary like those of fewer rows than its seasons have together
    inverse = sum(weight**2 / season.rows for weight, season in zip(weights, known, strict=True))
    return ExpectedShares(shares=shares, rows=float(1 / inverse))


def evaluate_drift(reference: ReferenceProfile, counts: WindowCounts) -> WindowDrift:
    """Test every column of a window for drift."""
    wanted = compute_expected(reference, counts.seasons)
    # the prediction is tested last and not counted among the columns that share false alarms
    *features, prediction = (
        DriftColumn(
            name=bins.name, labels=bins.labels, counts=found, shares=shares,
            shift=measure_drift(
                found.tolist(), shares.tolist(), reference_rows=wanted.rows,
                columns=len(reference.features), policy=reference.policy,
            ),
        )
        for bins, found, shares in zip(reference.all_bins, counts.columns, wanted.shares, strict=True)
    )  # fmt: skip
    return WindowDrift(rows=counts.rows, reference_rows=wanted.rows, features=features, prediction=prediction)


def read_blocks(chunks: Iterable[Chunk | ScoredRows]) -> Iterator[tuple[Numbers, Predictions]]:
    """Read logged rows in blocks of about `BLOCK_ROWS`: matrices `[n, fields]` with their predictions."""
    for block in merge_chunks(chunks, BLOCK_ROWS):
        rows = sum(chunk.rows for chunk in block)
        # a read-only view without a copy; "<f4" holds on machines of either byte order
        matrix = np.frombuffer(b"".join(chunk.features for chunk in block), dtype="<f4").reshape(rows, -1)
        outcomes = np.frombuffer(b"".join(chunk.outcomes for chunk in block), dtype="<f8")
        # one join and one array for a block: an array for each chunk of one row would dominate the time
        joined = np.frombuffer(b"".join(chunk.probabilities for chunk in block), dtype="<f8")
        probabilities = joined.reshape(rows, -1) if len(joined) else None
        yield matrix, Predictions(outcomes=outcomes, probabilities=probabilities)


def merge_chunks(chunks: Iterable[Rows], minimum: int) -> Iterator[list[Rows]]:
    """Merge chunks into blocks of at least `minimum` rows; the last one may have fewer."""
    block: list[Rows] = []
    rows = 0
    for chunk in chunks:
        block.append(chunk)
        rows += chunk.rows
        if rows >= minimum:
            yield block
            block, rows = [], 0
    if block:
        yield block
