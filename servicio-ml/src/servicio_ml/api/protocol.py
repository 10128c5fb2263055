"""HTTP/1.1 with a short road for single predictions: no task, no coroutine, one write an answer.

uvicorn's protocol does everything else. Measured, a task and the messages of ASGI cost a single prediction as
much as its model does.
"""

from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from servicio_ml.serving.call import Call, Response
from servicio_ml.serving.edge import Edge, Message, headers_of


class ShortRoad(HttpToolsProtocol):
    """Hands a request to `Edge.begin` when it is whole; what that does not take goes the way of ASGI."""

    _short: RequestResponseCycle | None = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not self._takes(cycle, app):
            super()._start_asgi_task(cycle, app)
            return
        if cycle.more_body:
            self._short = cycle
            return
        # sent before its turn came, it is whole already; begun here, a queue of them would go ever deeper
        self.loop.call_soon(self._begin, cycle, app)

    def _takes(self, cycle: RequestResponseCycle, app: Any) -> bool:
        if not isinstance(app, Edge) or cycle.waiting_for_100_continue or self.flow.write_paused:
            return False
        return app.takes(cast(Message, cycle.scope))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if self._short is self.cycle and self.flow.read_paused:
            # too long to be one record: received in parts, and refused by the limit if need be
            self._short = None
            super()._start_asgi_task(self.cycle, self.app)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._short is not None and self._short is self.cycle:
            self._begin(self.cycle, self.app)

    def _begin(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._short = None

        def respond(call: Call, response: Response) -> None:
            self._respond(cycle, call, response)

        app.begin(cast(Message, cycle.scope), bytes(cycle.body), respond)

    def _respond(self, cycle: RequestResponseCycle, call: Call, response: Response) -> None:
        if cycle.disconnected:
            return
        parts = [STATUS_LINE[response.status]]
        for name, value in (*cycle.default_headers, *headers_of(call, response)):
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n")
        parts.append(response.body)
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"".join(parts))
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()
