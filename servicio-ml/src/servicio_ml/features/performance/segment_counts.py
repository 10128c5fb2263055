"""Counts of rows by the values of a segment: rows, missing values, expected losses and cells."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import Predictions
from servicio_ml.features.performance.segments import Indices, SegmentProfile

Sums = npt.NDArray[np.float64]
COUNTS = 3
"""Numbers of a value beside its cells: rows, missing values, sum of the expected losses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCounts:
    """Counts of one segment; views of one array `[values * (COUNTS + cells)]`.

    Attributes:
        rows: Rows by value, `[values]`.
        missing: Missing values of their fields, `[values]`.
        expected_losses: Sum of their expected losses, `[values]`; of classes the probabilities of the others.
        cells: Sum of the probabilities by predicted and actual class, `[values, classes, classes]`; without
            classes unless the segment has cells.
    """

    rows: Sums
    missing: Sums
    expected_losses: Sums
    cells: Sums

    def add(self, other: "SegmentCounts") -> None:
        """Add other rows in place."""
        for name in SegmentCounts.__slots__:
            mine = getattr(self, name)
            np.add(mine, getattr(other, name), out=mine)


def compute_length(profile: SegmentProfile, classes: int) -> int:
    """Compute how many numbers the counts of a segment take."""
    return len(profile.values) * (COUNTS + classes**2 * profile.cells)


def split_segment(profile: SegmentProfile, classes: int, numbers: Sums) -> SegmentCounts:
    """Split an array of `compute_length` numbers by their meaning."""
    values, side = len(profile.values), classes * profile.cells
    rows, missing, losses = numbers[: COUNTS * values].reshape(COUNTS, values)
    cells = numbers[COUNTS * values :].reshape(values, side, side)
    return SegmentCounts(rows=rows, missing=missing, expected_losses=losses, cells=cells)


def count_segment(
    profile: SegmentProfile, matrix: Matrix, missing: Sums, losses: Sums, predictions: Predictions
) -> SegmentCounts:
    """Count rows by value.

    Args:
        profile: The segment.
        matrix: `[n, features]`.
        missing: Number of missing values of each row, `[n]`.
        losses: Expected loss of each row, `[n]`.
        predictions: Answers to the rows.
    """
    places, values = profile.assign(matrix), len(profile.values)
    cells = _sum_cells(places, values, predictions) if profile.cells else np.zeros((values, 0, 0))
    return SegmentCounts(
        rows=_sum_by(places, np.ones(len(places)), values),
        missing=_sum_by(places, missing, values),
        expected_losses=_sum_by(places, losses, values),
        cells=cells,
    )


def compute_expected_losses(predictions: Predictions) -> Sums:
    """Compute the probability that the answered class of each row is wrong, `[n]`."""
    probabilities = predictions.probabilities
    if probabilities is None:
        raise TypeError("an answer without probabilities has no expected loss of its own")
    rows = np.arange(len(probabilities))
    return np.asarray(1 - probabilities[rows, predictions.outcomes.astype(np.intp)], dtype=np.float64)


def _sum_by(places: Indices, numbers: Sums, values: int) -> Sums:
    return np.asarray(np.bincount(places, numbers, values), dtype=np.float64)


def _sum_cells(places: Indices, values: int, predictions: Predictions) -> Sums:
    if predictions.probabilities is None:
        return np.zeros((values, 0, 0))
    side = predictions.probabilities.shape[1]
    cells = np.zeros((values * side, side))
    np.add.at(cells, places * side + predictions.outcomes.astype(np.intp), predictions.probabilities)
    return cells.reshape(values, side, side)
