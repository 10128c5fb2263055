"""A span for each call, in the caller's trace; and its way to a collector."""

import io
import json
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from asgi import get, post
from services import create_service
from servicio_ml.adapters import otel
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.health import build_health_routes
from servicio_ml.serving.tracing import add_tracing

RECORD = json.dumps({"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}).encode()
PREDICT = "/models/small/predict"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CLIENT_TIMEOUT_SECONDS = 10


class TracedService:
    """A traced service, its spans and its lines."""

    def __init__(self, folder: Path, artifact: Path, provider: TracerProvider) -> None:
        self.made, self._lines = create_service(folder, artifact), io.BytesIO()
        self._log = AccessLog(self._lines)
        app = build_app(self.made.service, [build_health_routes(self.made.service, lambda: b"metrics")])
        gateway = Gateway(app, self.made.service, self._log, random.Random(3).getrandbits)  # noqa: S311  ids, no secrets
        self.app = add_tracing(gateway, provider.get_tracer("test"))

    @property
    def log_documents(self) -> list[dict[str, Any]]:
        self._log.flush()
        return [json.loads(line) for line in self._lines.getvalue().splitlines()]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def door(tmp_path: Path, artifact_folder: Path, exporter: InMemorySpanExporter) -> TracedService:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return TracedService(tmp_path, artifact_folder, provider)


def read_attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def read_trace_id(span: ReadableSpan) -> str:
    return format_trace_id(span.get_span_context().trace_id)  # type: ignore[union-attr]  # a span that ended has one


def test_a_call_is_a_span(door: TracedService, exporter: InMemorySpanExporter) -> None:
    answer = post(door.app, PREDICT, RECORD)
    [span] = exporter.get_finished_spans()
    assert (span.name, span.kind) == ("POST /models/{model}/predict", SpanKind.SERVER)
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    known = read_attributes(span)
    assert known["http.request.method"] == "POST"
    assert known["http.route"] == "/models/{model}/predict"
    assert known["http.response.status_code"] == 200
    assert known["url.path"] == PREDICT
    assert known["servicio_ml.model"] == "small"
    assert known["servicio_ml.prediction_id"] == answer.document["prediction_id"]


@pytest.mark.parametrize(
    ("path", "body", "route", "status"),
    [
        (PREDICT, b"{}", "/models/{model}/predict", 422),
        ("/models/other/predict", RECORD, "/models/{model}/predict", 404),
        ("/nowhere/at/all", b"", "unmatched", 404),
    ],
)
def test_a_refusal_is_no_error_of_ours(
    door: TracedService, exporter: InMemorySpanExporter, path: str, body: bytes, route: str, status: int
) -> None:
    assert post(door.app, path, body).status == status
    [span] = exporter.get_finished_spans()
    assert span.name == f"POST {route}"
    assert read_attributes(span)["http.response.status_code"] == status
    assert span.status.status_code is StatusCode.UNSET


def test_a_fault_of_ours_is_an_error(
    door: TracedService, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(door.made.log, "write", fail)
    assert post(door.app, PREDICT, RECORD).status == 500
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR


def test_routes_of_the_framework_are_named(door: TracedService, exporter: InMemorySpanExporter) -> None:
    assert get(door.app, "/health/ready").status == 200
    [span] = exporter.get_finished_spans()
    assert span.name == "GET /health/ready"


def test_a_trace_is_continued(door: TracedService, exporter: InMemorySpanExporter) -> None:
    post(door.app, PREDICT, RECORD, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    [span] = exporter.get_finished_spans()
    assert read_trace_id(span) == TRACE
    assert span.parent is not None
    assert format_span_id(span.parent.span_id) == PARENT
    [line] = door.log_documents
    assert line["trace_id"] == TRACE


@pytest.mark.parametrize("given", ["nonsense", f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{PARENT}"])
def test_a_broken_traceparent_begins_a_new_trace(
    door: TracedService, exporter: InMemorySpanExporter, given: str
) -> None:
    assert post(door.app, PREDICT, RECORD, {"traceparent": given}).status == 200
    [span] = exporter.get_finished_spans()
    assert span.parent is None
    assert read_trace_id(span) not in {TRACE, "0" * 32}


def test_each_line_names_its_own_trace(door: TracedService, exporter: InMemorySpanExporter) -> None:
    for _ in range(3):
        post(door.app, PREDICT, RECORD)
        get(door.app, "/health")
    traces = [read_trace_id(span) for span in exporter.get_finished_spans()]
    assert [line["trace_id"] for line in door.log_documents] == traces
    assert len(set(traces)) == 6


class OtlpCollector(HTTPServer):
    """Takes what an exporter sends."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes]] = []
        super().__init__(("127.0.0.1", 0), OtlpHandler)


class OtlpHandler(BaseHTTPRequestHandler):
    """Notes a request and says yes."""

    server: OtlpCollector
    timeout = CLIENT_TIMEOUT_SECONDS

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # its own path is tidied already
        self.server.taken.append((self.requestline.split()[1], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[OtlpCollector]:
    with OtlpCollector() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("slash", ["", "/"])
def test_spans_reach_the_collector(
    collector: OtlpCollector,
    tmp_path: Path,
    artifact_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    slash: str,
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    provider = otel.create_tracer_provider(f"http://127.0.0.1:{collector.server_port}{slash}")
    door = TracedService(tmp_path, artifact_folder, provider)
    for _ in range(3):
        post(door.app, PREDICT, RECORD)
    # sends what is left
    provider.shutdown()
    assert {path for path, _ in collector.taken} == {"/v1/traces"}
    resources = [
        resource
        for _, body in collector.taken
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
    ]
    names = [span.name for each in resources for scope in each.scope_spans for span in scope.spans]
    assert names == ["POST /models/{model}/predict"] * 3
    about = {each.key: each.value.string_value for each in resources[0].resource.attributes}
    assert about["service.name"] == "servicio-ml"
