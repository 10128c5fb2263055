"""REST routes for drift that people accept."""

import asyncio
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.lifecycle.acknowledgements import AcknowledgementRequest
from servicio_ml.serving.http.call import CALL_KEY
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements


class AcknowledgementBody(BaseModel):
    """Drift to accept."""

    feature: str = Field(description="Field, or `prediction`.", examples=["sunshine"])
    until: str = Field(
        description="Last day, YYYY-MM-DD (UTC); at most 366 days ahead.", examples=["2026-12-31"]
    )
    reason: str = Field(description="Why the drift is acceptable.", max_length=1000)


class AcknowledgementState(BaseModel):
    """Drift that people accept, or the end of such an acknowledgement."""

    model: str
    feature: str
    reason: str
    by: str = Field(description="Name of the key of who acknowledged or ended it.")
    at: datetime
    until: datetime = Field(description="Time from which it does not hold any more; that of `at` for an end.")
    psi: float = Field(description="Population stability index (PSI) that is accepted.")
    missing_excess: float = Field(
        description="Share of missing values above that of the training rows that is accepted."
    )


class AcknowledgementList(BaseModel):
    """Acknowledgements of one model."""

    model: str
    held: list[AcknowledgementState] = Field(description="Acknowledgements that hold, by feature.")
    history: list[AcknowledgementState] = Field(
        description="All acknowledgements and ends, the newest first."
    )


def build_acknowledgement_state(entry: Acknowledgement) -> AcknowledgementState:
    """Build the document of an acknowledgement."""
    return AcknowledgementState(
        model=entry.model, feature=entry.feature, reason=entry.reason, by=entry.by,
        at=datetime.fromtimestamp(entry.at, UTC), until=datetime.fromtimestamp(entry.until, UTC),
        psi=entry.psi, missing_excess=entry.missing_excess,
    )  # fmt: skip


def build_routes(acknowledgements: Acknowledgements, service: Service) -> APIRouter:
    """Build the routes.

    Args:
        acknowledgements: Record of the acknowledged drift.
        service: Service of this process.
    """
    router = APIRouter(prefix="/models/{model}/acknowledgements", tags=["retraining"])
    _add_list_route(router, acknowledgements, service)
    _add_acknowledge_route(router, acknowledgements, service)
    _add_end_route(router, acknowledgements, service)
    return router


def _add_list_route(router: APIRouter, acknowledgements: Acknowledgements, service: Service) -> None:
    @router.get("", responses=describe_errors(401, 403, 404, 503))
    @require(Access.PREDICT)
    async def list_acknowledgements(model: str) -> AcknowledgementList:
        """List the drift of a model that people accept, and the history of it."""
        service.models.get_status(model)
        history = await asyncio.to_thread(acknowledgements.load_history, model)
        return AcknowledgementList(
            model=model,
            held=[build_acknowledgement_state(each) for each in acknowledgements.select_held(history)],
            history=[build_acknowledgement_state(each) for each in history],
        )


def _add_acknowledge_route(router: APIRouter, acknowledgements: Acknowledgements, service: Service) -> None:
    @router.post("", responses=describe_errors(400, 401, 403, 404, 422, 503))
    @require(Access.ADMIN)
    async def acknowledge(model: str, body: AcknowledgementBody, request: Request) -> AcknowledgementState:
        """Accept the drift of a feature until a day, unless it doubles; for administrators."""
        champion, _ = await service.predictor.resolve(model, "")
        asked = AcknowledgementRequest(
            model=model, feature=body.feature, until=body.until, reason=body.reason, by=_read_author(request)
        )
        # in a thread: the logs are databases, and the event loop must not wait for them
        return build_acknowledgement_state(
            await asyncio.to_thread(acknowledgements.acknowledge, asked, champion)
        )


def _add_end_route(router: APIRouter, acknowledgements: Acknowledgements, service: Service) -> None:
    @router.delete("/{feature}", responses=describe_errors(400, 401, 403, 404, 503))
    @require(Access.ADMIN)
    async def end_acknowledgement(model: str, feature: str, request: Request) -> AcknowledgementState:
        """End the acknowledgement of a feature's drift before its time; for administrators."""
        service.models.get_status(model)
        ended = await asyncio.to_thread(acknowledgements.end, model, feature, _read_author(request))
        return build_acknowledgement_state(ended)


def _read_author(request: Request) -> str:
    return request.scope[CALL_KEY].key or "an administrator"
