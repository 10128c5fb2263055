"""A span for each HTTP call, in the trace that its `traceparent` header names."""

from opentelemetry.propagate import extract
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer, format_trace_id

from servicio_ml.serving.call import CALL, TRACE
from servicio_ml.serving.edge import App, Message, Receive, Send

SERVER_ERRORS = 500


def traced(app: App, tracer: Tracer) -> App:
    """The application with a span around each call.

    Attributes are those of OpenTelemetry's semantic conventions for HTTP servers.
    """

    async def call(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        method = scope["method"]
        with tracer.start_as_current_span(method, extract(carrier), SpanKind.SERVER) as span:
            scope[TRACE] = format_trace_id(span.get_span_context().trace_id)
            await app(scope, receive, send)
            done = scope[CALL]
            span.update_name(f"{method} {done.route}")
            span.set_attributes(
                {
                    "http.request.method": method,
                    "http.route": done.route,
                    "http.response.status_code": done.status,
                    "url.path": done.path,
                    **{f"servicio_ml.{name}": str(value) for name, value in done.details.items()},
                }
            )
            if done.status >= SERVER_ERRORS:
                span.set_status(Status(StatusCode.ERROR))

    return call
