"""Methods of the Open Inference Protocol over gRPC."""
# ruff: noqa: N802  gRPC finds the methods by these names

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message_factory import GetMessageClass

from servicio_ml.domain.prediction import Interface
from servicio_ml.errors import RequestError
from servicio_ml.serving.http.route_access import Access, get_access, require
from servicio_ml.serving.oip import grpc_messages
from servicio_ml.serving.oip import inference_pb2 as pb
from servicio_ml.serving.oip.grpc_calls import (
    SERVICE_NAME,
    GrpcCalls,
    build_tolerant_deserializer,
    translate_error,
)
from servicio_ml.serving.oip.infer import InferenceTarget, infer
from servicio_ml.serving.oip.inference_pb2_grpc import GRPCInferenceServiceServicer
from servicio_ml.serving.oip.metadata import build_model_metadata, build_server_metadata
from servicio_ml.serving.oip.repository import (
    is_ready,
    list_versions,
    load_registered_model,
    unload_registered_model,
)
from servicio_ml.serving.prediction.service import Service

GrpcContext = grpc.aio.ServicerContext[Any, Any]


class InferenceService(GRPCInferenceServiceServicer):
    """Servicer whose methods translate messages; the predictor scores the rows.

    Args:
        service: Service of this process.
        announce: Makes the other processes read the registry now.
    """

    def __init__(self, service: Service, announce: Callable[[], None]) -> None:
        self._service, self._announce, self._calls = service, announce, GrpcCalls(service)

    @require(Access.PUBLIC)
    async def ServerLive(self, request: pb.ServerLiveRequest, context: GrpcContext) -> pb.ServerLiveResponse:
        async with self._calls.open(request, context, self.ServerLive):
            return pb.ServerLiveResponse(live=True)

    @require(Access.PUBLIC)
    async def ServerReady(
        self, request: pb.ServerReadyRequest, context: GrpcContext
    ) -> pb.ServerReadyResponse:
        async with self._calls.open(request, context, self.ServerReady):
            return pb.ServerReadyResponse(ready=self._service.models.is_ready)

    @require(Access.PREDICT)
    async def ModelReady(self, request: pb.ModelReadyRequest, context: GrpcContext) -> pb.ModelReadyResponse:
        async with self._calls.open(request, context, self.ModelReady):
            return pb.ModelReadyResponse(ready=is_ready(self._service.models, request.name, request.version))

    @require(Access.PREDICT)
    async def ServerMetadata(
        self, request: pb.ServerMetadataRequest, context: GrpcContext
    ) -> pb.ServerMetadataResponse:
        async with self._calls.open(request, context, self.ServerMetadata):
            return pb.ServerMetadataResponse(**build_server_metadata().model_dump())

    @require(Access.PREDICT)
    async def ModelMetadata(
        self, request: pb.ModelMetadataRequest, context: GrpcContext
    ) -> pb.ModelMetadataResponse:
        async with self._calls.open(request, context, self.ModelMetadata) as client:
            loaded_model, _ = await self._service.predictor.resolve(request.name, request.version, client)
            return pb.ModelMetadataResponse(**build_model_metadata(self._service, loaded_model).model_dump())

    @require(Access.PREDICT)
    async def ModelInfer(self, request: pb.ModelInferRequest, context: GrpcContext) -> pb.ModelInferResponse:
        async with self._calls.open(request, context, self.ModelInfer) as client:
            return await self._infer(request, client)

    @require(Access.PREDICT)
    async def ModelStreamInfer(
        self, requests: AsyncIterator[pb.ModelInferRequest | RequestError], context: GrpcContext
    ) -> AsyncIterator[pb.ModelStreamInferResponse]:
        async with self._calls.open(requests, context, self.ModelStreamInfer) as client:
            async for request in requests:
                yield await self._infer_in_stream(request, client)

    @require(Access.PREDICT)
    async def RepositoryIndex(
        self, request: pb.RepositoryIndexRequest, context: GrpcContext
    ) -> pb.RepositoryIndexResponse:
        async with self._calls.open(request, context, self.RepositoryIndex):
            index = pb.RepositoryIndexResponse()
            for each in list_versions(self._service.models, ready=request.ready):
                index.models.add(name=each.name, version=each.version, state=each.state, reason=each.reason)
            return index

    @require(Access.ADMIN)
    async def RepositoryModelLoad(
        self, request: pb.RepositoryModelLoadRequest, context: GrpcContext
    ) -> pb.RepositoryModelLoadResponse:
        async with self._calls.open(request, context, self.RepositoryModelLoad):
            if request.parameters:
                raise RequestError("load has parameters", "it takes none; the registry says what is loaded")
            await load_registered_model(self._service.models, request.model_name, self._announce)
            return pb.RepositoryModelLoadResponse()

    @require(Access.ADMIN)
    async def RepositoryModelUnload(
        self, request: pb.RepositoryModelUnloadRequest, context: GrpcContext
    ) -> pb.RepositoryModelUnloadResponse:
        async with self._calls.open(request, context, self.RepositoryModelUnload):
            unload_registered_model(self._service.models, request.model_name)
            return pb.RepositoryModelUnloadResponse()

    async def _infer(self, request: pb.ModelInferRequest, client: str) -> pb.ModelInferResponse:
        target = InferenceTarget(
            model=request.model_name, version=request.model_version, client=client, protocol=Interface.GRPC,
            size_bytes=request.ByteSize(),
        )  # fmt: skip
        return await infer(
            self._service, target, lambda: grpc_messages.read_request(request), grpc_messages.write_response
        )

    async def _infer_in_stream(
        self, request: pb.ModelInferRequest | RequestError, client: str
    ) -> pb.ModelStreamInferResponse:
        if isinstance(request, RequestError):
            return pb.ModelStreamInferResponse(error_message=translate_error(request)[1])
        try:
            return pb.ModelStreamInferResponse(infer_response=await self._infer(request, client))
        except Exception as error:  # noqa: BLE001  reported to the client, and the stream goes on
            # model and id are sent too: a client matches the error to its request by them
            empty = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
            return pb.ModelStreamInferResponse(error_message=translate_error(error)[1], infer_response=empty)


def build_handler(methods: InferenceService) -> "grpc.GenericRpcHandler[Any, Any]":
    """Build the handler through which a server calls the methods."""
    # not the generated add_..._to_server: its deserializers raise on malformed messages
    handlers = {}
    for method in pb.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods:
        # a method without a declaration stops the start of the server
        get_access(getattr(methods, method.name))
        streaming = method.client_streaming
        make = grpc.stream_stream_rpc_method_handler if streaming else grpc.unary_unary_rpc_method_handler
        handlers[method.name] = make(
            getattr(methods, method.name),
            request_deserializer=build_tolerant_deserializer(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
    return grpc.method_handlers_generic_handler(SERVICE_NAME, handlers)
