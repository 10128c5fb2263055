"""The routes that tell why a model answers as it does, whether it was right, and whether its rows drift."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from servicio_ml.domain.ports import Clock
from servicio_ml.domain.window import WINDOW, window_seconds
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.explain import background, explain
from servicio_ml.serving.call import JSON
from servicio_ml.serving.drift import DriftState, state
from servicio_ml.serving.feedback import Feedback, Receipt, Receipts, Truth, Truths
from servicio_ml.serving.openapi import WANTED, refusals
from servicio_ml.serving.predict import wanted_by
from servicio_ml.serving.served import Served
from servicio_ml.serving.service import Service
from servicio_ml.serving.what_if import Curve, Question, curve

RECORD = {
    "parameters": WANTED,
    "requestBody": {
        "required": True,
        "content": {
            JSON: {
                "schema": {
                    "type": "object",
                    "description": "A record, as `/models/{model}/predict` takes it.",
                }
            }
        },
    },
}


class ExplanationState(BaseModel):
    """Why a record got its score."""

    model: str
    version: int
    label: str | None = Field(
        description="Whose probability the score is: the positive class's, or the answered one's of several; "
        "null in a regression."
    )
    base: float = Field(description="Mean score of the background: the golden rows of the version.")
    score: float = Field(description="Of the record: a calibrated probability, or the number.")
    contributions: dict[str, float] = Field(
        description="What each field adds; together they are score - base."
    )


def explained(served: Served, matrix: Matrix) -> ExplanationState:
    """Why a version gives a record `[1, features]` its score."""
    found = explain(served.artifact, matrix, background(served.artifact))
    return ExplanationState(
        model=served.model, version=served.version, label=found.label, base=found.base, score=found.score,
        contributions=dict(found.contributions),
    )  # fmt: skip


def routes(service: Service, clock: Clock) -> APIRouter:
    """Explanations, ground truth and drift.

    Args:
        service: Of this process.
        clock: Gives the time.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    feedback = Feedback(service=service)

    @router.post(
        "/explain",
        summary="Why a record gets its score",
        openapi_extra=RECORD,
        responses=refusals(400, 401, 403, 404, 413, 422, 503),
    )
    async def explanation(model: str, request: Request) -> ExplanationState:
        """What each field of a record adds to its score; nothing is logged as a prediction."""
        served, _ = await service.predictor.pick(model, wanted_by(request.scope["query_string"]))
        matrix = served.decoder.record(await request.body())
        return await service.predictor.aside(explained, served, matrix)

    @router.post(
        "/what-if",
        summary="The score of a record over the values of one field",
        openapi_extra={"parameters": WANTED},
        responses=refusals(400, 401, 403, 404, 413, 422, 503),
    )
    async def what_if(model: str, request: Request, question: Question) -> Curve:
        """As `explain`: nothing is logged as a prediction."""
        served, _ = await service.predictor.pick(model, wanted_by(request.scope["query_string"]))
        return await service.predictor.aside(curve, served, question)

    @router.post(
        "/feedback", summary="What really happened", responses=refusals(400, 401, 403, 404, 413, 422, 503)
    )
    async def label(model: str, truth: Truth) -> Receipt:
        """Report what really happened, once or again: a correction is a new revision."""
        return await asyncio.to_thread(feedback.one, model, truth, clock())

    @router.post(
        "/feedback/batch",
        summary="What really happened, many",
        responses=refusals(400, 401, 403, 404, 413, 422, 503),
    )
    async def labels(model: str, truths: Truths) -> Receipts:
        """As one by one; an unknown prediction is told in its receipt, the others are taken."""
        return Receipts(labels=await asyncio.to_thread(feedback.many, model, truths.labels, clock()))

    @router.get(
        "/drift",
        summary="How logged rows compare with the training rows",
        responses=refusals(400, 401, 403, 404, 422, 503),
    )
    async def drift(
        model: str,
        window: Annotated[
            str,
            Query(description="Up to now, 1h to 90d.", json_schema_extra={"pattern": f"^{WINDOW.pattern}$"}),
        ] = "24h",
        version: Annotated[int | None, Query(description="The champion when absent.", ge=1)] = None,
    ) -> DriftState:
        """How the logged rows of a window compare with the training rows."""
        seconds = window_seconds(window)
        served, _ = await service.predictor.pick(model, "" if version is None else str(version))
        now = clock()
        return await asyncio.to_thread(state, served, service.log, now - seconds, now)

    return router
