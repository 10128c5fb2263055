"""The gateway that every HTTP call passes: request id, authorization, limits, log line and metrics."""

import logging
import re
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from servicio_ml.errors import BusyError, RequestError, ServicioError
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.api_keys import read_presented_key
from servicio_ml.serving.http.asgi import Message, Receive, Send, check_size, read_body, replay_body
from servicio_ml.serving.http.call import CALL_KEY, TRACE_KEY, HttpCall, HttpResponse
from servicio_ml.serving.http.error_responses import build_error_response
from servicio_ml.serving.http.request_head import check_request_head
from servicio_ml.serving.http.route_access import SCOPES, Access, RouteAccess, get_access
from servicio_ml.serving.http.same_origin import check_same_origin
from servicio_ml.serving.prediction.request_counts import RequestCounts
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest.predict import PredictRoutes, PredictTarget

logger = logging.getLogger(__name__)
Respond = Callable[[HttpCall, HttpResponse], None]
REQUEST_ID_PATTERN = re.compile(r"[\x21-\x7e]{1,128}")
REQUEST_ID_BITS = 64
METHOD_NOT_ALLOWED = HTTPStatus.METHOD_NOT_ALLOWED.value
MAX_PUBLIC_BODY_BYTES = 1 << 20
"""Maximum body of a request that needs no key, so that strangers take little memory."""


