"""Sums of each day of streams, and of the windows that end with it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from benchmarks.quality.power.losses import HISTORY_DAYS, Streams
from benchmarks.quality.power.pool import Array, Pool

from servicio_ml.features.output import BINARY_CLASSES


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySums:
    """Sums over the rows of days or of windows.

    Attributes:
        rows: Number of rows, `[streams, days]`.
        realised: Rows `[streams, days, predicted, actual]`, or sums of absolute and of squared errors
            `[streams, days, 2]`.
        expected: Expectation of `realised` without the truth, likewise.
        unseen: Sums of `Pool.unseen`, `[streams, days]` each.
    """

    rows: Array
    realised: Array
    expected: Array
    unseen: Mapping[str, Array]

    @property
    def has_classes(self) -> bool:
        return self.realised.ndim > self.rows.ndim + 1

    def sum_windows(self, days: int) -> "DaySums":
        """Sum the windows of this length that end with each day after the history."""
        return DaySums(
            rows=_sum_windows(self.rows, days), realised=_sum_windows(self.realised, days),
            expected=_sum_windows(self.expected, days),
            unseen={name: _sum_windows(each, days) for name, each in self.unseen.items()},
        )  # fmt: skip


def _sum_windows(values: Array, days: int) -> Array:
    total = np.cumsum(values, axis=1)
    total = np.concatenate([np.zeros_like(total[:, :1]), total], axis=1)
    end, last = HISTORY_DAYS + 1, total.shape[1]
    return np.asarray(total[:, end:] - total[:, end - days : last - days])


def sum_days(pool: Pool, streams: Streams) -> DaySums:
    """Sum up each day of streams."""
    rows, truth = streams.rows, streams.truth
    numbers = np.full(rows.shape[:2], rows.shape[2])
    realised, expected = (_sum_cells if pool.has_classes else _sum_errors)(pool, rows, truth)
    unseen = {name: each[rows].sum(axis=-1) for name, each in pool.unseen.items()}
    return DaySums(rows=numbers, realised=realised, expected=expected, unseen=unseen)


def _sum_cells(pool: Pool, rows: Array, truth: Array) -> tuple[Array, Array]:
    shape, size = (*rows.shape[:2], BINARY_CLASSES, BINARY_CLASSES), rows.shape[0] * rows.shape[1]
    predicted = np.arange(size).reshape(*rows.shape[:2], 1) * BINARY_CLASSES
    predicted = predicted + pool.predictions.outcomes.astype(np.int64)[rows]
    cells = predicted * BINARY_CLASSES + truth.astype(np.int64)
    realised = np.bincount(cells.ravel(), minlength=int(np.prod(shape))).reshape(shape)
    weights = pool.predictions.binned_values[rows].ravel()
    positive = np.bincount(predicted.ravel(), weights=weights, minlength=size * BINARY_CLASSES)
    positive = positive.reshape(shape[:-1])
    return realised.astype(float), np.stack([realised.sum(axis=-1) - positive, positive], axis=-1)


def _sum_errors(pool: Pool, rows: Array, truth: Array) -> tuple[Array, Array]:
    realised, expected = np.abs(truth - pool.predictions.outcomes[rows]), pool.errors[rows]
    return (
        np.stack([realised.sum(axis=-1), (realised**2).sum(axis=-1)], axis=-1),
        np.stack([expected.sum(axis=-1), pool.squared_ratio * (expected**2).sum(axis=-1)], axis=-1),
    )
