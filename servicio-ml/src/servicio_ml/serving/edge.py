"""The edge: what every HTTP call passes: its id, key, limits, log line and metrics."""

import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from servicio_ml.errors import BusyError, RequestError, ServicioError, TooLargeError
from servicio_ml.serving.accesslog import AccessLog
from servicio_ml.serving.call import CALL, TRACE, UNMATCHED, Call, Response, failure, plain_refusal, refusal
from servicio_ml.serving.keys import Scope, presented
from servicio_ml.serving.origin import check_local
from servicio_ml.serving.predict import Predict
from servicio_ml.serving.service import Service
from servicio_ml.serving.traffic import Requests

logger = logging.getLogger(__name__)
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Respond = Callable[[Call, Response], None]
REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")
REQUEST_ID_BITS = 64
OPEN = re.compile(r"/|/health(/live|/ready)?|/metrics|/docs(/.*)?|/openapi\.json|/v2/health/(live|ready)")
"""What is answered without a key, however much else is in hand."""
ADMIN = re.compile(r".*/(reload|traffic|champion|load|unload|quarantine)")
HOOKS = re.compile(r"/hooks/.*")
"""What has a token of its own."""
KEYLESS_BODY_BYTES = 1 << 20
"""Greatest body of what needs no key: whoever it is, he takes little memory."""


class Edge:
    """The outermost ASGI application of ours.

    Args:
        app: Answers what is no prediction.
        service: What it is given.
        log: Takes a line a call.
        random: Gives so many random bits.
    """

    def __init__(self, app: App, service: Service, log: AccessLog, random: Callable[[int], int]) -> None:
        self._app, self._service, self._log, self._random = app, service, log, random
        self._predict = Predict(service)
        self.requests = Requests(service.metrics)
        self.in_hand = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = self._call(scope)
        self.in_hand += 1
        try:
            found = self._predict.route(call.path)
            if found is None:
                await self._others(call, scope, receive, send)
            else:
                call.route, model, batch = found
                response = await self._prediction(call, model, receive, batch=batch)
                await _sent(call, response, send)
        finally:
            self.in_hand -= 1
            self.finished(call)

    def takes(self, scope: Message) -> bool:
        """Whether `begin` may answer a request: one record for the champion."""
        if scope["method"] != "POST" or scope["query_string"]:
            return False
        found = self._predict.route(scope["path"])
        return found is not None and not found[2]

    def begin(self, scope: Message, body: bytes, respond: Respond) -> None:
        """Answer a request that it takes without a task of its own.

        Args:
            scope: Of ASGI.
            body: The whole of it.
            respond: Called with the call and its answer, now or in the next turn of the loop.
        """
        call = self._call(scope)
        self.in_hand += 1
        end = partial(self._end, call, respond)
        try:
            found = self._predict.route(call.path)
            call.route, model, _ = found or (call.route, "", False)
            self._admit(call)
            _check_size(len(body), self._service.limits.body_bytes)
            self._predict.submit(call, model, body, end)
        except Exception as error:  # noqa: BLE001  whatever it is, it is answered
            end(error)

    def _end(self, call: Call, respond: Respond, outcome: Response | Exception) -> None:
        response = outcome if isinstance(outcome, Response) else self._refused(call, outcome)
        call.status = response.status
        self.in_hand -= 1
        try:
            respond(call, response)
        finally:
            self.finished(call)

    def _refused(self, call: Call, error: Exception) -> Response:
        if isinstance(error, ServicioError):
            return refusal(error, call.path, call.request_id)
        logger.error("call %s failed", call.request_id, exc_info=error)
        return failure(call.path, call.request_id)

    def _call(self, scope: Message) -> Call:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        known = bool(given) and REQUEST_ID.fullmatch(given)
        request_id = given if known else f"{self._random(REQUEST_ID_BITS):016x}"
        call = Call(
            method=scope["method"], path=scope["path"], query=scope["query_string"], headers=headers,
            request_id=request_id, started=time.perf_counter(),
        )  # fmt: skip
        scope[CALL] = call
        if TRACE in scope:
            call.details["trace_id"] = scope[TRACE]
        return call

    def _admit(self, call: Call) -> None:
        if not call.path.isprintable():
            # a route's pattern would take «…/reload» with a line feed behind it, where the scope's does not
            raise RequestError("the path holds a control character", "it takes printable ones")
        if call.route is UNMATCHED and OPEN.fullmatch(call.path):
            return
        limits = self._service.limits
        if self.in_hand > limits.concurrency:
            raise BusyError(limits.concurrency)
        if self._service.keys.open:
            check_local(call.headers)
        elif not HOOKS.fullmatch(call.path):
            scope = Scope.ADMIN if ADMIN.fullmatch(call.path) else Scope.PREDICT
            call.key = self._service.keys.admit(presented(call.headers), scope)
        length = call.headers.get(b"content-length", b"0")
        if length.isdigit():
            _check_size(int(length), self._most(call))

    def _most(self, call: Call) -> int:
        """The greatest body of a call."""
        most = self._service.limits.body_bytes
        keyless = OPEN.fullmatch(call.path) or HOOKS.fullmatch(call.path)
        return min(most, KEYLESS_BODY_BYTES) if keyless else most

    async def _prediction(self, call: Call, model: str, receive: Receive, *, batch: bool) -> Response:
        try:
            if call.method != "POST":
                detail = f"{call.method} is not allowed; POST is"
                refused = plain_refusal(405, detail, call.path, call.request_id)
                return refused._replace(headers={"Allow": "POST"})
            self._admit(call)
            body = await _read(receive, self._service.limits.body_bytes)
            return await self._predict(call, model, body, batch=batch)
        except Exception as error:  # noqa: BLE001  whatever it is, it is answered
            return self._refused(call, error)

    async def _others(self, call: Call, scope: Message, receive: Receive, send: Send) -> None:
        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", call.request_id.encode())]
            await send(message)

        try:
            self._admit(call)
            body = await _read(receive, self._most(call))
        except ServicioError as error:
            await _sent(call, refusal(error, call.path, call.request_id), send)
            return
        try:
            await self._app(scope, _again(body, receive), noted)
        except Exception:
            # the application has answered with 500 before it raises
            logger.exception("call %s failed", call.request_id)
        call.route = getattr(scope.get("route"), "path", call.route)

    def finished(self, call: Call) -> None:
        """Count and log a call that was answered."""
        seconds = time.perf_counter() - call.started
        self.requests.add(call.method, call.route, call.status, seconds)
        self._log.line(call, seconds)


def _check_size(size: int, limit: int) -> None:
    if size > limit:
        raise TooLargeError("the body", f"{limit} bytes")


async def _read(receive: Receive, limit: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    parts, size = [body], len(body)
    while message.get("more_body", False) and size <= limit:
        message = await receive()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
    _check_size(size, limit)
    return body if len(parts) == 1 else b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """Receives a body that was read already, then whatever comes after it."""
    waiting = [body]

    async def again() -> Message:
        return {"type": "http.request", "body": waiting.pop()} if waiting else await receive()

    return again


def headers_of(call: Call, response: Response) -> list[tuple[bytes, bytes]]:
    """The headers of an answer."""
    return [
        (b"content-type", response.media_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        (b"x-request-id", call.request_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in response.headers.items()),
    ]


async def _sent(call: Call, response: Response, send: Send) -> None:
    call.status, headers = response.status, headers_of(call, response)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
