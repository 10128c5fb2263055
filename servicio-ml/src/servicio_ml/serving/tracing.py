"""Tracing: a span for each HTTP call, in the trace that its `traceparent` header names."""

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, format_trace_id

from servicio_ml.serving.http.asgi import AsgiApp, Message, Receive, Send
from servicio_ml.serving.http.call import CALL_KEY, TRACE_KEY

MIN_SERVER_ERROR = 500


def add_tracing(app: AsgiApp, tracer: Tracer) -> AsgiApp:
    """Wrap an application with a span around each call.

    Attributes are those of OpenTelemetry's semantic conventions for HTTP servers.
    """

    async def call_traced(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        # latin-1 decodes any byte, and header names and values are bytes in ASGI
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"]
        with tracer.start_as_current_span(method, extract(carrier), SpanKind.SERVER) as span:
            scope[TRACE_KEY] = format_trace_id(span.get_span_context().trace_id)
            await app(scope, receive, send)
            call = scope[CALL_KEY]
            # the route is known only after the call; a path as name would create unlimited names
            span.update_name(f"{method} {call.route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": call.route,
                    "http.response.status_code": call.status,
                    "url.path": call.path,
                    **{f"servicio_ml.{name}": str(value) for name, value in call.details.items()},
                }
            )
            # a refused request is no error of the server, says OpenTelemetry's convention
            if call.status >= MIN_SERVER_ERROR:
                span.set_status(Status(StatusCode.ERROR))

    return call_traced
