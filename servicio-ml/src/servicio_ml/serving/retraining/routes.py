"""REST routes for the decisions on retraining and for the end of a quarantine."""

import asyncio

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.retraining import DecisionEntry, RetrainingDecision, omit_settled_intents
from servicio_ml.lifecycle.retraining_policy import format_time
from servicio_ml.serving.http.call import CALL_KEY
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions


class RetrainingDecisionState(BaseModel):
    """One entry of the decision log."""

    model: str
    decision: RetrainingDecision
    reason: str
    at: float = Field(description="Time of the decision, in seconds since 1970; repeats do not change it.")
    reference: str = Field(
        description="Address or file of the run that was started or has ended; the key of the run while its "
        "start is unconfirmed; else empty."
    )


class RetrainingState(BaseModel):
    """Quarantine, budget and decisions of one model."""

    model: str
    quarantined: bool = Field(description="Whether alerts may not retrain the model.")
    quarantined_by: list[str] = Field(description="Names of the alerts that cause the quarantine.")
    budget_remaining: int = Field(description="Retrainings that alerts may still start.")
    decisions: list[RetrainingDecisionState] = Field(description="Decisions, the newest first.")


def build_state(entry: DecisionEntry) -> RetrainingDecisionState:
    """Build the document of an entry."""
    return RetrainingDecisionState(
        model=entry.model, decision=entry.decision, reason=entry.reason, at=entry.decided_at,
        reference=entry.reference,
    )  # fmt: skip


def build_acknowledgement_decision(entry: Acknowledgement) -> RetrainingDecisionState:
    """Build the document of an acknowledgement, or of the end of one, among the decisions."""
    decision, what = RetrainingDecision.ACKNOWLEDGED, f"accepts the drift of {entry.feature}"
    if entry.is_end:
        decision, what = RetrainingDecision.ACKNOWLEDGEMENT_ENDED, f"ended that of {entry.feature}"
    reason = f"{entry.by} {what} (PSI {entry.psi:.3g}) until {format_time(entry.until)}: {entry.reason}"
    return RetrainingDecisionState(
        model=entry.model, decision=decision, reason=reason, at=entry.at, reference=""
    )


def build_routes(
    decisions: RetrainingDecisions, acknowledgements: Acknowledgements, models: LoadedModels
) -> APIRouter:
    """Build the routes of quarantine and decisions.

    Args:
        decisions: Decision log and policy.
        acknowledgements: Record of the acknowledged drift.
        models: Loaded models of this process.
    """
    router = APIRouter(tags=["retraining"])
    _add_quarantine_route(router, decisions, models)
    _add_retraining_route(router, decisions, acknowledgements, models)
    return router


def _add_quarantine_route(router: APIRouter, decisions: RetrainingDecisions, models: LoadedModels) -> None:
    @router.delete("/models/{model}/quarantine", responses=describe_errors(401, 403, 404, 503))
    @require(Access.ADMIN)
    async def lift_quarantine(model: str, request: Request) -> RetrainingDecisionState:
        """End the quarantine of a model, whatever caused it; for administrators."""
        # 404 for a model that is not served, though the log may know it
        models.get_status(model)
        by = request.scope[CALL_KEY].key or "an administrator"
        # in a thread: the log is a database, and the event loop must not wait for it
        return build_state(await asyncio.to_thread(decisions.lift_quarantine, model, by))


def _add_retraining_route(
    router: APIRouter,
    decisions: RetrainingDecisions,
    acknowledgements: Acknowledgements,
    models: LoadedModels,
) -> None:
    @router.get("/models/{model}/retraining", responses=describe_errors(401, 403, 404, 503))
    @require(Access.PREDICT)
    async def get_retraining(model: str) -> RetrainingState:
        """Get quarantine and budget of a model, the decisions of the last 30 days, and accepted drift."""
        models.get_status(model)
        history = await asyncio.to_thread(decisions.load_history, model)
        accepted = await asyncio.to_thread(acknowledgements.load_history, model)
        causes = {alert.name for alert in history[0].alerts if alert.causes_quarantine} if history else set()
        return RetrainingState(
            model=model, quarantined=bool(causes), quarantined_by=sorted(causes),
            budget_remaining=decisions.compute_remaining_budget(history),
            decisions=sorted(
                [
                    *(build_state(entry) for entry in omit_settled_intents(history)),
                    *map(build_acknowledgement_decision, accepted),
                ],
                # stable: the log is in the order of its records, also where a clock was set back
                key=lambda each: -each.at,
            ),
        )  # fmt: skip
