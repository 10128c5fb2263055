"""The FastAPI application: routes, documents, and errors as problem documents."""

from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from servicio_ml.errors import ServicioError
from servicio_ml.serving import call, openapi
from servicio_ml.serving.call import CALL, failure, plain_refusal, refusal
from servicio_ml.serving.service import Service

STATIC = "/docs/static"
"""Where the page of the documents finds its scripts: they are ours, it works without the Internet."""
ABOUT = "Predictions of the champions, their explanations and their ground truth."


def application(
    service: Service, routers: Sequence[APIRouter], lifespan: Lifespan[FastAPI] | None = None
) -> FastAPI:
    """The application of the routes.

    Args:
        service: Of this process.
        routers: Every route but the predictions, which the edge answers.
        lifespan: What is started and stopped with it.
    """
    app = FastAPIOffline(
        title="servicio-ml", version=version("servicio-ml"), description=ABOUT,
        redoc_url=None, static_url=STATIC, lifespan=lifespan,
    )  # fmt: skip
    for router in routers:
        app.include_router(router)

    @app.exception_handler(ServicioError)
    async def told(request: Request, error: ServicioError) -> Response:
        return _sent(refusal(error, request.url.path, _request_id(request)))

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _refused(request, HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> Response:
        unknown = error.status_code == HTTPStatus.NOT_FOUND
        detail = f"nothing is served at {request.url.path}; see /docs" if unknown else str(error.detail)
        response = _refused(request, error.status_code, detail)
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(Exception)
    async def failed(request: Request, _: Exception) -> Response:
        return _sent(failure(request.url.path, _request_id(request)))

    _documents(app, service)
    return app


def _documents(app: FastAPI, service: Service) -> None:
    made: dict[tuple[tuple[str, int], ...], dict[str, Any]] = {}

    def document() -> dict[str, Any]:
        loaded = tuple((served.model, served.version) for served in service.models.champions())
        if loaded not in made:
            made.clear()
            made[loaded] = openapi.document(app, service)
        return made[loaded]

    app.openapi = document  # type: ignore[method-assign]  # the documented way to extend the document


def _refused(request: Request, status: int, detail: str) -> Response:
    return _sent(plain_refusal(status, detail, request.url.path, _request_id(request)))


def _sent(ready: call.Response) -> Response:
    return Response(ready.body, ready.status, dict(ready.headers), ready.media_type)


def _request_id(request: Request) -> str:
    known = request.scope.get(CALL)
    return known.request_id if known else ""
