"""Routes about the models of the service."""

import asyncio
import json
from collections.abc import Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.domain.search import Parameter
from servicio_ml.errors import NotReadyError
from servicio_ml.features.runtimes.scorer import Runtime
from servicio_ml.lifecycle.rollout.actions import refuse_running_plan
from servicio_ml.lifecycle.version_tags import (
    CANDIDATE_TAG,
    FAMILY_TAG,
    FRAMEWORK_TAG,
    PARAMS_TAG,
    RESULT_TAG,
)
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import LoadedModel
from servicio_ml.serving.models.model_status import CANARY_TAG, SHADOW_TAG, ModelStatus
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.schema import SchemaState, build_schema_state


class MarkdownResponse(PlainTextResponse):
    """A response in Markdown."""

    media_type = "text/markdown"


class VersionInfo(BaseModel):
    """A registered version."""

    version: int
    aliases: list[str]
    run_id: str
    created: float = Field(description="Seconds since 1970.")
    tags: dict[str, str]


class VersionDescription(BaseModel):
    """Kind and quality of a version; null or empty where those who registered it have not written it."""

    candidate: str | None = Field(description="Name of the candidate of the training.")
    family: str | None = Field(description="Family of the candidate, or the kind of file that was imported.")
    framework: str | None = Field(
        description="Libraries that fitted it, with their versions; null for an imported model."
    )
    params: dict[str, Parameter] = Field(
        description="Hyperparameters, tuned and fixed; absent ones have the defaults of the library."
    )
    metrics: dict[str, float | None] = Field(
        description="Metrics on the holdout; null where one is undefined."
    )


class TrafficState(BaseModel):
    """Shares of the traffic that the challenger gets."""

    model_config = ConfigDict(strict=True)

    shadow: float = Field(
        description="Share of the live rows that the challenger also scores, without answering.", ge=0, le=1
    )
    canary: float = Field(
        description="Share of the clients, by their key, that the challenger answers.", ge=0, le=1
    )


class ModelState(BaseModel):
    """State of a model."""

    model: str
    task: str | None
    champion: int | None = Field(description="The version that answers.")
    description: VersionDescription | None = Field(
        description="Kind, hyperparameters and metrics of the champion."
    )
    features: list[str] = Field(
        description="Columns that the champion reads: fields of a record and columns derived from them."
    )
    runtime: Runtime | None = Field(
        description="What runs the champion: ONNX Runtime in the server, or an isolated process of its own."
    )
    row_seconds: float | None = Field(
        description="Median time of one row in the isolated process, in seconds, as measured when the model "
        "was imported; null for ONNX."
    )
    challenger: int | None = Field(description="The challenger, loaded while it has traffic.")
    loaded: float | None = Field(description="Time when the champion was loaded, in seconds since 1970.")
    checked: float = Field(description="Time when the registry was last read, in seconds since 1970.")
    problem: str = Field(description="Reason why the registry's champion does not answer; else empty.")
    use_case_problem: str = Field(
        description="Reason why the user's file of the use case is disabled; else empty."
    )
    traffic: TrafficState
    versions: list[VersionInfo]


def _describe_version(info: ModelVersion) -> VersionDescription:
    tags = info.tags
    return VersionDescription(
        candidate=tags.get(CANDIDATE_TAG),
        family=tags.get(FAMILY_TAG),
        framework=tags.get(FRAMEWORK_TAG),
        params=json.loads(tags.get(PARAMS_TAG, "{}")),
        metrics=json.loads(tags.get(RESULT_TAG, "{}")).get("metrics", {}),
    )


def build_model_state(model: str, status: ModelStatus, use_case_problem: str = "") -> ModelState:
    """Build the document of a model's state."""
    champion = status.champion
    return ModelState(
        model=model,
        task=champion.artifact.output.task if champion else None,
        champion=champion.version if champion else None,
        description=_describe_version(champion.info) if champion else None,
        features=_list_features(champion) if champion else [],
        runtime=champion.artifact.scorer.runtime if champion else None,
        row_seconds=champion.artifact.scorer.row_seconds if champion else None,
        challenger=status.challenger.version if status.challenger else None,
        loaded=champion.loaded_at if champion else None,
        checked=status.checked_at,
        problem=status.error,
        use_case_problem=use_case_problem,
        traffic=TrafficState(shadow=status.traffic.shadow, canary=status.traffic.canary),
        versions=[
            VersionInfo(
                version=each.version, aliases=list(each.aliases), run_id=each.run_id, created=each.created,
                tags=dict(each.tags),
            )
            for each in status.versions
        ],
    )  # fmt: skip


