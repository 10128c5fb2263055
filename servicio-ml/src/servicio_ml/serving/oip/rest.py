"""The Open Inference Protocol over HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version as version_of
from typing import Any

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response
from pydantic import BaseModel

from servicio_ml.domain.prediction import Protocol
from servicio_ml.errors import RequestError
from servicio_ml.serving.call import CALL, JSON, Call
from servicio_ml.serving.oip import wire
from servicio_ml.serving.oip.infer import Asked, Inference, infer
from servicio_ml.serving.oip.messages import (
    IndexEntry,
    IndexRequest,
    InferRequest,
    InferResponse,
    Live,
    ModelIsReady,
    ModelMetadata,
    OipError,
    Ready,
    ServerMetadata,
    TensorMetadata,
)
from servicio_ml.serving.oip.repository import index, is_ready, load, unload
from servicio_ml.serving.oip.tensor import Tensor
from servicio_ml.serving.oip.tensors import Signature, inputs_of, outputs_of
from servicio_ml.serving.served import Answered, Served
from servicio_ml.serving.service import Service

NAME = "servicio-ml"
PLATFORM = "onnxruntime_onnx"
EXTENSIONS = ("binary_tensor_data", "model_repository")
BINARY = "application/octet-stream"
CLIENT_KEY = "x-client-key"
MODEL = "/models/{model}"
VERSION = MODEL + "/versions/{version}"
REPOSITORY = "/repository/models/{model}"
REASONS = {
    400: "The request is not what the protocol takes.",
    401: "No known API key.",
    403: "The API key is not good for this.",
    404: "There is no such model or version.",
    413: "The body is too large.",
    422: "The rows do not fit the model's schema.",
    503: "The model does not answer yet, or the server is busy.",
}
NOT_READY: dict[int | str, dict[str, Any]] = {400: {"model": OipError, "description": "Not ready."}}


def _not_ready(problem: str) -> HTTPException:
    """What the protocol says of it: a status of the client's errors, which the application renders."""
    return HTTPException(HTTPStatus.BAD_REQUEST, problem)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The documented refusals of a route."""
    return {status: {"model": OipError, "description": REASONS[status]} for status in statuses}


def server_metadata() -> ServerMetadata:
    """What the server is."""
    return ServerMetadata(name=NAME, version=version_of(NAME), extensions=list(EXTENSIONS))


def model_metadata(service: Service, served: Served) -> ModelMetadata:
    """What a model takes and gives."""
    versions = service.models.state(served.model).versions
    return ModelMetadata(
        name=served.model,
        versions=[str(info.version) for info in versions],
        platform=PLATFORM,
        inputs=_described(inputs_of(served)),
        outputs=_described(outputs_of(served)),
    )


def _described(signatures: Sequence[Signature]) -> list[TensorMetadata]:
    return [TensorMetadata(name=name, datatype=kind, shape=shape) for name, kind, shape in signatures]


def routes(service: Service, announce: Callable[[], None] = lambda: None) -> APIRouter:
    """Every route below `/v2`.

    Args:
        service: Of this process.
        announce: Tells the other processes to look at the registry now.
    """
    router = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], responses=refusals(401, 403, 503))
    _server_routes(router, service)
    _model_routes(router, _Endpoints(service=service))
    _repository_routes(router, service, announce)
    return router


def _server_routes(router: APIRouter, service: Service) -> None:
    @router.get("")
    async def metadata() -> ServerMetadata:
        return server_metadata()

    @router.get("/health/live")
    async def live() -> Live:
        return Live(live=True)

    @router.get("/health/ready", responses=NOT_READY)
    async def ready() -> Ready:
        if not service.models.ready:
            raise _not_ready(service.models.problem or "no model answers yet; try again")
        return Ready(ready=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Endpoints:
    service: Service

    async def metadata(self, request: Request, model: str, version: str = "") -> ModelMetadata:
        served, _ = await self.service.predictor.pick(model, version, _client(request))
        return model_metadata(self.service, served)

    def ready(self, model: str, version: str = "") -> ModelIsReady:
        self.service.models.state(model)
        if not is_ready(self.service.models, model, version):
            raise _not_ready(f"model {model!r} {version or 'champion'} is not loaded")
        return ModelIsReady(name=model, ready=True)

    async def infer(self, request: Request, model: str, version: str = "") -> Response:
        if encoding := request.headers.get("content-encoding"):
            raise RequestError(f"content encoding {encoding!r}", "send the body as it is")
        body = await request.body()
        length = request.headers.get(wire.HEADER_LENGTH)
        asked = Asked(
            model=model, version=version, client=_client(request), protocol=Protocol.OIP, size=len(body)
        )

        def read() -> Inference:
            text, binary = wire.split(body, length)
            return wire.read(wire.parsed(InferRequest, text), binary)

        def write(inference: Inference, answered: Answered, tensors: Sequence[Tensor]) -> Response:
            _note(request, answered)
            answer, head = wire.write(inference, answered, tensors)
            headers = {} if head is None else {wire.HEADER_LENGTH: str(head)}
            return Response(answer, headers=headers, media_type=JSON if head is None else BINARY)

        return await infer(self.service, asked, read, write)


def _note(request: Request, answered: Answered) -> None:
    """What the log line of the call says besides."""
    call = request.scope.get(CALL)
    if isinstance(call, Call):
        call.details.update(model=answered.served.model, version=answered.served.version, rows=answered.rows)


def _client(request: Request) -> str:
    call = request.scope.get(CALL)
    return call.client if isinstance(call, Call) else request.headers.get(CLIENT_KEY, "")


def _model_routes(router: APIRouter, endpoints: _Endpoints) -> None:
    refused, not_there = refusals(400, 404, 413, 422), refusals(400, 404)
    not_ready = {**NOT_READY, **not_there}
    answers: dict[int | str, dict[str, Any]] = {
        200: {"model": InferResponse, "content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}
    }
    body = {"requestBody": _body(InferRequest, required=True, media_types=(JSON, BINARY))}

    @router.get(MODEL, responses=not_there)
    async def model_metadata(request: Request, model: str) -> ModelMetadata:
        return await endpoints.metadata(request, model)

    @router.get(VERSION, responses=not_there)
    async def version_metadata(request: Request, model: str, version: str) -> ModelMetadata:
        return await endpoints.metadata(request, model, version)

    @router.get(MODEL + "/ready", responses=not_ready)
    async def model_ready(model: str) -> ModelIsReady:
        return endpoints.ready(model)

    @router.get(VERSION + "/ready", responses=not_ready)
    async def version_ready(model: str, version: str) -> ModelIsReady:
        return endpoints.ready(model, version)

    @router.post(MODEL + "/infer", responses={**answers, **refused}, openapi_extra=body)
    async def infer_model(request: Request, model: str) -> Response:
        """Answer rows; JSON, or JSON with the tensors' bytes behind it, either way."""
        return await endpoints.infer(request, model)

    @router.post(VERSION + "/infer", responses={**answers, **refused}, openapi_extra=body)
    async def infer_version(request: Request, model: str, version: str) -> Response:
        """Answer rows by a version or an alias, which is loaded when it is first asked for."""
        return await endpoints.infer(request, model, version)


