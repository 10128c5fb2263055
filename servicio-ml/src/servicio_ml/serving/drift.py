"""The drift state of a model version: how the logged rows of a window fall into its reference's bins."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, Field

from servicio_ml.domain.drift import Shift, shift
from servicio_ml.domain.ports import PredictionLog
from servicio_ml.domain.prediction import Chunk, Purpose
from servicio_ml.features.profile import Bins
from servicio_ml.serving.served import Served
from servicio_ml.serving.tally import shown

BLOCK_ROWS = 1 << 16
"""Rows that are counted in one go: few enough for the memory, many enough for their speed."""
Integers = npt.NDArray[np.int64]


class ColumnDrift(BaseModel):
    """One feature, or the prediction."""

    name: str
    psi: float | None = Field(description="Population stability index; null when the window has no rows.")
    threshold: float | None = Field(description="The index from which it is drift in so many rows.")
    drifted: bool
    missing: float | None = Field(description="Share of the rows without a value.")
    reference_missing: float = Field(description="The same of the training rows, smoothed.")
    current: dict[str, float] = Field(description="Share of the rows in each bin; empty without rows.")
    reference: dict[str, float] = Field(description="Share of the training rows in each bin, smoothed.")


class Window(BaseModel):
    """A time: `start` belongs to it, `end` does not."""

    start: datetime
    end: datetime


class DriftState(BaseModel):
    """How the rows of a window compare with the training rows."""

    model: str
    version: int
    window: Window
    rows: int = Field(description="Logged rows that this version scored in the window.")
    reference_rows: int
    drifted_share: float = Field(description="Of the features.", ge=0, le=1)
    features: list[ColumnDrift]
    prediction: ColumnDrift


def state(served: Served, log: PredictionLog, start: float, end: float) -> DriftState:
    """Count and judge the rows that a version scored in a window, whatever their purpose.

    Args:
        served: The version.
        log: Holds its rows.
        start: Of the window, in seconds since 1970.
        end: The same.

    Raises:
        LogError: The log cannot be read.
    """
    reference = served.artifact.reference
    every = (*reference.features, reference.prediction)
    mine = (
        chunk
        for chunk in log.chunks(served.model, start, end, tuple(Purpose))
        if chunk.version == served.version
    )
    counts = _counted(served, mine)
    shifts = [
        shift(found.tolist(), bins.shares, reference_rows=reference.rows, columns=len(reference.features))
        for bins, found in zip(every, counts, strict=True)
    ]
    *features, prediction = map(_column, every, counts, shifts)
    return DriftState(
        model=served.model,
        version=served.version,
        window=Window(start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC)),
        rows=int(counts[-1].sum()),
        reference_rows=reference.rows,
        drifted_share=sum(each.drifted for each in features) / len(features),
        features=features,
        prediction=prediction,
    )


def _counted(served: Served, chunks: Iterable[Chunk]) -> list[Integers]:
    """Rows by bin of each feature and, last, of the prediction."""
    reference = served.artifact.reference
    sums = [
        np.zeros(len(each.labels), dtype=np.int64) for each in (*reference.features, reference.prediction)
    ]
    for block in _blocks(chunks):
        rows = sum(chunk.rows for chunk in block)
        matrix = np.frombuffer(b"".join(chunk.features for chunk in block), dtype="<f4").reshape(rows, -1)
        outcomes = np.frombuffer(b"".join(chunk.outcomes for chunk in block), dtype="<f8")
        joined = np.frombuffer(b"".join(chunk.probabilities for chunk in block), dtype="<f8")
        answers = shown(outcomes, joined.reshape(rows, -1) if len(joined) else None)
        for total, fresh in zip(
            sums, [*reference.count(matrix), reference.prediction.count(answers)], strict=True
        ):
            np.add(total, fresh, out=total)
    return sums


def _blocks(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    block: list[Chunk] = []
    rows = 0
    for chunk in chunks:
        block.append(chunk)
        rows += chunk.rows
        if rows >= BLOCK_ROWS:
            yield block
            block, rows = [], 0
    if block:
        yield block


def _column(bins: Bins, counts: Integers, found: Shift | None) -> ColumnDrift:
    rows = int(counts.sum())
    current = (counts / rows).tolist() if rows else []
    return ColumnDrift(
        name=bins.name,
        psi=found.psi if found else None,
        threshold=found.threshold if found else None,
        drifted=bool(found and found.drifted),
        missing=current[-1] if rows else None,
        reference_missing=bins.shares[-1],
        current=dict(zip(bins.labels, current, strict=False)),
        reference=dict(zip(bins.labels, bins.shares, strict=True)),
    )
