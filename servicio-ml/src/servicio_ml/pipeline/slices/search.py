"""Search over all slices of one or two fields, and its correction for chance.

Every slice is a cell of a table of one or two fields, so that all of them take one count of each pair. The
package sliceline (0.3.0), which enumerates slices of any number of fields by sparse products, took 65 seconds
for 37,000 rows of 21 fields instead of 0.6, and its score weighs the size of a slice against its errors
instead of asking whether they are more than chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from servicio_ml.features.bins import Numbers
from servicio_ml.features.performance.loss_excess import LossReference, compute_loss_excess
from servicio_ml.pipeline.slices.rows import SliceRows

CANDIDATES = 20
"""Number of slices of the first half of the rows that the second half is asked about."""
MIN_SLICE_ROWS = 20
"""Minimum number of rows of a slice in each half."""
MAX_CHANCE = 0.05
"""Maximum probability that chance makes any of the slices that are shown."""
MIN_GAIN = 1.0
"""Minimum number of standard errors that a second field adds to the excess of a slice."""
MAX_EXPECTED_SHARE = 0.999
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSlice:
    """Rows with certain values of one or two fields; the numbers are of the half that did not choose it.

    Attributes:
        fields: Indices of the fields among the searched ones.
        cell: Bin of each of them.
        rows: Number of rows.
        loss: Mean loss.
        expected: Mean loss that the model expects of these rows, when it errs over all rows as it does.
        excess: Standard errors by which the loss exceeds the expected one.
        chance: Probability that chance makes any of the candidates exceed it as much.
    """

    fields: tuple[int, ...]
    cell: tuple[int, ...]
    rows: int
    loss: float
    expected: float
    excess: float
    chance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A slice that may be worse than expected; see `FoundSlice`."""

    fields: tuple[int, ...]
    cell: tuple[int, ...]
    excess: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _LossTable:
    """Sums of the losses of some rows by the cells of one or two fields, `[cells]` each."""

    rows: Numbers
    losses: Numbers
    squares: Numbers
    expected: Numbers


def search_slices(rows: SliceRows, effect: float, random: np.random.Generator) -> list[FoundSlice]:
    """Find slices that are worse than the model expects, the worst first, with the chance of a false one.

    One half of the rows chooses at most `CANDIDATES` slices, and the other one tests them, each with an equal
    share of `MAX_CHANCE` (Bonferroni).

    Args:
        rows: The rows.
        effect: Variance of a mean relative to that of independent rows.
        random: Source of the halves.
    """
    half = random.integers(2, size=len(rows.losses)) == 0
    candidates = _choose_candidates(rows, half, effect)
    found = [_test(rows, ~half, effect, each, len(candidates)) for each in candidates]
    kept = [each for each in found if each is not None and each.chance < MAX_CHANCE]
    return sorted(kept, key=lambda each: -each.excess)


def _choose_candidates(rows: SliceRows, mask: Mask, effect: float) -> list[_Candidate]:
    single, found = dict[int, Numbers](), list[_Candidate]()
    for i in range(len(rows.bins)):
        single[i] = _compute_excess(rows, _sum_table(rows, mask, (i,)), effect)
        found += _list_worse((i,), single[i], np.zeros(len(single[i])))
    for i, j in combinations(single, 2):
        excess = _compute_excess(rows, _sum_table(rows, mask, (i, j)), effect)
        # worse than by either field alone, else the other one says nothing
        alone = np.maximum(np.maximum.outer(single[i], single[j]), 0.0)
        found += _list_worse((i, j), excess.reshape(alone.shape), alone + MIN_GAIN)
    return sorted(found, key=lambda each: -each.excess)[:CANDIDATES]


def _list_worse(fields: tuple[int, ...], excess: Numbers, limits: Numbers) -> Iterator[_Candidate]:
    """List the cells that exceed a limit."""
    for cell in np.argwhere(excess > limits).tolist():
        yield _Candidate(fields=fields, cell=tuple(cell), excess=float(excess[tuple(cell)]))


def _test(rows: SliceRows, mask: Mask, effect: float, candidate: _Candidate, tests: int) -> FoundSlice | None:
    """Test a candidate on rows that did not choose it; None where they are too few."""
    inside = mask & np.all(rows.places[:, candidate.fields] == candidate.cell, axis=1)
    number = int(inside.sum())
    if number < MIN_SLICE_ROWS:
        return None
    table = _sum_table(rows, inside, ())
    excess = float(_compute_excess(rows, table, effect)[0])
    return FoundSlice(
        fields=candidate.fields, cell=candidate.cell, rows=number, loss=float(rows.losses[inside].mean()),
        expected=float(rows.expected[inside].mean()), excess=excess,
        chance=min(1.0, tests * (1 - NormalDist().cdf(excess))),
    )  # fmt: skip


def _sum_table(rows: SliceRows, mask: Mask, fields: tuple[int, ...]) -> _LossTable:
    cells, size = np.zeros(int(mask.sum()), dtype=np.intp), 1
    for field in fields:
        bins = len(rows.bins[field].labels)
        cells, size = cells * bins + rows.places[mask, field], size * bins
    losses = rows.losses[mask]
    sums = (np.ones(len(losses)), losses, losses**2, rows.expected[mask])
    number, total, squares, expected = (np.bincount(cells, each, size).astype(float) for each in sums)
    return _LossTable(rows=number, losses=total, squares=squares, expected=expected)


def _compute_excess(rows: SliceRows, table: _LossTable, effect: float) -> Numbers:
    """Compute the excess of each cell in standard errors; -inf of cells with few rows."""
    number = np.maximum(table.rows, 1)
    # a cell without rows has no expectation, and is left out below
    expected = np.where(table.expected > 0, table.expected / number, 1.0)
    if rows.is_share:
        expected, variance = np.minimum(expected, MAX_EXPECTED_SHARE), None
    else:
        # errors relative to the expected ones vary alike in all rows
        variance = expected**2 * float(np.var(rows.losses / np.maximum(rows.expected, np.finfo(float).tiny)))
    reference = LossReference(rows=np.array(np.inf), loss=expected, variance=variance, design_effect=effect)
    excess = compute_loss_excess(number, table.losses / number, table.squares / number, reference)
    return np.where(table.rows >= MIN_SLICE_ROWS, excess, -np.inf)
