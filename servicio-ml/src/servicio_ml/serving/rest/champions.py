"""Routes about champions: history, candidates, pictures, model cards, and setting the champion."""

import asyncio
from collections.abc import Callable

from fastapi import APIRouter, Request
from fastapi.responses import Response

from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader
from servicio_ml.serving.http.call import CALL_KEY
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.models import LoadedModels
from servicio_ml.serving.openapi import describe_errors
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.champion_documents import (
    CandidatesState,
    ChampionHistoryState,
    PicturesState,
    SetChampionRequest,
    VersionPath,
    build_candidates_state,
    build_history_state,
)
from servicio_ml.serving.rest.models import MarkdownResponse, ModelState, build_model_state

PNG = "image/png"
PICTURE_HEADERS = {
    # artifacts may come from others; a browser must not run what calls itself a picture
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    # the pictures of a version never change
    "Cache-Control": "private, max-age=3600",
}
ANONYMOUS_ADMIN = "an administrator (no API keys are set)"


def build_routes(service: Service, history: ModelHistoryReader, announce: Callable[[], None]) -> APIRouter:
    """Build the routes.

    Args:
        service: Service of this process.
        history: Decisions, candidates, cards and pictures from the registry and its runs.
        announce: Makes the other processes refresh their models.
    """
    router = APIRouter(
        prefix="/models/{model}", tags=["models"], responses=describe_errors(401, 403, 404, 503)
    )
    _add_history_routes(router, service.models, history)
    _add_version_routes(router, service.models, history)
    _add_champion_route(router, service.models, history, announce)
    return router


def _add_history_routes(router: APIRouter, models: LoadedModels, history: ModelHistoryReader) -> None:
    @router.get("/history", summary="Show tenures and decisions")
    @require(Access.PREDICT)
    async def get_history(model: str) -> ChampionHistoryState:
        # an unknown model is refused before the registry is asked
        models.get_status(model)
        found = await asyncio.to_thread(history.list_decisions, model)
        return build_history_state(model, found.decisions)

    @router.get("/candidates", summary="Show the candidates of the latest training")
    @require(Access.PREDICT)
    async def list_candidates(model: str) -> CandidatesState:
        models.get_status(model)
        return build_candidates_state(model, await asyncio.to_thread(history.get_candidates, model))


def _add_version_routes(router: APIRouter, models: LoadedModels, history: ModelHistoryReader) -> None:
    @router.get(
        "/versions/{version}/card",
        summary="Show the model card of a version",
        response_class=MarkdownResponse,
        responses=describe_errors(422),
    )
    @require(Access.PREDICT)
    async def get_card(model: str, version: VersionPath) -> Response:
        models.get_status(model)
        return MarkdownResponse(await asyncio.to_thread(history.get_card, model, version))

    @router.get(
        "/versions/{version}/pictures",
        summary="List the pictures of a version",
        responses=describe_errors(422),
    )
    @require(Access.PREDICT)
    async def list_pictures(model: str, version: VersionPath) -> PicturesState:
        models.get_status(model)
        names = await asyncio.to_thread(history.list_pictures, model, version)
        return PicturesState(model=model, version=version, pictures=list(names))

    @router.get(
        "/versions/{version}/pictures/{name}",
        summary="Show a picture",
        response_class=Response,
        responses={200: {"content": {PNG: {}}}, **describe_errors(422)},
    )
    @require(Access.PREDICT)
    async def get_picture(model: str, version: VersionPath, name: str) -> Response:
        models.get_status(model)
        found = await asyncio.to_thread(history.get_picture, model, version, name)
        return Response(found, media_type=PNG, headers=PICTURE_HEADERS)


def _add_champion_route(
    router: APIRouter, models: LoadedModels, history: ModelHistoryReader, announce: Callable[[], None]
) -> None:
    @router.put(
        "/champion", summary="Make a version champion", responses=describe_errors(400, 409, 413, 422)
    )  # fmt: skip
    @require(Access.ADMIN)
    async def set_champion(model: str, body: SetChampionRequest, request: Request) -> ModelState:
        """Set the champion without an evaluation; the version must load and answer its golden rows first."""
        by = read_author(request)
        models.get_status(model)
        # refreshed first: the version may have been registered a moment ago
        await asyncio.to_thread(models.refresh)
        # loaded before the alias moves: a version that cannot answer never becomes champion
        await asyncio.to_thread(models.get_or_load, model, str(body.version))
        await asyncio.to_thread(
            history.set_champion, model, body.version, body.reason, by, body.instead_of
        )  # fmt: skip
        await asyncio.to_thread(models.refresh)
        announce()
        return build_model_state(model, models.get_status(model))


def read_author(request: Request) -> str:
    """Read who makes a change, for the history."""
    # the name comes from the key: a client cannot choose who appears in the history
    name: str = request.scope[CALL_KEY].key
    return name or ANONYMOUS_ADMIN
