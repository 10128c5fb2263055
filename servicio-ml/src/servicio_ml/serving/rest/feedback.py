"""Routes that take the ground truth of past predictions."""

import asyncio

from fastapi import APIRouter

from servicio_ml.domain.ports.clock import Clock
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.feedback import FeedbackRecorder
from servicio_ml.serving.prediction.feedback_documents import (
    FeedbackReceipt,
    FeedbackReceipts,
    GroundTruthBatch,
    GroundTruthInput,
)
from servicio_ml.serving.prediction.service import Service

ERRORS = describe_errors(400, 401, 403, 404, 413, 422, 503)


def build_routes(service: Service, clock: Clock) -> APIRouter:
    """Build the routes.

    Args:
        service: Service of this process.
        clock: Returns the time in seconds since 1970.
    """
    router = APIRouter(prefix="/models/{model}", tags=["insight"])
    _add_feedback_routes(router, FeedbackRecorder(service=service), clock)
    return router


def _add_feedback_routes(router: APIRouter, feedback: FeedbackRecorder, clock: Clock) -> None:
    @router.post(
        "/feedback",
        summary="Report ground truth",
        responses=ERRORS,
    )
    @require(Access.PREDICT)
    async def report_ground_truth(model: str, truth: GroundTruthInput) -> FeedbackReceipt:
        """Report the ground truth of a prediction, or correct it: a correction is a new revision."""
        # in a thread: the log may be a remote database
        return await asyncio.to_thread(feedback.record_one, model, truth, clock())

    @router.post(
        "/feedback/batch",
        summary="Report ground truth of many predictions",
        responses=ERRORS,
    )
    @require(Access.PREDICT)
    async def report_ground_truth_batch(model: str, truths: GroundTruthBatch) -> FeedbackReceipts:
        """Report a batch; the receipt of an unknown prediction says so, the others are recorded."""
        return FeedbackReceipts(
            labels=await asyncio.to_thread(feedback.record_many, model, truths.labels, clock())
        )
