"""The methods of the Open Inference Protocol over gRPC."""
# ruff: noqa: N802  gRPC finds the methods by these names

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from servicio_ml.domain.prediction import Protocol
from servicio_ml.errors import RequestError
from servicio_ml.serving.keys import Scope
from servicio_ml.serving.oip import grpc_messages
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.grpc_guard import SERVICE, Guard, told, tolerant
from servicio_ml.serving.oip.infer import Asked, infer
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceServicer
from servicio_ml.serving.oip.repository import index, is_ready, load, unload
from servicio_ml.serving.oip.rest import model_metadata, server_metadata
from servicio_ml.serving.service import Service

Context = grpc.aio.ServicerContext[Any, Any]


class Inference(GRPCInferenceServiceServicer):
    """Each method translates; the predictor answers.

    Args:
        service: Of this process.
        announce: Tells the other processes to look at the registry now.
    """

    def __init__(self, service: Service, announce: Callable[[], None]) -> None:
        self._service, self._announce, self._guard = service, announce, Guard(service)

    async def ServerLive(self, request: pb.ServerLiveRequest, context: Context) -> pb.ServerLiveResponse:
        async with self._guard.call(request, context, "ServerLive", None):
            return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, request: pb.ServerReadyRequest, context: Context) -> pb.ServerReadyResponse:
        async with self._guard.call(request, context, "ServerReady", None):
            return pb.ServerReadyResponse(ready=self._service.models.ready)

    async def ModelReady(self, request: pb.ModelReadyRequest, context: Context) -> pb.ModelReadyResponse:
        async with self._guard.call(request, context, "ModelReady", Scope.PREDICT):
            return pb.ModelReadyResponse(ready=is_ready(self._service.models, request.name, request.version))

    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: Context
    ) -> pb.ServerMetadataResponse:
        async with self._guard.call(request, context, "ServerMetadata", Scope.PREDICT):
            return pb.ServerMetadataResponse(**server_metadata().model_dump())

    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, context: Context
    ) -> pb.ModelMetadataResponse:
        async with self._guard.call(request, context, "ModelMetadata", Scope.PREDICT) as client:
            served, _ = await self._service.predictor.pick(request.name, request.version, client)
            return pb.ModelMetadataResponse(**model_metadata(self._service, served).model_dump())

    async def ModelInfer(self, request: pb.ModelInferRequest, context: Context) -> pb.ModelInferResponse:
        async with self._guard.call(request, context, "ModelInfer", Scope.PREDICT) as client:
            return await self._infer(request, client)

    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest | RequestError], context: Context
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        async with self._guard.call(requests, context, "ModelStreamInfer", Scope.PREDICT) as client:
            async for request in requests:
                yield await self._streamed(request, client)

    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, context: Context
    ) -> pb.RepositoryIndexResponse:
        async with self._guard.call(request, context, "RepositoryIndex", Scope.PREDICT):
            answer = pb.RepositoryIndexResponse()
            for each in index(self._service.models, ready=request.ready):
                answer.models.add(name=each.name, version=each.version, state=each.state, reason=each.reason)
            return answer

    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: Context
    ) -> pb.RepositoryModelLoadResponse:
        async with self._guard.call(request, context, "RepositoryModelLoad", Scope.ADMIN):
            if request.parameters:
                raise RequestError("load has parameters", "it takes none; the registry says what is loaded")
            await load(self._service.models, request.model_name, self._announce)
            return pb.RepositoryModelLoadResponse()

    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: Context
    ) -> pb.RepositoryModelUnloadResponse:
        async with self._guard.call(request, context, "RepositoryModelUnload", Scope.ADMIN):
            unload(self._service.models, request.model_name)
            return pb.RepositoryModelUnloadResponse()

    async def _infer(self, request: pb.ModelInferRequest, client: str) -> pb.ModelInferResponse:
        asked = Asked(
            model=request.model_name, version=request.model_version, client=client, protocol=Protocol.GRPC,
            size=request.ByteSize(),
        )  # fmt: skip
        return await infer(self._service, asked, lambda: grpc_messages.read(request), grpc_messages.write)

    async def _streamed(
        self, request: pb.ModelInferRequest | RequestError, client: str
    ) -> pb.ModelStreamInferResponse:
        if isinstance(request, RequestError):
            return pb.ModelStreamInferResponse(error_message=told(request)[1])
        try:
            return pb.ModelStreamInferResponse(infer_response=await self._infer(request, client))
        except Exception as error:  # noqa: BLE001  the client is told, and the stream goes on
            named = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
            return pb.ModelStreamInferResponse(error_message=told(error)[1], infer_response=named)


def handler(methods: Inference) -> "grpc.GenericRpcHandler[Any, Any]":
    """What a server calls the methods by."""
    made = {}
    for method in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
        streaming = method.client_streaming
        make = grpc.stream_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler
        made[method.name] = make(
            getattr(methods, method.name),
            request_deserializer=tolerant(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(SERVICE, made)