class Gateway:
    """The outermost ASGI application.

    Args:
        app: Application that answers every request but predictions; `build_app` has made it.
        service: Predictor, keys and limits of this process.
        log: Access log, one line a call.
        random: Returns the given number of random bits: `random.getrandbits`.
    """

    def __init__(
        self, app: Starlette, service: Service, log: AccessLog, random: Callable[[int], int]
    ) -> None:
        self._app, self._service, self._log, self._random = app, service, log, random
        self._access: RouteAccess = app.state.access
        self._predict_routes = PredictRoutes(service)
        # looked up once: the fast path must not search for it
        self._predict_access = get_access(self._predict_routes)
        self.request_counts = RequestCounts(service.metrics)
        self.in_flight = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = self._create_call(scope)
        self.in_flight += 1
        try:
            response = await self._answer(call, scope, receive, send)
            if response is not None:
                await _send_response(call, response, send)
        finally:
            self.in_flight -= 1
            self.record_call(call)

    def resolve_fast(self, scope: Message) -> PredictTarget | None:
        """Return the target of a request that `handle_fast` may answer: one record, by the champion."""
        if scope["method"] != "POST" or scope["query_string"]:
            return None
        target = self._predict_routes.resolve_path(scope["path"])
        return None if target is None or target.batch else target

    def handle_fast(self, scope: Message, target: PredictTarget, body: bytes, respond: Respond) -> None:
        """Answer a prediction of one record without a task.

        Args:
            scope: ASGI scope.
            target: Result of `resolve_fast`.
            body: Complete body.
            respond: Called with the call and its response, now or in the next turn of the event loop.
        """
        call = self._create_call(scope)
        self.in_flight += 1
        complete = partial(self._complete, call, respond)
        try:
            call.route = target.route
            self._authorize(call, scope, self._predict_access)
            check_size(len(body), self._service.limits.body_bytes)
            self._predict_routes.submit(call, target.model, body, complete)
        except Exception as error:  # noqa: BLE001  every error becomes a response
            complete(error)

    def _complete(self, call: HttpCall, respond: Respond, outcome: HttpResponse | Exception) -> None:
        response = outcome if isinstance(outcome, HttpResponse) else self._translate_error(call, outcome)
        call.status = response.status
        self.in_flight -= 1
        try:
            respond(call, response)
        finally:
            self.record_call(call)

    def _translate_error(self, call: HttpCall, error: Exception) -> HttpResponse:
        if not isinstance(error, (ServicioError, HTTPException)):
            logger.error("call %s failed", call.request_id, exc_info=error)
        return build_error_response(error, call.path, call.request_id)

    def _create_call(self, scope: Message) -> HttpCall:
        headers = dict(scope["headers"])
        presented_id = headers.get(b"x-request-id", b"").decode("latin-1")
        # a foreign id goes into logs and headers, so its characters and length are limited
        is_valid = bool(presented_id) and REQUEST_ID_PATTERN.fullmatch(presented_id)
        request_id = presented_id if is_valid else f"{self._random(REQUEST_ID_BITS):016x}"
        call = HttpCall(
            method=scope["method"], path=scope["path"], query=scope["query_string"], headers=headers,
            request_id=request_id, started=time.perf_counter(),
        )  # fmt: skip
        # routes read the call from the scope, for the key's name and the details of the log line
        scope[CALL_KEY] = call
        if TRACE_KEY in scope:
            call.details["trace_id"] = scope[TRACE_KEY]
        return call

    def _authorize(self, call: HttpCall, scope: Message, access: Access) -> None:
        """Refuse a call before its body is read.

        Raises:
            ServicioError: The caller may not use the route, the server is busy, or the body is too large.
        """
        if not call.path.isprintable():
            # `$` in a route's pattern matches before a line feed: two readers could take the path differently
            raise RequestError("the path holds a control character", "use printable characters only")
        check_request_head(scope, call.headers)
        if access is Access.PUBLIC:
            # health and metrics answer however many requests are in flight
            return
        self._check_concurrency()
        if self._service.keys.is_open:
            check_same_origin(call.headers)
        elif access in SCOPES:
            call.key = self._service.keys.authorize(read_presented_key(call.headers), SCOPES[access])
        # refused by its declared length before a byte is read; `read_body` limits what is not declared
        length = call.headers.get(b"content-length", b"0")
        if length.isdigit():
            check_size(int(length), self._get_body_limit(access))

    def _check_concurrency(self) -> None:
        limit = self._service.limits.concurrency
        if self.in_flight > limit:
            raise BusyError(limit)

    async def _read_body(self, receive: Receive, limit: int) -> bytes:
        """Read a body; a client that sends slowly takes no place of those who wait for an answer.

        Raises:
            ServicioError: The body is too large, or the server has become busy meanwhile.
        """
        self.in_flight -= 1
        try:
            body = await read_body(receive, limit)
        finally:
            self.in_flight += 1
        return body

    def _get_body_limit(self, access: Access) -> int:
        """Return the maximum number of bytes of a body."""
        limit = self._service.limits.body_bytes
        return limit if access in SCOPES else min(limit, MAX_PUBLIC_BODY_BYTES)

    async def _answer(
        self, call: HttpCall, scope: Message, receive: Receive, send: Send
    ) -> HttpResponse | None:
        """Answer a call; None where the application has sent the response already."""
        try:
            target = self._predict_routes.resolve_path(call.path)
            if target is not None:
                return await self._predict(call, scope, target, receive)
            await self._forward(call, scope, receive, send)
        except Exception as error:  # noqa: BLE001  every error becomes a response
            return self._translate_error(call, error)
        return None

    async def _predict(
        self, call: HttpCall, scope: Message, target: PredictTarget, receive: Receive
    ) -> HttpResponse:
        call.route = target.route
        # the framework would answer this, but never sees these paths
        if call.method != "POST":
            detail = f"{call.method} is not allowed; POST is"
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "POST"})
        self._authorize(call, scope, self._predict_access)
        body = await self._read_body(receive, self._service.limits.body_bytes)
        self._check_concurrency()
        return await self._predict_routes(call, target, body)

    async def _forward(self, call: HttpCall, scope: Message, receive: Receive, send: Send) -> None:
        """Have the application answer.

        Raises:
            ServicioError: The call is refused before it reaches the application.
        """

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                call.status = message["status"]
                added = [(b"x-request-id", call.request_id.encode())]
                message["headers"] = self._complete_allow(call, message["headers"]) + added
            await send(message)

        access = self._access.find(call.method, call.path)
        self._authorize(call, scope, access)
        body = await self._read_body(receive, self._get_body_limit(access))
        if access is not Access.PUBLIC:
            self._check_concurrency()
        try:
            await self._app(scope, replay_body(body, receive), send_with_id)
        except Exception:
            # the application raises an internal error again after it has sent the response
            logger.exception("call %s failed", call.request_id)
        call.route = getattr(scope.get("route"), "path", call.route)

    def _complete_allow(
        self, call: HttpCall, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        """Complete the methods of a 405: the framework names those of the path's first route only."""
        methods = self._access.list_methods(call.path) if call.status == METHOD_NOT_ALLOWED else []
        if not methods:
            return headers
        others = [(name, value) for name, value in headers if name != b"allow"]
        return [*others, (b"allow", ", ".join(methods).encode())]

    def record_call(self, call: HttpCall) -> None:
        """Count and log a call after its response."""
        seconds = time.perf_counter() - call.started
        self.request_counts.add(call.method, call.route, call.status, seconds)
        self._log.log_call(call, seconds)


def build_headers(call: HttpCall, response: HttpResponse) -> list[tuple[bytes, bytes]]:
    """Build the headers of a response."""
    return [
        (b"content-type", response.media_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        (b"x-request-id", call.request_id.encode()),
        *((name.lower().encode(), value.encode()) for name, value in response.headers.items()),
    ]


async def _send_response(call: HttpCall, response: HttpResponse, send: Send) -> None:
    call.status, headers = response.status, build_headers(call, response)
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
