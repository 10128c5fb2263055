"""Route of the drift state of a model version: the logged rows of a window against the reference."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.features.window_drift import DriftColumn, count_rows, evaluate_drift
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.window import WINDOW, parse_window_seconds


class ColumnDriftState(BaseModel):
    """Drift of a feature or of the prediction."""

    name: str
    psi: float | None = Field(
        description="Population stability index (PSI); null when the window has no rows."
    )
    threshold: float | None = Field(
        description="PSI from which the column counts as drifted, given the number of rows."
    )
    drifted: bool
    missing: float | None = Field(description="Share of the rows without a value.")
    reference_missing: float = Field(description="Share of the training rows without a value, smoothed.")
    current: dict[str, float] = Field(description="Share of the rows in each bin; empty without rows.")
    reference: dict[str, float] = Field(
        description="Share of the training rows of the same seasons in each bin, smoothed."
    )


class DriftWindow(BaseModel):
    """A time window; `start` is inclusive, `end` exclusive."""

    start: datetime
    end: datetime


class DriftState(BaseModel):
    """Rows of a window compared with the training rows."""

    model: str
    version: int
    window: DriftWindow
    rows: int = Field(description="Number of logged rows that this version scored in the window.")
    reference_rows: int = Field(description="Number of training rows in the seasons of these rows.")
    drifted_share: float = Field(description="Share of the features that drifted.", ge=0, le=1)
    features: list[ColumnDriftState]
    prediction: ColumnDriftState


def compute_drift_state(
    loaded_model: LoadedModel, log: PredictionLog, start: float, end: float
) -> DriftState:
    """Compute the drift of the rows that a version scored in a window, whatever their purpose.

    Args:
        loaded_model: Version.
        log: Prediction log.
        start: Start of the window, in seconds since 1970, inclusive.
        end: End of the window, in seconds since 1970, exclusive.

    Raises:
        LogError: The log cannot be read.
    """
    reference = loaded_model.artifact.reference
    findings = evaluate_drift(
        reference, count_rows(reference, log.read_rows(loaded_model.model, loaded_model.version, start, end))
    )
    return DriftState(
        model=loaded_model.model,
        version=loaded_model.version,
        window=DriftWindow(start=datetime.fromtimestamp(start, UTC), end=datetime.fromtimestamp(end, UTC)),
        rows=findings.rows,
        reference_rows=round(findings.reference_rows),
        drifted_share=findings.drifted_share,
        features=[_build_column_state(each) for each in findings.features],
        prediction=_build_column_state(findings.prediction),
    )


def _build_column_state(column: DriftColumn) -> ColumnDriftState:
    rows = int(column.counts.sum())
    # the last bin holds the rows without a value
    current = (column.counts / rows).tolist() if rows else []
    return ColumnDriftState(
        name=column.name,
        psi=column.shift.psi if column.shift else None,
        threshold=column.shift.threshold if column.shift else None,
        drifted=column.drifted,
        missing=current[-1] if rows else None,
        reference_missing=float(column.shares[-1]),
        # not strict: without rows there are no shares at all
        current=dict(zip(column.labels, current, strict=False)),
        reference=dict(zip(column.labels, column.shares.tolist(), strict=True)),
    )


def build_routes(service: Service, clock: Clock) -> APIRouter:
    """Build the route.

    Args:
        service: Service of this process.
        clock: Returns the time in seconds since 1970.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    _add_drift_route(router, service, clock)
    return router


def _add_drift_route(router: APIRouter, service: Service, clock: Clock) -> None:
    @router.get(
        "/drift",
        summary="Compare logged rows with the training rows",
        responses=describe_errors(400, 401, 403, 404, 422, 503),
    )
    @require(Access.PREDICT)
    async def get_drift(
        model: str,
        window: Annotated[
            str,
            Query(
                description="Length of the window, which ends now; 1h to 90d.",
                json_schema_extra={"pattern": f"^{WINDOW.pattern}$"},
            ),
        ] = "24h",
        version: Annotated[int | None, Query(description="Default: the champion.", ge=1)] = None,
    ) -> DriftState:
        """Compare the logged rows of a window with the training rows."""
        seconds = parse_window_seconds(window)
        loaded_model, _ = await service.predictor.resolve(model, "" if version is None else str(version))
        # read once, so that start and end belong to the same moment
        now = clock()
        return await asyncio.to_thread(compute_drift_state, loaded_model, service.log, now - seconds, now)
