"""The FastAPI application: routes, documentation, and errors as problem documents."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from servicio_ml.errors import ServicioError
from servicio_ml.serving import openapi
from servicio_ml.serving.http.call import CALL_KEY
from servicio_ml.serving.http.error_responses import build_error_response
from servicio_ml.serving.http.json_body import check_json_body
from servicio_ml.serving.http.route_access import RouteAccess
from servicio_ml.serving.prediction.service import Service

STATIC_PATH = "/docs/static"
"""Path of the documentation's own scripts, so that its page works without the Internet."""
DESCRIPTION = "Predictions of the champions, their explanations and their ground truth."


def build_app(
    service: Service, routers: Sequence[APIRouter], lifespan: Lifespan[FastAPI] | None = None
) -> FastAPI:
    """Build the application.

    Args:
        service: Service of this process.
        routers: Every route but the predictions, which the gateway answers.
        lifespan: Starts and stops the resources of the application.
    """
    app = FastAPIOffline(
        title="servicio-ml", version=version("servicio-ml"), description=DESCRIPTION,
        redoc_url=None, static_url=STATIC_PATH, lifespan=lifespan, redirect_slashes=False,
    )  # fmt: skip
    # taken before the routers: the framework has added only its documentation so far
    documentation = tuple(app.routes)
    for router in routers:
        app.include_router(router, dependencies=[Depends(check_json_body)])
    app.state.access = RouteAccess(documentation, [route for router in routers for route in router.routes])
    # the framework has handlers of its own for its errors; each of them is replaced by the one function
    for kind in (ServicioError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _answer_error)
    _set_openapi(app, service)
    return app


def _set_openapi(app: FastAPI, service: Service) -> None:
    documents: dict[tuple[tuple[str, int], ...], dict[str, Any]] = {}

    def get_document() -> dict[str, Any]:
        # the models decide the document, so it is built again when one of them changes
        versions = tuple((champion.model, champion.version) for champion in service.models.list_champions())
        if versions not in documents:
            documents.clear()
            documents[versions] = openapi.build_document(app, service)
        return documents[versions]

    app.openapi = get_document  # type: ignore[method-assign]  # the documented way to extend the document


async def _answer_error(request: Request, error: Exception) -> Response:
    call = request.scope.get(CALL_KEY)
    ready = build_error_response(error, request.url.path, call.request_id if call else "")
    return Response(ready.body, ready.status, dict(ready.headers), ready.media_type)
