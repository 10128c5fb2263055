"""Drift of logged rows: how they fall into the bins of a reference, and what it expects of their seasons."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from servicio_ml.domain.drift import Shift, shift
from servicio_ml.domain.prediction import Chunk, Rows
from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import Integers, Numbers, Profile

BLOCK_ROWS = 1 << 16
"""Rows that are counted in one go: few enough for the memory, many enough for their speed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows of a window.

    Attributes:
        columns: By bin, of each feature, then of the prediction.
        seasons: By season of the reference.
    """

    columns: Sequence[Integers]
    seasons: Integers

    @property
    def rows(self) -> int:
        return int(self.seasons.sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a reference expects of rows of certain seasons.

    Attributes:
        shares: Of each column's bins.
        rows: Training rows of one season that would tell as much as the mixture does: with weights w of
            seasons with m rows, 1 / Σ w² / m.
    """

    shares: Sequence[Numbers]
    rows: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One feature, or the prediction.

    Attributes:
        name: Of the column.
        labels: Of its bins, the last of them `missing`.
        counts: Rows of the window by bin.
        shares: What the reference expects.
        shift: None when the window has no rows.
    """

    name: str
    labels: Sequence[str]
    counts: Integers
    shares: Numbers
    shift: Shift | None

    @property
    def drifted(self) -> bool:
        return self.shift is not None and self.shift.drifted


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How the rows of a window compare with the reference.

    Attributes:
        rows: Of the window.
        reference_rows: As in `Expected`.
        features: In the order of the matrix.
        prediction: The last column.
    """

    rows: int
    reference_rows: float
    features: Sequence[Column]
    prediction: Column

    @property
    def drifted_share(self) -> float:
        """Of the features (0–1)."""
        return sum(each.drifted for each in self.features) / len(self.features)


def count(reference: Profile, chunks: Iterable[Chunk | Rows]) -> Counts:
    """Count logged rows by bin and season."""
    columns = [np.zeros(len(each.labels), dtype=np.int64) for each in reference.every]
    seasons = np.zeros(len(reference.seasons), dtype=np.int64)
    for matrix, answers in blocks(chunks):
        fresh = [*reference.count(matrix), reference.prediction.count(answers.shown)]
        for total, more in zip(columns, fresh, strict=True):
            np.add(total, more, out=total)
        seasons += reference.count_seasons(matrix)
    return Counts(columns=columns, seasons=seasons)


def expected(reference: Profile, seasons: Integers) -> Expected:
    """What a reference expects of so many rows of each season; of no rows, what all its rows were like."""
    known = list(reference.seasons.values())
    if not seasons.sum():
        return Expected(shares=[np.array(shares) for shares in known[0].shares], rows=known[0].rows)
    weights = seasons / seasons.sum()
    shares = [
        np.tensordot(weights, np.array(each), axes=1)
        for each in zip(*(season.shares for season in known), strict=True)
    ]
    inverse = sum(weight**2 / season.rows for weight, season in zip(weights, known, strict=True))
    return Expected(shares=shares, rows=float(1 / inverse))


def judge(reference: Profile, counts: Counts) -> Drift:
    """Judge every column of a window."""
    wanted = expected(reference, counts.seasons)
    *features, prediction = (
        Column(
            name=bins.name, labels=bins.labels, counts=found, shares=shares,
            shift=shift(
                found.tolist(), shares.tolist(), reference_rows=wanted.rows,
                columns=len(reference.features), policy=reference.policy,
            ),
        )
        for bins, found, shares in zip(reference.every, counts.columns, wanted.shares, strict=True)
    )  # fmt: skip
    return Drift(rows=counts.rows, reference_rows=wanted.rows, features=features, prediction=prediction)


def blocks(chunks: Iterable[Chunk | Rows]) -> Iterator[tuple[Numbers, Predictions]]:
    """Logged rows as matrices `[n, fields]` with their answers, some `BLOCK_ROWS` at a time."""
    for block in _gathered(chunks):
        rows = sum(chunk.rows for chunk in block)
        matrix = np.frombuffer(b"".join(chunk.features for chunk in block), dtype="<f4").reshape(rows, -1)
        outcomes = np.frombuffer(b"".join(chunk.outcomes for chunk in block), dtype="<f8")
        joined = np.frombuffer(b"".join(chunk.probabilities for chunk in block), dtype="<f8")
        probabilities = joined.reshape(rows, -1) if len(joined) else None
        yield matrix, Predictions(outcomes=outcomes, probabilities=probabilities)


def _gathered(chunks: Iterable[Chunk | Rows]) -> Iterator[list[Chunk | Rows]]:
    block: list[Chunk | Rows] = []
    rows = 0
    for chunk in chunks:
        block.append(chunk)
        rows += chunk.rows
        if rows >= BLOCK_ROWS:
            yield block
            block, rows = [], 0
    if block:
        yield block
