"""The routes about the service and its models."""

import asyncio
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.errors import NotReadyError
from servicio_ml.serving.models import CANARY_NOTE, SHADOW_NOTE, Known, Models
from servicio_ml.serving.openapi import refusals
from servicio_ml.serving.schema import SchemaState, schema_of
from servicio_ml.serving.service import Service

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Markdown(PlainTextResponse):
    """Text in Markdown."""

    media_type = "text/markdown"


class Index(BaseModel):
    """What is served."""

    service: str
    models: list[str]
    default_model: str
    documentation: str


class Health(BaseModel):
    """Whether the service answers."""

    status: str = Field(examples=["ready"])
    models: dict[str, str] = Field(
        default_factory=dict, description="Model to `ready`, or to why it is not.", examples=[{"m": "ready"}]
    )


READY = "Whether the models answer"
NOT_READY: dict[int | str, dict[str, Any]] = {503: {"model": Health, "description": "Not ready."}}


class VersionInfo(BaseModel):
    """A registered version."""

    version: int
    aliases: list[str]
    run_id: str
    created: float = Field(description="Seconds since 1970.")
    tags: dict[str, str]


class TrafficState(BaseModel):
    """What the challenger does."""

    model_config = ConfigDict(strict=True)

    shadow: float = Field(description="Share of the live rows that it scores too, unanswered.", ge=0, le=1)
    canary: float = Field(description="Share of the clients, by their key, that it answers.", ge=0, le=1)


class ModelState(BaseModel):
    """What is known of a model."""

    model: str
    task: str | None
    champion: int | None = Field(description="The version that answers.")
    challenger: int | None = Field(description="The challenger, loaded while it has traffic.")
    loaded: float | None = Field(description="When the champion was loaded, in seconds since 1970.")
    checked: float = Field(description="When the registry last answered, in seconds since 1970.")
    problem: str = Field(description="Why the registry's champion is not the one that answers; else empty.")
    traffic: TrafficState
    versions: list[VersionInfo]


def state_of(model: str, known: Known) -> ModelState:
    """What is known of a model, as it is told."""
    champion = known.champion
    return ModelState(
        model=model,
        task=champion.artifact.output.task if champion else None,
        champion=champion.version if champion else None,
        challenger=known.challenger.version if known.challenger else None,
        loaded=champion.loaded if champion else None,
        checked=known.checked,
        problem=known.problem,
        traffic=TrafficState(shadow=known.traffic.shadow, canary=known.traffic.canary),
        versions=[
            VersionInfo(
                version=each.version, aliases=list(each.aliases), run_id=each.run_id, created=each.created,
                tags=dict(each.tags),
            )
            for each in known.versions
        ],
    )  # fmt: skip


def health_of(models: Models) -> Health:
    """Which models answer."""
    each = {
        name: "ready" if known.champion else known.problem or "not loaded"
        for name, known in models.known.items()
    }
    if models.problem and not each:
        each = {"*": models.problem}
    return Health(status="ready" if models.ready else "not ready", models=each)


def health_routes(service: Service, scrape: Callable[[], bytes]) -> APIRouter:
    """What is served, whether it answers, and its metrics.

    Args:
        service: Of this process.
        scrape: Gives the metrics of all processes as text.
    """
    router = APIRouter(tags=["service"])

    @router.get("/", summary="What is served")
    async def index() -> Index:
        return Index(
            service="servicio-ml", models=sorted(service.models.known), default_model=service.default_model,
            documentation="/docs",
        )  # fmt: skip

    @router.get("/health/live", summary="Whether the process is up")
    async def live() -> Health:
        return Health(status="live")

    @router.get("/health/ready", summary=READY, responses=NOT_READY)
    @router.get("/health", summary=READY, responses=NOT_READY)
    async def ready() -> Response:
        health = health_of(service.models)
        status = 200 if service.models.ready else 503
        return Response(health.model_dump_json(), status, media_type="application/json")

    @router.get("/metrics", summary="Metrics of all processes", response_class=PlainTextResponse)
    async def metrics() -> Response:
        return Response(await asyncio.to_thread(scrape), media_type=METRICS_TYPE)

    return router


def model_routes(
    service: Service, note: Callable[[str, str, str], None], announce: Callable[[], None]
) -> APIRouter:
    """The models: state, schema, card, and what administrators may do.

    Args:
        service: Of this process.
        note: Sets a tag of a registered model.
        announce: Tells the other processes to look at the registry now.
    """
    router, models = APIRouter(tags=["models"], responses=refusals(401, 403, 404, 503)), service.models

    @router.get("/models", summary="Every model that is served")
    async def every() -> list[ModelState]:
        return [state_of(name, known) for name, known in sorted(models.known.items())]

    @router.get("/models/{model}", summary="One model and its versions")
    async def one(model: str) -> ModelState:
        return state_of(model, models.state(model))

    @router.get("/models/{model}/schema", summary="What the champion takes and gives")
    async def schema(model: str) -> SchemaState:
        return schema_of(models.champion(model))

    @router.get("/models/{model}/card", summary="What the champion is", response_class=Markdown)
    async def card(model: str) -> Response:
        return Markdown(models.champion(model).card)

    @router.post("/models/{model}/reload", summary="Look at the registry now")
    async def reload(model: str) -> ModelState:
        """Every process does within a second."""
        models.state(model)
        await asyncio.to_thread(models.refresh)
        announce()
        known = models.state(model)
        if known.champion is None:
            raise NotReadyError(model, known.problem)
        return state_of(model, known)

    @router.put(
        "/models/{model}/traffic", summary="Set the challenger's shares", responses=refusals(400, 413, 422)
    )
    async def traffic(model: str, wanted: TrafficState) -> ModelState:
        """For every process and replica, until they are set anew."""
        models.state(model)
        await asyncio.to_thread(note, model, SHADOW_NOTE, str(wanted.shadow))
        await asyncio.to_thread(note, model, CANARY_NOTE, str(wanted.canary))
        await asyncio.to_thread(models.refresh)
        announce()
        return state_of(model, models.state(model))

    @router.get("/model/info", summary="The default model and its versions")
    async def info() -> ModelState:
        return await one(service.default_model)

    @router.post("/model/reload", summary="Look at the registry now for the default model")
    async def reload_default() -> ModelState:
        return await reload(service.default_model)

    return router
