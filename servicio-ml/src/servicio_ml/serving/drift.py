"""The drift state of a model version: how the logged rows of a window fall into its reference's bins."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from servicio_ml.domain.ports import PredictionLog
from servicio_ml.features.drift import Column, count, judge
from servicio_ml.serving.served import Served


class ColumnDrift(BaseModel):
    """One feature, or the prediction."""

    name: str
    psi: float | None = Field(description="Population stability index; null when the window has no rows.")
    threshold: float | None = Field(description="The index from which it is drift in so many rows.")
    drifted: bool
    missing: float | None = Field(description="Share of the rows without a value.")
    reference_missing: float = Field(description="The same of the training rows, smoothed.")
    current: dict[str, float] = Field(description="Share of the rows in each bin; empty without rows.")
    reference: dict[str, float] = Field(
        description="Share of the training rows of the same seasons in each bin, smoothed."
    )


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
    reference_rows: int = Field(description="Training rows of the seasons that the rows belong to.")
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
    found = judge(reference, count(reference, log.rows(served.model, served.version, start, end)))
    return DriftState(
        model=served.model,
        version=served.version,
        window=Window(start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC)),
        rows=found.rows,
        reference_rows=round(found.reference_rows),
        drifted_share=found.drifted_share,
        features=[_column(each) for each in found.features],
        prediction=_column(found.prediction),
    )


def _column(column: Column) -> ColumnDrift:
    rows = int(column.counts.sum())
    current = (column.counts / rows).tolist() if rows else []
    return ColumnDrift(
        name=column.name,
        psi=column.shift.psi if column.shift else None,
        threshold=column.shift.threshold if column.shift else None,
        drifted=column.drifted,
        missing=current[-1] if rows else None,
        reference_missing=float(column.shares[-1]),
        current=dict(zip(column.labels, current, strict=False)),
        reference=dict(zip(column.labels, column.shares.tolist(), strict=True)),
    )