def _list_features(champion: LoadedModel) -> list[str]:
    schema = champion.artifact.encoder.schema
    return [schema.names[place] for place in schema.inputs]


def build_model_routes(
    service: Service,
    set_tag: Callable[[str, str, str], None],
    announce: Callable[[], None],
    find_broken_files: Callable[[], Mapping[str, str]],
    plans: TrafficPlanStore,
) -> APIRouter:
    """Build the routes for state, schema and card of the models, and for their administration.

    Args:
        service: Service of this process.
        set_tag: Sets a tag of a registered model.
        announce: Makes the other processes refresh their models.
        find_broken_files: Returns what is wrong with each broken file of the user's use cases, by its name.
        plans: Traffic plans, during which nobody sets shares by hand.
    """
    router = APIRouter(tags=["models"], responses=describe_errors(401, 403, 404, 503))
    _add_read_routes(router, service.models, find_broken_files)
    _add_admin_routes(router, service.models, set_tag, announce, plans)
    _add_default_model_routes(router, service, announce)
    return router


def _add_read_routes(
    router: APIRouter, models: LoadedModels, find_broken_files: Callable[[], Mapping[str, str]]
) -> None:
    @router.get("/models", summary="List the models")
    @require(Access.PREDICT)
    async def list_models() -> list[ModelState]:
        """A use case whose file is disabled is listed, too, with the reason."""
        # in a thread: the files are read again after a change
        broken = await asyncio.to_thread(find_broken_files)
        statuses = {**dict.fromkeys(broken, ModelStatus(error="no model is registered")), **models.statuses}
        return [
            build_model_state(name, status, broken.get(name, "")) for name, status in sorted(statuses.items())
        ]

    @router.get("/models/{model}", summary="Show a model and its versions")
    @require(Access.PREDICT)
    async def get_model(model: str) -> ModelState:
        return build_model_state(model, models.get_status(model))

    @router.get("/models/{model}/schema", summary="Show the input and output schema of the champion")
    @require(Access.PREDICT)
    async def get_schema(model: str) -> SchemaState:
        return build_schema_state(models.get_champion(model))

    @router.get(
        "/models/{model}/card", summary="Show the model card of the champion", response_class=MarkdownResponse
    )
    @require(Access.PREDICT)
    async def get_card(model: str) -> Response:
        return MarkdownResponse(models.get_champion(model).card)


def _add_admin_routes(
    router: APIRouter,
    models: LoadedModels,
    set_tag: Callable[[str, str, str], None],
    announce: Callable[[], None],
    plans: TrafficPlanStore,
) -> None:
    @router.post("/models/{model}/reload", summary="Refresh a model from the registry")
    @require(Access.ADMIN)
    async def reload_model(model: str) -> ModelState:
        """Every process refreshes within a second."""
        return await _reload_model(models, model, announce)

    @router.put(
        "/models/{model}/traffic",
        summary="Set the challenger's traffic",
        responses=describe_errors(400, 409, 413, 422),
    )
    @require(Access.ADMIN)
    async def set_traffic(model: str, wanted: TrafficState) -> ModelState:
        """Set the shares for every process and replica, until they are set again; not during a rollout."""
        models.get_status(model)
        await asyncio.to_thread(refuse_running_plan, plans, model)
        # tags of the registry, not memory: replicas and later restarts read them, too
        await asyncio.to_thread(set_tag, model, SHADOW_TAG, str(wanted.shadow))
        await asyncio.to_thread(set_tag, model, CANARY_TAG, str(wanted.canary))
        await asyncio.to_thread(models.refresh)
        announce()
        return build_model_state(model, models.get_status(model))


def _add_default_model_routes(router: APIRouter, service: Service, announce: Callable[[], None]) -> None:
    @router.get("/model/info", summary="Show the default model and its versions")
    @require(Access.PREDICT)
    async def get_default_model() -> ModelState:
        return build_model_state(service.default_model, service.models.get_status(service.default_model))

    @router.post("/model/reload", summary="Refresh the default model from the registry")
    @require(Access.ADMIN)
    async def reload_default_model() -> ModelState:
        return await _reload_model(service.models, service.default_model, announce)


async def _reload_model(models: LoadedModels, model: str, announce: Callable[[], None]) -> ModelState:
    """Refresh a model in this process and have the others do so.

    Raises:
        NoSuchModelError: There is no such model here.
        NotReadyError: The model has no champion that could be loaded.
    """
    models.get_status(model)
    await asyncio.to_thread(models.refresh)
    # the other processes see the file's new time within a second
    announce()
    status = models.get_status(model)
    if status.champion is None:
        raise NotReadyError(model, status.error)
    return build_model_state(model, status)