def _repository_routes(router: APIRouter, service: Service, announce: Callable[[], None]) -> None:
    refused = refusals(400, 404)
    listing = {"requestBody": _body(IndexRequest, required=False, media_types=(JSON,))}

    @router.post("/repository/index", responses=refusals(400), openapi_extra=listing)
    async def repository_index(request: Request) -> list[IndexEntry]:
        """Every registered version of the models, loaded or not."""
        body = await request.body()
        wanted = wire.parsed(IndexRequest, body) if body else IndexRequest()
        entries = index(service.models, ready=wanted.ready)
        return [
            IndexEntry(name=each.name, version=each.version, state=each.state, reason=each.reason)
            for each in entries
        ]

    @router.post(REPOSITORY + "/load", responses=refused)
    async def load_model(model: str) -> Response:
        """Look at the registry now and load what changed."""
        await load(service.models, model, announce)
        return Response(b"{}", media_type=JSON)

    @router.post(REPOSITORY + "/unload", responses=refused)
    async def unload_model(model: str) -> Response:
        """Drop the versions that were loaded on request; refused where only champion and challenger are."""
        unload(service.models, model)
        return Response(b"{}", media_type=JSON)


def _body(model: type[BaseModel], *, required: bool, media_types: Sequence[str]) -> dict[str, Any]:
    schema = model.model_json_schema()
    schema = _inlined(schema, schema.pop("$defs", {}))
    return {"required": required, "content": {media_type: {"schema": schema} for media_type in media_types}}


def _inlined(schema: Any, parts: dict[str, Any]) -> Any:
    """A JSON schema without references, for OpenAPI keeps its parts elsewhere."""
    if isinstance(schema, list):
        return [_inlined(each, parts) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(parts[schema["$ref"].rpartition("/")[2]], parts)
    return {key: _inlined(value, parts) for key, value in schema.items()}
