"""Routes about the service itself: index, readiness and metrics."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field

from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.prediction.service import Service

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class ServiceIndex(BaseModel):
    """Models of the service."""

    service: str
    models: list[str]
    titles: dict[str, str] = Field(
        description="Title of each installed use case, by its name; also of those without a model."
    )
    default_model: str
    documentation: str


class ServiceHealth(BaseModel):
    """Readiness of the service."""

    status: str = Field(examples=["ready"])
    models: dict[str, str] = Field(
        default_factory=dict,
        description="Model to `ready`, or to the reason why it is not.",
        examples=[{"m": "ready"}],
    )


READY_SUMMARY = "Readiness of the models"
NOT_READY_RESPONSES: dict[int | str, dict[str, Any]] = {
    503: {"model": ServiceHealth, "description": "Not ready."}
}


def build_health(models: LoadedModels) -> ServiceHealth:
    """Build the readiness of the models."""
    each = {
        name: "ready" if status.champion else status.error or "not loaded"
        for name, status in models.statuses.items()
    }
    if models.registry_error and not each:
        each = {"*": models.registry_error}
    return ServiceHealth(status="ready" if models.is_ready else "not ready", models=each)


def build_health_routes(
    service: Service, scrape: Callable[[], bytes], list_titles: Callable[[], Mapping[str, str]] = dict
) -> APIRouter:
    """Build the routes for the index, readiness and metrics.

    Args:
        service: Service of this process.
        scrape: Returns the metrics of all processes as text.
        list_titles: Returns the title of each installed use case, by its name.
    """
    router = APIRouter(tags=["service"])
    _add_index_route(router, service, list_titles)
    _add_health_routes(router, service)

    @router.get("/metrics", summary="Metrics of all processes", response_class=PlainTextResponse)
    @require(Access.PUBLIC)
    async def get_metrics() -> Response:
        # in a thread: a scrape reads the files of all processes
        return Response(await asyncio.to_thread(scrape), media_type=METRICS_TYPE)

    return router


def _add_index_route(
    router: APIRouter, service: Service, list_titles: Callable[[], Mapping[str, str]]
) -> None:
    @router.get("/", summary="Index of the service")
    @require(Access.PUBLIC)
    async def get_index() -> ServiceIndex:
        models = sorted(service.models.statuses)
        # in a thread: the user's files are read again after a change
        titles = await asyncio.to_thread(list_titles)
        return ServiceIndex(
            service="servicio-ml",
            models=models,
            titles=dict(titles),
            default_model=service.default_model,
            documentation="/docs",
        )


def _add_health_routes(router: APIRouter, service: Service) -> None:
    @router.get("/health/live", summary="Liveness of the process")
    @require(Access.PUBLIC)
    async def get_liveness() -> ServiceHealth:
        return ServiceHealth(status="live")

    @router.get("/health/ready", summary=READY_SUMMARY, responses=NOT_READY_RESPONSES)
    @router.get("/health", summary=READY_SUMMARY, responses=NOT_READY_RESPONSES)
    @require(Access.PUBLIC)
    async def get_readiness() -> Response:
        # the body is a document in both cases, so the response is built by hand
        health = build_health(service.models)
        status = 200 if service.models.is_ready else 503
        return Response(health.model_dump_json(), status, media_type="application/json")
