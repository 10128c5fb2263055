"""Alerts of NannyML and of Evidently by their defaults, on weeks of the same streams.

NannyML: a metric of a chunk outside of mean ± 3 standard deviations of the metrics of the reference's chunks
alerts, whether it is realised or estimated; the chunks of the estimate have the thresholds of the realised
metric (https://nannyml.readthedocs.io, "Thresholds", and `Metric.fit` of its estimators). Chunks are weeks
with the stream's number of rows. Estimates are ours: those of its CBPE and DLE are as close to the truth
(`python -m benchmarks.quality expected`).

Evidently: drift of one column against a reference of more than 1,000 rows is a Wasserstein distance of at
least 0.1 standard deviations for numbers, and a Jensen-Shannon distance of at least 0.1 for classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.quality.power.day_sums import DaySums
from benchmarks.quality.power.losses import HISTORY_DAYS, Streams
from benchmarks.quality.power.pool import Array, Pool
from scipy.spatial.distance import jensenshannon

WEEK = 7
DEVIATIONS = 3
GRID, DISTANCE = 1000, 0.1
MAX_DIFFERENCE = 0.01
"""Maximum difference of a distance from Evidently's own, which knows no grid."""
COLUMNS = ("prediction", "target")


def compute_week_metric(sums: DaySums, source: str) -> Array:
    """Compute accuracy or mean absolute error of the weeks after the history, `[streams, weeks]`."""
    weeks = sums.sum_windows(WEEK)
    values = getattr(weeks, source)
    right = np.trace(values, axis1=-2, axis2=-1) if weeks.has_classes else values[..., 0]
    return np.asarray((right / weeks.rows)[:, WEEK - 1 :: WEEK])


def find_outside(metrics: Array, reference: Array, days: int) -> Array:
    """Find the days `[streams, days]` that end a week outside of NannyML's thresholds."""
    distance = np.abs(metrics - reference.mean())
    return place_weeks(distance > DEVIATIONS * reference.std(), days)


def place_weeks(weeks: Array, days: int) -> Array:
    """Convert verdicts on weeks to verdicts on days: those of the day with which a week ends."""
    found = np.zeros((len(weeks), days), dtype=bool)
    found[:, WEEK - 1 :: WEEK] = weeks
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnReference:
    """Reference of a column.

    Attributes:
        values: Its values, `[m]`.
        start: Lower end of the grid.
        step: Width of a cell of the grid, or 1 for classes.
        cells: Number of cells.
    """

    values: Array
    start: float
    step: float
    cells: int

    @property
    def has_classes(self) -> bool:
        return self.cells < GRID

    def count(self, values: Array) -> Array:
        """Find the cell of each value; those beyond the grid belong to its ends."""
        places = ((values - self.start) / self.step).astype(np.int64)
        return np.clip(places, 0, self.cells - 1)

    def measure(self, weeks: Array) -> Array:
        """Measure the distance of weeks `[…, values]` from the reference, `[…]`."""
        shape = weeks.shape[:-1]
        index = np.arange(np.prod(shape)).reshape(*shape, 1) * self.cells + self.count(weeks)
        counts = np.bincount(index.ravel(), minlength=int(np.prod(shape)) * self.cells)
        shares = counts.reshape(*shape, self.cells) / weeks.shape[-1]
        wanted = np.bincount(self.count(self.values), minlength=self.cells) / len(self.values)
        if self.has_classes:
            return np.asarray(jensenshannon(shares, np.broadcast_to(wanted, shares.shape), axis=-1))
        distance = np.abs(np.cumsum(shares - wanted, axis=-1)).sum(axis=-1) * self.step
        return np.asarray(distance / max(self.values.std(), 0.001))


def build_column_reference(values: Array, *, classes: bool) -> ColumnReference:
    """Build the reference of a column of class codes, or of numbers."""
    start, end = float(values.min()), float(values.max())
    if classes:
        return ColumnReference(values=values, start=0.0, step=1.0, cells=int(end) + 1)
    margin = end - start  # planted losses may leave the range
    step = 2 * margin / GRID
    return ColumnReference(values=values, start=start - margin / 2, step=step, cells=GRID)


def select_weeks(pool: Pool, streams: Streams, column: str) -> Array:
    """Select the values of the whole weeks after the history, `[streams, weeks, values]`."""
    rows, truth = streams.rows[:, HISTORY_DAYS:], streams.truth[:, HISTORY_DAYS:]
    values = truth if column == "target" else pool.predictions.binned_values[rows]
    weeks = values.shape[1] // WEEK
    return np.asarray(values[:, : weeks * WEEK].reshape(len(values), weeks, -1))


def check_distance(reference: ColumnReference, weeks: Array) -> None:
    """Compare the distance of some weeks with Evidently's own.

    Raises:
        SystemExit: One differs, or Evidently chooses another test.
    """
    from evidently.legacy.calculations.stattests import get_stattest  # noqa: PLC0415  it takes seconds

    kind = "cat" if reference.has_classes else "num"
    before: Any = pd.Series(reference.values)
    for week, ours in zip(weeks, reference.measure(weeks), strict=True):
        now: Any = pd.Series(week)
        result = get_stattest(before, now, kind, None)(before, now, kind, None)
        if abs(result.drift_score - ours) > MAX_DIFFERENCE or result.drifted != (
            result.drift_score >= DISTANCE
        ):
            raise SystemExit(f"Evidently measures {result.drift_score:.3f} instead of {ours:.3f}")
