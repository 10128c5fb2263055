"""Traces over OTLP."""

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TRACES = "/v1/traces"


def provider(endpoint: str) -> TracerProvider:
    """A provider whose spans go to a collector in the background; `shutdown` sends what is left.

    Args:
        endpoint: `http://` address of the collector.
    """
    made = TracerProvider(resource=Resource.create({"service.name": "servicio-ml"}))
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + TRACES)))
    return made
