"""HTTP/1.1 with a fast path for single predictions: no task, no coroutine, one write a response.

uvicorn's protocol handles everything else. Measured, a task and the messages of ASGI cost a single prediction
as much as its model does.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from servicio_ml.api.known_head import KnownHead, find_known_head
from servicio_ml.serving.gateway import Gateway, build_headers
from servicio_ml.serving.http.asgi import Message
from servicio_ml.serving.http.call import HttpCall, HttpResponse
from servicio_ml.serving.rest.predict import PredictTarget

MAX_RECEIVE_SECONDS = 120.0
"""Seconds in which a request has to arrive; a slower one is ended within twice this time."""
TOO_SLOW = b"the request did not arrive in time; send it again, a large one in parts"


class FastPathProtocol(HttpToolsProtocol):
    """Passes complete predictions to `Gateway.handle_fast`, and all other requests to ASGI."""

    _fast_cycle: RequestResponseCycle | None = None
    _fast_target: PredictTarget | None = None
    _known_head: KnownHead | None = None
    # received data that begins with a request; empty where it may begin within one
    _received = b""
    # a new connection has to send a request, too
    _is_receiving = True
    _receive_started = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._receive_started = self.loop.time()
        self.loop.call_later(MAX_RECEIVE_SECONDS, self._end_slow_request)

    def _end_slow_request(self) -> None:
        """End a connection whose request arrives too slowly, else check it again later."""
        if self.transport.is_closing():
            return
        waited = self.loop.time() - self._receive_started
        if not self._is_receiving or waited < MAX_RECEIVE_SECONDS:
            self.loop.call_later(MAX_RECEIVE_SECONDS, self._end_slow_request)
            return
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is None or cycle.response_complete or not cycle.response_started:
            head = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(TOO_SLOW)
            self.transport.write(STATUS_LINE[408] + head + b"connection: close\r\n\r\n" + TOO_SLOW)
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        is_between = not self._is_receiving and cycle is not None and cycle.response_complete
        head = self._known_head if is_between and not self.flow.write_paused else None
        length = None if head is None else head.find_length(data)
        if head is None or length is None:
            self._received = data if is_between else b""
            super().data_received(data)
        else:
            self._unset_keepalive_if_required()
            self._handle_known(head, length, data)

    def _handle_known(self, head: KnownHead, length: bytes, data: bytes) -> None:
        """Handle a request whose head has been parsed before."""
        self.cycle = RequestResponseCycle(
            scope=cast(Any, head.build_scope(length)), transport=self.transport, flow=self.flow,
            logger=self.logger, access_logger=self.access_logger, access_log=self.access_log,
            # nobody waits for the body, so that the event of an earlier request will do
            default_headers=self.server_state.default_headers, message_event=self.cycle.message_event,
            expect_100_continue=False, keep_alive=True, on_response=self.on_response_complete,
        )  # fmt: skip
        self.cycle.more_body = False
        self._submit_fast(self.cycle, self.app, head.target, data[len(data) - int(length) :])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_receiving, self._receive_started = True, self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        target = self._resolve_fast(cycle, app)
        if target is None:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._fast_cycle, self._fast_target = cycle, target
        else:
            # a pipelined request is complete already; handled here directly, a queue of them would recurse
            self.loop.call_soon(self._handle_fast, cycle, app, target)

    def _resolve_fast(self, cycle: RequestResponseCycle, app: Any) -> PredictTarget | None:
        if not isinstance(app, Gateway) or cycle.waiting_for_100_continue or self.flow.write_paused:
            return None
        return app.resolve_fast(cast(Message, cycle.scope))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._fast_cycle is self.cycle and self.flow.read_paused:
            # too long for one record: received in parts, and refused if it exceeds the limit
            self._fast_cycle = None
            super()._start_asgi_task(self.cycle, self.app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._is_receiving = False
        if self._fast_target is not None and self._fast_cycle is not None and self._fast_cycle is self.cycle:
            self._handle_fast(self.cycle, self.app, self._fast_target)

    def _handle_fast(self, cycle: RequestResponseCycle, app: Any, target: PredictTarget) -> None:
        self._fast_cycle = None
        body = bytes(cycle.body)
        if cycle.keep_alive:
            scope = cast(Message, cycle.scope)
            self._known_head = find_known_head(self._received, len(body), scope, target)
        self._received = b""
        self._submit_fast(cycle, app, target, body)

    def _submit_fast(self, cycle: RequestResponseCycle, app: Any, target: PredictTarget, body: bytes) -> None:
        def respond(call: HttpCall, response: HttpResponse) -> None:
            self._respond(cycle, call, response)

        app.handle_fast(cast(Message, cycle.scope), target, body, respond)

    def _respond(self, cycle: RequestResponseCycle, call: HttpCall, response: HttpResponse) -> None:
        if cycle.disconnected:
            return
        # joined to one write: a response costs one system call
        chunks = [STATUS_LINE[response.status]]
        for name, value in (*cycle.default_headers, *build_headers(call, response)):
            chunks += (name, b": ", value, b"\r\n")
        chunks.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        chunks.append(response.body)
        # uvicorn reads these flags when it decides about keep-alive and pipelining
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"".join(chunks))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
