"""The routes about the succession of champions: history, candidates, pictures, cards; and a new champion."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from servicio_ml.domain.promotion import Decision, Dossier
from servicio_ml.domain.records import Candidates, ServedRecords
from servicio_ml.domain.succession import reigns
from servicio_ml.serving.call import CALL
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.rest import Markdown, ModelState, state_of
from servicio_ml.serving.service import Service

PNG = "image/png"
PICTURE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # of a version, they stay as they are
    "Cache-Control": "private, max-age=3600",
}
NOBODY = "an administrator (no API keys are set)"
MOST_REASON = 500
GREATEST_VERSION = (1 << 31) - 1
Version = Annotated[int, Path(ge=1, le=GREATEST_VERSION)]
Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MOST_REASON, pattern=r"^[^\x00]*$"),
]


class ReignState(BaseModel):
    """A time during which one version was champion; seconds since 1970."""

    version: int
    since: float
    until: float | None = Field(description="Null while it is.")
    by: str
    reason: str


class GateState(BaseModel):
    """One condition of a promotion."""

    name: str
    passed: bool
    detail: str


class SliceState(BaseModel):
    """One level of one field."""

    field: str
    level: str
    rows: int
    gain: float | None


class ComparisonState(BaseModel):
    """Both on the same rows that neither had learnt from; a number that is not defined is null."""

    rows: int
    challenger: float | None = Field(description="The metric of the challenger.")
    champion: float | None = Field(description="The same of the champion; null where there was none.")
    gain: float | None = Field(
        description="How much better the challenger is, in the metric's unit; of an error, a share of the "
        "champion's."
    )
    interval: tuple[float | None, float | None] | None = Field(description="95 % interval of the gain.")
    slices: list[SliceState] = []
    calibration_error: float | None
    latency_seconds: float | None = Field(description="Median time of one row.")


class PolicyState(BaseModel):
    """The thresholds that were judged by."""

    metric: str
    floor: float
    margin: float = Field(description="So much worse the lower end of the interval may be.")
    max_slice_loss: float
    max_calibration_error: float
    max_latency_seconds: float


class EvidenceState(BaseModel):
    """What a judgement was based on."""

    period: str
    data_digest: str
    metric: str
    policy: PolicyState
    comparison: ComparisonState
    gates: list[GateState]


class DecisionState(BaseModel):
    """One decision that was carried out."""

    decision: Decision
    version: int = Field(description="Judged, or put back.")
    against: int | None = Field(description="Champion before; null where there was none.")
    by: str
    at: float = Field(description="Seconds since 1970.")
    reason: str
    evidence: EvidenceState | None = Field(description="Null where nothing was judged, or long ago.")


class HistoryState(BaseModel):
    """Who was champion when, and every decision; the newest first."""

    model: str
    champions: list[ReignState]
    decisions: list[DecisionState]


class CandidateState(BaseModel):
    """How a candidate did in a training; a number that is not defined is null."""

    model_config = ConfigDict(extra="ignore")

    candidate: str
    version: int | None = Field(description="Null where its artifact may not be used.")
    eligible: bool
    reason: str = Field(description="Why it may not be promoted; empty when it may.")
    params: dict[str, Any]
    trials: int = Field(description="Finished ones; 0 where they were not counted.")
    validation: float | None = Field(description="The use case's metric on the rows of cross-validation.")
    validation_error: float | None = Field(description="Its standard error.")
    metrics: dict[str, float | None] = Field(description="On the holdout.")
    latency_seconds: float | None = Field(description="Median time of one row.")
    parity: float | None = Field(description="Greatest difference to the original on the holdout.")
    threshold: float | None


class CandidatesState(BaseModel):
    """The candidates of the latest training that ended well; times in seconds since 1970."""

    model: str
    run_id: str
    period: str
    data_digest: str
    started: float
    ended: float | None
    train_rows: int
    test_rows: int
    decision: str = Field(description="About the winner; empty where nothing was decided.")
    candidates: list[CandidateState] = Field(description="The winner first.")


class PicturesState(BaseModel):
    """The pictures of a version and of its training."""

    model: str
    version: int
    pictures: list[str] = Field(description="Names: PNGs below this path.")


class Crown(BaseModel):
    """Which version shall be champion."""

    model_config = ConfigDict(strict=True, extra="forbid")

    version: int = Field(ge=1, le=GREATEST_VERSION)
    reason: Reason = Field(description="Why, in your words; it stands in the history.")
    instead_of: int | None = Field(
        default=None, ge=1, le=GREATEST_VERSION,
        description="The champion that you know of: if it is another one by now, nothing is moved.",
    )  # fmt: skip


def routes(service: Service, records: ServedRecords, announce: Callable[[], None]) -> APIRouter:
    """The routes.

    Args:
        service: Of this process.
        records: What the registry's runs tell.
        announce: Tells the other processes to look at the registry now.
    """
    models = service.models
    router = APIRouter(prefix="/models/{model}", tags=["models"], responses=refusals(401, 403, 404, 503))

    @router.get("/history", summary="Who was champion when, and every decision")
    async def history(model: str) -> HistoryState:
        models.state(model)
        told = await asyncio.to_thread(records.decisions, model)
        return HistoryState(
            model=model,
            champions=[
                ReignState(
                    version=each.version, since=each.since, until=each.until, by=each.by, reason=each.reason
                )
                for each in reigns(told.decisions)
            ],
            decisions=[_decision(each) for each in told.decisions],
        )

    @router.get("/candidates", summary="How the candidates of the latest training did")
    async def candidates(model: str) -> CandidatesState:
        models.state(model)
        return _candidates(model, await asyncio.to_thread(records.candidates, model))

    @router.get("/versions/{version}/card", summary="What a version is", response_class=Markdown,
                responses=refusals(422))  # fmt: skip
    async def card(model: str, version: Version) -> Response:
        models.state(model)
        return Markdown(await asyncio.to_thread(records.card, model, version))

    @router.get("/versions/{version}/pictures", summary="Pictures of a version", responses=refusals(422))
    async def pictures(model: str, version: Version) -> PicturesState:
        models.state(model)
        names = await asyncio.to_thread(records.pictures, model, version)
        return PicturesState(model=model, version=version, pictures=list(names))

    @router.get(
        "/versions/{version}/pictures/{name}",
        summary="One of them",
        response_class=Response,
        responses={200: {"content": {PNG: {}}}, **refusals(422)},
    )
    async def picture(model: str, version: Version, name: str) -> Response:
        models.state(model)
        found = await asyncio.to_thread(records.picture, model, version, name)
        return Response(found, media_type=PNG, headers=PICTURE_HEADERS)

    @router.put(
        "/champion", summary="Make a version champion", responses=refusals(400, 409, 413, 422)
    )  # fmt: skip
    async def champion(model: str, crown: Crown, request: Request) -> ModelState:
        """By your word, without a judgement; the version must load and answer its golden rows first."""
        by = request.scope[CALL].key or NOBODY
        models.state(model)
        await asyncio.to_thread(models.refresh)
        # loaded before anything is moved: one that cannot answer never becomes champion
        await asyncio.to_thread(models.obtain, model, str(crown.version))
        await asyncio.to_thread(
            records.crown, model, crown.version, crown.reason, by, crown.instead_of
        )  # fmt: skip
        await asyncio.to_thread(models.refresh)
        announce()
        return state_of(model, models.state(model))

    return router


def _decision(each: Dossier) -> DecisionState:
    return DecisionState(
        decision=each.decision, version=each.challenger, against=each.champion, by=each.by, at=each.at,
        reason=each.reason,
        evidence=EvidenceState.model_validate(each.evidence) if each.evidence else None,
    )  # fmt: skip


def _candidates(model: str, found: Candidates) -> CandidatesState:
    return CandidatesState(
        model=model, run_id=found.run_id, period=found.period, data_digest=found.data_digest,
        started=found.started, ended=found.ended, train_rows=found.rows["train"],
        test_rows=found.rows["test"], decision=found.decision,
        candidates=[CandidateState.model_validate(each) for each in found.table],
    )  # fmt: skip
