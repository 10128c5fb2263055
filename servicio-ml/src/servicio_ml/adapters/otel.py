"""Traces over OTLP."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TRACES_PATH = "/v1/traces"


def create_tracer_provider(endpoint: str) -> TracerProvider:
    """Create a provider that sends spans to a collector in the background; `shutdown` sends the rest.

    Args:
        endpoint: Address of the collector, `http://host:port`.
    """
    made = TracerProvider(resource=Resource.create({"service.name": "servicio-ml"}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES_PATH)))
    return made
