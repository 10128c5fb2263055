"""Routes of the Open Inference Protocol over HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from servicio_ml.domain.prediction import Interface
from servicio_ml.serving.http.call import CALL_KEY, JSON, HttpCall
from servicio_ml.serving.http.route_access import Access, require
from servicio_ml.serving.models.loaded_model import PredictionResult
from servicio_ml.serving.oip import http_messages
from servicio_ml.serving.oip.infer import InferenceRequest, InferenceTarget, infer
from servicio_ml.serving.oip.messages import (
    IndexEntry,
    IndexRequest,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ModelReady,
    OipError,
    ServerLive,
    ServerMetadata,
    ServerReady,
)
from servicio_ml.serving.oip.metadata import build_model_metadata, build_server_metadata
from servicio_ml.serving.oip.repository import (
    is_ready,
    list_versions,
    load_registered_model,
    unload_registered_model,
)
from servicio_ml.serving.oip.tensor import Tensor
from servicio_ml.serving.openapi import build_request_body
from servicio_ml.serving.prediction.service import Service

BINARY_MEDIA_TYPE = "application/octet-stream"
CLIENT_KEY_HEADER = "x-client-key"
MODEL_PATH = "/models/{model}"
VERSION_PATH = MODEL_PATH + "/versions/{version}"
REPOSITORY_PATH = "/repository/models/{model}"
# the protocol defines no errors beyond 400; these are the ones of the application
ERROR_DESCRIPTIONS = {
    400: "The request does not follow the protocol.",
    401: "The API key is absent or unknown.",
    403: "The API key lacks the required scope.",
    404: "There is no such model or version.",
    413: "The body is too large.",
    422: "The rows do not fit the model's schema.",
    503: "The model is not ready yet, or the server is busy.",
}
NOT_READY_RESPONSE: dict[int | str, dict[str, Any]] = {400: {"model": OipError, "description": "Not ready."}}


def _build_not_ready_error(problem: str) -> HTTPException:
    """Build the protocol's status for a model that is not ready; the application renders it."""
    return HTTPException(HTTPStatus.BAD_REQUEST, problem)


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route."""
    return {status: {"model": OipError, "description": ERROR_DESCRIPTIONS[status]} for status in statuses}


def build_routes(service: Service, announce: Callable[[], None] = lambda: None) -> APIRouter:
    """Build the routes below `/v2`.

    Args:
        service: Service of this process.
        announce: Makes the other processes read the registry now.
    """
    router = APIRouter(
        prefix="/v2", tags=["Open Inference Protocol"], responses=describe_errors(401, 403, 503)
    )
    # without FastAPI models of the bodies: OIP errors and binary bodies differ from the rest of the API
    _add_server_routes(router, service)
    endpoints = _Endpoints(service=service)
    _add_metadata_routes(router, endpoints)
    _add_ready_routes(router, endpoints)
    _add_infer_routes(router, endpoints)
    _add_repository_routes(router, service, announce)
    return router


def _add_server_routes(router: APIRouter, service: Service) -> None:
    @router.get("")
    @require(Access.PREDICT)
    async def get_server_metadata() -> ServerMetadata:
        return build_server_metadata()

    @router.get("/health/live")
    @require(Access.PUBLIC)
    async def get_live() -> ServerLive:
        return ServerLive(live=True)

    @router.get("/health/ready", responses=NOT_READY_RESPONSE)
    @require(Access.PUBLIC)
    async def get_ready() -> ServerReady:
        if not service.models.is_ready:
            raise _build_not_ready_error(service.models.registry_error or "no model answers yet; try again")
        return ServerReady(ready=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoints:
    service: Service

    async def get_metadata(self, request: Request, model: str, version: str = "") -> ModelMetadata:
        loaded_model, _ = await self.service.predictor.resolve(model, version, _get_client_key(request))
        return build_model_metadata(self.service, loaded_model)

    def get_ready(self, model: str, version: str = "") -> ModelReady:
        # an unknown model is 404, unlike a known one that is not loaded
        self.service.models.get_status(model)
        if not is_ready(self.service.models, model, version):
            raise _build_not_ready_error(f"model {model!r} {version or 'champion'} is not loaded")
        return ModelReady(name=model, ready=True)

    async def infer(self, request: Request, model: str, version: str = "") -> Response:
        # read here, not by FastAPI: what the body means depends on its length header
        body = await request.body()
        length = request.headers.get(http_messages.HEADER_LENGTH)
        target = InferenceTarget(
            model=model,
            version=version,
            client=_get_client_key(request),
            protocol=Interface.OIP,
            size_bytes=len(body),
        )

        def read() -> InferenceRequest:
            text, binary = http_messages.split_body(body, length)
            return http_messages.read_request(http_messages.parse_document(InferRequest, text), binary)

        def write(
            inference: InferenceRequest, result: PredictionResult, tensors: Sequence[Tensor]
        ) -> Response:
            _add_log_details(request, result)
            content, json_length = http_messages.write_response(inference, result, tensors)
            if json_length is None:
                return Response(content, media_type=JSON)
            headers = {http_messages.HEADER_LENGTH: str(json_length)}
            return Response(content, headers=headers, media_type=BINARY_MEDIA_TYPE)

        return await infer(self.service, target, read, write)


def _add_log_details(request: Request, result: PredictionResult) -> None:
    """Add model, version and row count to the log line of the call."""
    call = request.scope.get(CALL_KEY)
    if isinstance(call, HttpCall):
        call.details.update(
            model=result.loaded_model.model, version=result.loaded_model.version, rows=result.row_count
        )


def _get_client_key(request: Request) -> str:
    # without the gateway, as in tests of the routes, no call is in the scope
    call = request.scope.get(CALL_KEY)
    return call.client_key if isinstance(call, HttpCall) else request.headers.get(CLIENT_KEY_HEADER, "")


def _add_metadata_routes(router: APIRouter, endpoints: _Endpoints) -> None:
    lookup_errors = describe_errors(400, 404)

    @router.get(MODEL_PATH, responses=lookup_errors)
    @require(Access.PREDICT)
    async def get_model_metadata(request: Request, model: str) -> ModelMetadata:
        return await endpoints.get_metadata(request, model)

    @router.get(VERSION_PATH, responses=lookup_errors)
    @require(Access.PREDICT)
    async def get_version_metadata(request: Request, model: str, version: str) -> ModelMetadata:
        return await endpoints.get_metadata(request, model, version)


def _add_ready_routes(router: APIRouter, endpoints: _Endpoints) -> None:
    not_ready = {**NOT_READY_RESPONSE, **describe_errors(400, 404)}

    @router.get(MODEL_PATH + "/ready", responses=not_ready)
    @require(Access.PREDICT)
    async def get_model_ready(model: str) -> ModelReady:
        return endpoints.get_ready(model)

    @router.get(VERSION_PATH + "/ready", responses=not_ready)
    @require(Access.PREDICT)
    async def get_version_ready(model: str, version: str) -> ModelReady:
        return endpoints.get_ready(model, version)


def _add_infer_routes(router: APIRouter, endpoints: _Endpoints) -> None:
    responses: dict[int | str, dict[str, Any]] = {
        200: {
            "model": InferResponse,
            "content": {BINARY_MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        **describe_errors(400, 404, 413, 422),
    }
    # the body is parsed by hand, so FastAPI cannot derive its schema
    body = {
        "requestBody": build_request_body(InferRequest, required=True, media_types=(JSON, BINARY_MEDIA_TYPE))
    }

    @router.post(MODEL_PATH + "/infer", responses=responses, openapi_extra=body)
    @require(Access.PREDICT)
    async def infer_model(request: Request, model: str) -> Response:
        """Score rows by the champion; JSON, or JSON followed by the bytes of tensors, in either direction."""
        return await endpoints.infer(request, model)

    @router.post(VERSION_PATH + "/infer", responses=responses, openapi_extra=body)
    @require(Access.PREDICT)
    async def infer_version(request: Request, model: str, version: str) -> Response:
        """Score rows by a version or an alias, which is loaded at its first request."""
        return await endpoints.infer(request, model, version)


def _add_repository_routes(router: APIRouter, service: Service, announce: Callable[[], None]) -> None:
    errors = describe_errors(400, 404)
    listing = {"requestBody": build_request_body(IndexRequest, required=False, media_types=(JSON,))}

    @router.post("/repository/index", responses=describe_errors(400), openapi_extra=listing)
    @require(Access.PREDICT)
    async def list_repository(request: Request) -> list[IndexEntry]:
        """List the registered versions of the models, loaded or not."""
        # Triton's clients post an empty body
        body = await request.body()
        index_filter = http_messages.parse_document(IndexRequest, body) if body else IndexRequest()
        entries = list_versions(service.models, ready=index_filter.ready)
        return [
            IndexEntry(name=each.name, version=each.version, state=each.state, reason=each.reason)
            for each in entries
        ]

    @router.post(REPOSITORY_PATH + "/load", responses=errors)
    @require(Access.ADMIN)
    async def load_model(model: str) -> Response:
        """Read the registry now and load what changed."""
        await load_registered_model(service.models, model, announce)
        return Response(b"{}", media_type=JSON)

    @router.post(REPOSITORY_PATH + "/unload", responses=errors)
    @require(Access.ADMIN)
    async def unload_model(model: str) -> Response:
        """Evict the versions that were loaded on request; champion and challenger stay."""
        unload_registered_model(service.models, model)
        return Response(b"{}", media_type=JSON)
