"""Losses of performance, planted in streams."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from benchmarks.quality.power.pool import DAYS_PER_MONTH, Array, Pool

HISTORY_DAYS = 30
"""Days of a stream before the loss, which its longest window needs."""
CONCEPT, COVARIATE = "concept", "harder rows"
HARD_SHARE = 0.05
"""Share of the rows of a month (0–1) with the largest expected loss, which are the harder ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """A loss of performance.

    Attributes:
        cause: `CONCEPT`: the truth of the same rows changes; `COVARIATE`: other rows come.
        size: Loss of accuracy, or growth of the mean absolute error as a share of it.
        is_gradual: Whether it grows linearly over 30 days.
    """

    cause: str
    size: float
    is_gradual: bool

    def compute_course(self, days: int) -> Array:
        """Compute the share of the loss (0–1) on each day of a stream, `[days]`."""
        since = np.arange(days) - HISTORY_DAYS + 1
        return np.clip(since / (DAYS_PER_MONTH if self.is_gradual else 1), 0, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """Streams with what a loss of any size needs.

    Attributes:
        rows: Rows of the pool, `[streams, days, rows a day]`.
        truth: Their truth.
        chance: Random numbers (0–1) of them; the rows below a share are affected.
        harder: Harder rows of the same calendar months, likewise.
    """

    rows: Array
    truth: Array
    chance: Array
    harder: Array


def build_streams(pool: Pool, rng: np.random.Generator, rows: Array) -> Streams:
    """Draw what losses need for streams of these rows."""
    return Streams(
        rows=rows, truth=pool.truth[rows], chance=rng.random(rows.shape, dtype=np.float32),
        harder=draw_harder(pool, rng, rows),
    )  # fmt: skip


def apply_loss(pool: Pool, streams: Streams, loss: Loss) -> Streams:
    """Apply a loss to streams."""
    course = loss.compute_course(streams.rows.shape[1])[:, None]
    if loss.cause == COVARIATE:
        share = compute_harder_share(pool, loss.size)
        rows = np.where(streams.chance < share * course, streams.harder, streams.rows)
        return replace(streams, rows=rows, truth=pool.truth[rows])
    if pool.has_classes:
        # a flipped label makes a right answer wrong, and a wrong one right
        share = loss.size / (1 - 2 * pool.losses.mean())
        flipped = streams.chance < share * course
        return replace(streams, truth=np.where(flipped, 1 - streams.truth, streams.truth))
    answers = pool.predictions.outcomes[streams.rows]
    return replace(streams, truth=answers + (1 + loss.size * course) * (streams.truth - answers))


def find_harder(pool: Pool) -> list[Array]:
    """Find the harder rows of each month; every month without rows has none."""
    doubt, found = pool.doubt, []
    for month in range(pool.months.max() + 1):
        rows = np.flatnonzero(pool.months == month)
        found.append(rows[np.argsort(-doubt[rows])][: int(np.ceil(len(rows) * HARD_SHARE))])
    return found


def draw_harder(pool: Pool, rng: np.random.Generator, rows: Array) -> Array:
    """Draw a harder row of the same month for each row."""
    found = find_harder(pool)
    counts = np.array([len(each) for each in found])
    starts, month = np.cumsum(counts) - counts, pool.months[rows]
    places = starts[month] + (rng.random(rows.shape, dtype=np.float32) * counts[month]).astype(int)
    return np.asarray(np.concatenate(found)[places])


def compute_harder_share(pool: Pool, size: float) -> float:
    """Compute the share of rows to replace by harder ones for a loss of this size; above 1 in vain."""
    losses: Any = pool.losses
    growth = losses[np.concatenate(find_harder(pool))].mean() - losses.mean()
    return float(size * (1 if pool.has_classes else losses.mean()) / growth)


def can_plant(pool: Pool, loss: Loss) -> bool:
    """Check whether the harder rows alone are such a loss; any concept can change."""
    return loss.cause == CONCEPT or compute_harder_share(pool, loss.size) <= 1
