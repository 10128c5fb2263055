"""What every gRPC call passes: its API key, its errors as status codes, its metrics."""

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
from servicio_ml.serving.keys import Scope, presented
from servicio_ml.serving.metrics import Metrics
from servicio_ml.serving.service import Service

logger = logging.getLogger(__name__)
METHOD = "grpc"
"""The method label of the request metrics."""
SERVICE = "inference.GRPCInferenceService"
CLIENT_KEY = b"x-client-key"
INTERNAL = "internal error; the server's log has its traceback"
DETAIL_BYTES = 2048
"""Of a status message: percent-encoded it must fit the 8 KiB of metadata that clients take."""
CODES: dict[type[ServicioError], StatusCode] = {
    InvalidError: StatusCode.INVALID_ARGUMENT,
    EncodingError: StatusCode.INVALID_ARGUMENT,
    RequestError: StatusCode.INVALID_ARGUMENT,
    TooLargeError: StatusCode.RESOURCE_EXHAUSTED,
    NoSuchModelError: StatusCode.NOT_FOUND,
    UnknownPredictionError: StatusCode.NOT_FOUND,
    UnauthorizedError: StatusCode.UNAUTHENTICATED,
    ForbiddenError: StatusCode.PERMISSION_DENIED,
    **dict.fromkeys(
        (NotReadyError, BusyError, JournalError, LogError, BrokerError, RegistryError, TrainingError),
        StatusCode.UNAVAILABLE,
    ),
}


def code_of(error: ServicioError) -> StatusCode:
    """The status code that an error is answered with."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), StatusCode.INTERNAL)


def told(error: Exception) -> tuple[StatusCode, str]:
    """The status code and message of an error; one that nobody foresaw is logged and not told."""
    if isinstance(error, ServicioError) and code_of(error) is not StatusCode.INTERNAL:
        # JSON is not the only road by which half a character may come
        return code_of(error), str(error).encode(errors="replace")[:DETAIL_BYTES].decode(errors="ignore")
    logger.error("a gRPC call failed", exc_info=error)
    return StatusCode.INTERNAL, INTERNAL


def tolerant(message: type[Message]) -> Callable[[bytes], Message | RequestError]:
    """Reads messages of a type; of bytes that are none, the error takes the place of the message.

    What a deserializer raises would reach the client as an unknown error, and the log as a traceback.
    """

    def read(raw: bytes) -> Message | RequestError:
        try:
            return message.FromString(raw)
        except DecodeError:
            what = f"{len(raw)} bytes are no {message.DESCRIPTOR.full_name}"
            return RequestError(what, "send what inference.proto describes")

    return read


class Guard:
    """Lets calls in and accounts for them."""

    def __init__(self, service: Service) -> None:
        self._keys, self._metrics = service.keys, service.metrics

    @asynccontextmanager
    async def call(
        self, request: object, context: grpc.aio.ServicerContext[Any, Any], name: str, scope: Scope | None
    ) -> AsyncIterator[str]:
        """A call in hand; gives the key by which the canary's share is chosen.

        Args:
            request: A message, a stream of them, or the error that `tolerant` gives in its place.
            context: Of the call.
            name: Of the method.
            scope: What its API key must be good for; None where it needs none.
        """
        code, started = StatusCode.CANCELLED, time.perf_counter()
        try:
            client = self._admitted(context, scope)
            _check(request)
            yield client
            code = StatusCode.OK
        except Exception as error:  # noqa: BLE001  the client is told, whatever it is
            code, message = told(error)
            await context.abort(code, message)
        finally:
            _account(self._metrics, f"/{SERVICE}/{name}", code, time.perf_counter() - started)

    def _admitted(self, context: grpc.aio.ServicerContext[Any, Any], scope: Scope | None) -> str:
        headers = {
            key.encode(): value if isinstance(value, bytes) else value.encode("latin-1")
            for key, value in context.invocation_metadata() or ()
        }
        name = "" if scope is None else self._keys.admit(presented(headers), scope)
        client = headers.get(CLIENT_KEY)
        return name if client is None else client.decode("latin-1")


def _check(request: object) -> None:
    if isinstance(request, RequestError):
        raise request


def _account(metrics: Metrics, route: str, code: StatusCode, seconds: float) -> None:
    metrics.requests.labels(METHOD, route, code.name).inc()
    metrics.request_seconds.labels(METHOD, route).observe(seconds)
