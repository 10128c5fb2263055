"""Common handling of all gRPC calls: API keys, status codes of errors, and metrics."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc import StatusCode

from servicio_ml.errors import (
    BrokerError,
    BusyError,
    EncodingError,
    ForbiddenError,
    InvalidError,
    JournalError,
    LogError,
    ModelFailureError,
    ModelWorkerError,
    NoSuchModelError,
    NotReadyError,
    RegistryError,
    RequestError,
    ServicioError,
    TooLargeError,
    TrainingError,
    UnauthorizedError,
    UnknownPredictionError,
)
from servicio_ml.serving.http.api_keys import read_presented_key
from servicio_ml.serving.http.route_access import SCOPES, Access, get_access
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.prediction.service import Service

logger = logging.getLogger(__name__)
METHOD_LABEL = "grpc"
"""Label `method` of the request metrics."""
SERVICE_NAME = "inference.GRPCInferenceService"
CLIENT_KEY_HEADER = b"x-client-key"
INTERNAL_ERROR_MESSAGE = "internal error; the server's log has its traceback"
MAX_DETAIL_BYTES = 2048
"""Maximum size of a status message: percent-encoded, it must fit the 8 KiB of metadata of gRPC clients."""
CODE_BY_ERROR: dict[type[ServicioError], StatusCode] = {
    InvalidError: StatusCode.INVALID_ARGUMENT,
    EncodingError: StatusCode.INVALID_ARGUMENT,
    RequestError: StatusCode.INVALID_ARGUMENT,
    TooLargeError: StatusCode.RESOURCE_EXHAUSTED,
    NoSuchModelError: StatusCode.NOT_FOUND,
    UnknownPredictionError: StatusCode.NOT_FOUND,
    UnauthorizedError: StatusCode.UNAUTHENTICATED,
    ForbiddenError: StatusCode.PERMISSION_DENIED,
    # not INTERNAL, whose message is hidden: the client should see what the model has raised
    ModelFailureError: StatusCode.UNKNOWN,
    **dict.fromkeys(
        (
            NotReadyError,
            BusyError,
            JournalError,
            LogError,
            BrokerError,
            RegistryError,
            TrainingError,
            ModelWorkerError,
        ),
        StatusCode.UNAVAILABLE,
    ),
}


def get_status_code(error: ServicioError) -> StatusCode:
    """Return the status code of an error, by the closest class that has one."""
    # an error class without a code of its own has that of its closest base
    return next(
        (CODE_BY_ERROR[kind] for kind in type(error).__mro__ if kind in CODE_BY_ERROR), StatusCode.INTERNAL
    )


def translate_error(error: Exception) -> tuple[StatusCode, str]:
    """Return status code and message of an error; an unexpected error is logged and its message hidden."""
    if isinstance(error, ServicioError) and get_status_code(error) is not StatusCode.INTERNAL:
        # surrogates come from JSON and from metadata; the cut may split a character
        detail = str(error).encode(errors="replace")[:MAX_DETAIL_BYTES].decode(errors="ignore")
        return get_status_code(error), detail
    logger.error("a gRPC call failed", exc_info=error)
    return StatusCode.INTERNAL, INTERNAL_ERROR_MESSAGE


def build_tolerant_deserializer(message: type[Message]) -> Callable[[bytes], Message | RequestError]:
    """Build a deserializer that returns an error in place of a message that cannot be parsed.

    An exception of a deserializer would reach the client as an unknown error, and the log as a traceback.
    """

    def read(raw: bytes) -> Message | RequestError:
        try:
            return message.FromString(raw)
        except DecodeError:
            problem = f"{len(raw)} bytes are no {message.DESCRIPTOR.full_name}"
            return RequestError(problem, "send what inference.proto describes")

    return read


class GrpcCalls:
    """Admission, errors and metrics of the calls of one process."""

    def __init__(self, service: Service) -> None:
        self._keys, self._metrics = service.keys, service.metrics

    @asynccontextmanager
    async def open(
        self, request: object, context: grpc.aio.ServicerContext[Any, Any], method: Callable[..., Any]
    ) -> AsyncIterator[str]:
        """Authorize a call, translate its errors and record its metrics; yield its client key.

        Args:
            request: Message, stream of messages, or the error of the tolerant deserializer.
            context: Context of the call.
            method: gRPC method, which declares its access.
        """
        # cancelled, unless the block ends: asyncio raises CancelledError, which is no Exception
        code, started = StatusCode.CANCELLED, time.perf_counter()
        try:
            client = self._authorize(context, get_access(method))
            _raise_if_error(request)
            yield client
            code = StatusCode.OK
        except Exception as error:  # noqa: BLE001  every error is reported to the client
            code, message = translate_error(error)
            await context.abort(code, message)
        finally:
            _record_metrics(
                self._metrics, f"/{SERVICE_NAME}/{method.__name__}", code, time.perf_counter() - started
            )

    def _authorize(self, context: grpc.aio.ServicerContext[Any, Any], access: Access) -> str:
        # gRPC metadata is ASCII text, except for keys with the suffix -bin
        headers = {
            key.encode(): value if isinstance(value, bytes) else value.encode("latin-1")
            for key, value in context.invocation_metadata() or ()
        }
        scope = SCOPES.get(access)
        name = "" if scope is None else self._keys.authorize(read_presented_key(headers), scope)
        client = headers.get(CLIENT_KEY_HEADER)
        return name if client is None else client.decode("latin-1")


def _raise_if_error(request: object) -> None:
    if isinstance(request, RequestError):
        raise request


def _record_metrics(metrics: Metrics, route: str, code: StatusCode, seconds: float) -> None:
    metrics.requests.labels(METHOD_LABEL, route, code.name).inc()
    metrics.request_seconds.labels(METHOD_LABEL, route).observe(seconds)
