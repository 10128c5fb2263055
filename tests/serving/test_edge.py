"""What every call passes: ids, keys, limits, log lines, metrics; and the prediction routes behind it."""

import asyncio
import io
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asgi import Answer, called
from services import Bench, bench
from servicio_ml.errors import JournalError
from servicio_ml.serving import arrow
from servicio_ml.serving.accesslog import AccessLog
from servicio_ml.serving.app import application
from servicio_ml.serving.edge import KEYLESS_BODY_BYTES, Edge
from servicio_ml.serving.keys import Key, Keys, Scope, digested
from servicio_ml.serving.rest import health_routes, model_routes
from servicio_ml.serving.service import Service

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT, BATCH = "/models/small/predict", "/models/small/predict/batch"
KEYS = Keys(
    (
        Key(name="user", scopes=frozenset({Scope.PREDICT}), digest=digested("user-key")),
        Key(name="boss", scopes=frozenset({Scope.ADMIN}), digest=digested("boss-key")),
    )
)


class Door:
    """The whole application of a bench, with what it logs."""

    def __init__(self, made: Bench, service: Service | None = None) -> None:
        self.made, self.lines = made, io.BytesIO()
        service = service or made.service
        routers = [
            health_routes(service, lambda: b"metrics"),
            model_routes(service, made.registry.note, lambda: None),
        ]
        self.log = AccessLog(self.lines)
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        self.edge = Edge(application(service, routers), service, self.log, bits)

    def __call__(
        self,
        method: str,
        path: str,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> Answer:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return called(self.edge, method, path, query, raw, headers or {})

    @property
    def logged(self) -> list[dict[str, Any]]:
        self.log.flush()
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def door(tmp_path: Path, artifact_folder: Path) -> Door:
    return Door(bench(tmp_path, artifact_folder, max_rows=200))


@pytest.fixture
def locked(tmp_path: Path, artifact_folder: Path) -> Door:
    return Door(bench(tmp_path, artifact_folder, keys=KEYS))


def sample(door: Door, name: str, **labels: str) -> float | None:
    door.edge.requests.flush()
    return door.made.metrics.get_sample_value(name, labels)


class TestPredict:
    @pytest.mark.parametrize("path", [PREDICT, "/predict"])
    def test_one_record(self, door: Door, path: str) -> None:
        answer = door("POST", path, RECORD)
        assert answer.status == 200
        assert answer.document.keys() == {
            "prediction", "label", "probability", "model", "version", "prediction_id"
        }  # fmt: skip
        assert answer.document["label"] == ["no", "yes"][answer.document["prediction"]]
        assert len(door.made.log.find([answer.document["prediction_id"]])) == 1

    def test_many_records(self, door: Door) -> None:
        one = door("POST", PREDICT, RECORD).document
        answer = door("POST", BATCH, {"records": [RECORD, {**RECORD, "weight": -9, "size": -3}]}).document
        first, second = answer["predictions"]
        assert first["probability"] == one["probability"] != second["probability"]
        assert (answer["model"], answer["version"]) == ("small", 1)
        assert len(door.made.log.find([first["prediction_id"], second["prediction_id"]])) == 2

    def test_columns_are_answered_by_columns(self, door: Door) -> None:
        one = door("POST", PREDICT, RECORD).document
        columns = {name: [value] * 3 for name, value in RECORD.items()}
        answer = door("POST", BATCH, {"columns": columns}).document["predictions"]
        assert answer["probability"] == [one["probability"]] * 3
        assert len(set(answer["prediction_id"])) == 3

    @pytest.mark.parametrize("rows", [3, 150], ids=["in the loop", "in a thread"])
    @pytest.mark.parametrize("kind", list(arrow.READERS))
    def test_tables_are_answered_by_tables(self, door: Door, kind: str, rows: int) -> None:
        one = door("POST", PREDICT, RECORD).document
        table = pa.table({name: [value] * rows for name, value in RECORD.items()})
        answer = door("POST", BATCH, _bytes(table, kind), {"Content-Type": kind})
        assert answer.headers["content-type"] == arrow.STREAM
        given = pa.ipc.open_stream(answer.body).read_all()
        assert given.column("probability").to_pylist() == [one["probability"]] * rows
        assert given.column("label").to_pylist() == [one["label"]] * rows
        assert given.schema.metadata[b"version"] == b"1"
        assert len(door.made.log.find(given.column("prediction_id").to_pylist())) == rows

    def test_the_accepted_type_decides(self, door: Door) -> None:
        table = _bytes(pa.table({name: [value] for name, value in RECORD.items()}), arrow.STREAM)
        as_json = door("POST", BATCH, table, {"Content-Type": arrow.STREAM, "Accept": "application/json"})
        assert as_json.document["version"] == 1
        as_arrow = door("POST", BATCH, {"records": [RECORD]}, {"Accept": arrow.STREAM})
        assert pa.ipc.open_stream(as_arrow.body).read_all().num_rows == 1

    @pytest.mark.parametrize("query", ["alias=tree", "version=2"])
    def test_an_alias_or_a_version_answers(self, door: Door, artifact_folder: Path, query: str) -> None:
        door.made.promote(artifact_folder, "tree")
        assert door("POST", PREDICT, RECORD, query=query).document["version"] == 2
        assert door("POST", PREDICT, RECORD).document["version"] == 1

    @pytest.mark.parametrize(
        ("query", "status", "detail"),
        [
            ("alias=nobody", 404, "version or alias 'nobody'"),
            ("version=9", 404, "version or alias '9'"),
            ("version=one", 400, "whole number"),
            ("alias=", 400, "alias is empty"),
            ("alias=tree&version=2", 400, "either alias or version"),
            ("colour=red", 400, "either alias or version"),
        ],
    )
    def test_wrong_queries(self, door: Door, query: str, status: int, detail: str) -> None:
        answer = door("POST", PREDICT, RECORD, query=query)
        assert answer.status == status
        assert detail in answer.document["detail"]

    def test_a_fault_is_a_problem_document(self, door: Door) -> None:
        answer = door("POST", PREDICT, {**RECORD, "weight": 99})
        assert answer.status == 422
        assert answer.headers["content-type"] == "application/problem+json"
        (error,) = answer.document["errors"]
        assert error == {
            "row": 0, "field": "weight", "value": 99.0, "reason": "range",
            "allowed": "a number from -10 to 10 kg",
        }  # fmt: skip
        labels = {"model": "small", "feature": "weight", "reason": "range"}
        assert sample(door, "servicio_ml_rejected_values_total", **labels) == 1
        assert answer.document["request_id"] == answer.headers["x-request-id"]

    @pytest.mark.parametrize("kind", ["text/csv", "image/png", ""])
    def test_other_types_are_refused(self, door: Door, kind: str) -> None:
        answer = door("POST", BATCH, b"a,b", {"Content-Type": kind})
        assert answer.status == 415
        assert "application/json" in answer.document["detail"]

    @pytest.mark.parametrize("kind", list(arrow.READERS))
    @pytest.mark.parametrize("body", [b"", b"nonsense" * 30])
    def test_a_broken_table_is_refused(self, door: Door, kind: str, body: bytes) -> None:
        answer = door("POST", BATCH, body, {"Content-Type": kind})
        assert answer.status == 400
        assert kind in answer.document["detail"]

    def test_other_methods_are_refused(self, door: Door) -> None:
        answer = door("GET", PREDICT)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")

    def test_an_unknown_model_is_refused(self, door: Door) -> None:
        answer = door("POST", "/models/large/predict", RECORD)
        assert answer.status == 404
        assert "served are small" in answer.document["detail"]

    def test_a_model_that_is_not_ready(self, tmp_path: Path) -> None:
        answer = Door(bench(tmp_path, None, names=("small",)))("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")

    def test_a_full_journal_refuses(self, door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: object) -> None:
            raise JournalError("journal", "the disk is full")

        monkeypatch.setattr(door.made.log, "write", refuse)
        answer = door("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "disk is full" in answer.document["detail"]

    def test_our_own_fault_shows_no_inside(
        self, door: Door, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: object) -> None:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(door.made.log, "write", fail)
        answer = door("POST", PREDICT, RECORD)
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.document["request_id"] in caplog.text


def _bytes(table: pa.Table, kind: str) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == arrow.PARQUET:
        pq.write_table(table, sink)
    else:
        new = pa.ipc.new_stream if kind == arrow.STREAM else pa.ipc.new_file
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


class TestLimits:
    @pytest.mark.parametrize("path", [PREDICT, BATCH, "/models/small/traffic"])
    @pytest.mark.parametrize("declared", [True, False])
    def test_a_large_body_is_refused(self, door: Door, path: str, declared: bool) -> None:  # noqa: FBT001
        limit = door.made.service.limits.body_bytes
        body = b" " * (limit + 1)
        method = "PUT" if path.endswith("traffic") else "POST"
        headers = {"Content-Type": "application/json"} | (
            {"Content-Length": str(len(body))} if declared else {}
        )
        answer = door(method, path, body, headers)
        assert answer.status == 413
        assert f"{limit} bytes" in answer.document["detail"]

    def test_too_many_rows_are_refused(self, door: Door) -> None:
        answer = door("POST", BATCH, {"records": [RECORD] * 201})
        assert answer.status == 422
        assert answer.document["errors"][0]["field"] == "records"

    def test_too_many_calls_in_hand_are_refused(self, door: Door) -> None:
        door.edge.in_hand = door.made.service.limits.concurrency
        answer = door("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert door("GET", "/health/live").status == 200

    def test_a_body_may_come_in_parts(self, door: Door) -> None:
        raw = json.dumps(RECORD).encode()
        parts = [raw[:7], raw[7:20], raw[20:]]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": PREDICT, "query_string": b"", "headers": []}
        asyncio.run(door.edge(scope, receive, send))
        assert sent[0]["status"] == 200


class TestKeys:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 401),
            ({"X-API-Key": "guess"}, 401),
            ({"X-API-Key": ""}, 401),
            ({"Authorization": "Basic user-key"}, 401),
            ({"X-API-Key": "user-key"}, 200),
            ({"Authorization": "Bearer user-key"}, 200),
            ({"X-API-Key": "boss-key"}, 200),
        ],
    )
    def test_predictions(self, locked: Door, headers: dict[str, str], status: int) -> None:
        answer = locked("POST", PREDICT, RECORD, headers)
        assert answer.status == status
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(("method", "path"), [
        ("POST", "/models/small/reload"), ("POST", "/model/reload"), ("PUT", "/models/small/traffic"),
        ("POST", "/v2/repository/models/small/load"), ("POST", "/v2/repository/models/small/unload"),
    ])  # fmt: skip
    def test_administration(self, locked: Door, method: str, path: str) -> None:
        refused = locked(method, path, {}, {"X-API-Key": "user-key"})
        assert refused.status == 403
        assert b"'admin'" in refused.body
        assert locked(method, path, {}, {"X-API-Key": "boss-key"}).status != 403

    @pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028"])
    @pytest.mark.parametrize(("method", "path"), [
        ("POST", "/models/small/reload"), ("PUT", "/models/small/traffic"),
        ("POST", "/v2/repository/models/small/load"),
    ])  # fmt: skip
    def test_a_line_break_hides_no_administration(
        self, locked: Door, method: str, path: str, end: str
    ) -> None:
        body = {"shadow": 0.5, "canary": 0}
        refused = locked(method, path + end, body, {"X-API-Key": "user-key"})
        assert refused.status == 400
        assert b"control character" in refused.body

    @pytest.mark.parametrize(
        "path", ["/", "/health", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]
    )
    def test_what_needs_no_key(self, locked: Door, path: str) -> None:
        assert locked("GET", path).status == 200

    @pytest.mark.parametrize("path", ["/health/live", "/metrics", "/hooks/alertmanager"])
    def test_what_needs_no_key_takes_little(self, tmp_path: Path, artifact_folder: Path, path: str) -> None:
        made = bench(tmp_path, artifact_folder, keys=KEYS)
        limits = replace(made.service.limits, body_bytes=2 * KEYLESS_BODY_BYTES)
        door = Door(made, replace(made.service, limits=limits))
        large = b" " * (KEYLESS_BODY_BYTES + 1)
        assert door("POST", path, large).status == 413
        assert door("POST", path, large[:-1]).status != 413
        assert door("POST", BATCH, large, {"X-API-Key": "user-key"}).status != 413

    @pytest.mark.parametrize("path", ["/models", "/models/small", "/models/small/card"])
    def test_what_needs_one(self, locked: Door, path: str) -> None:
        assert locked("GET", path).status == 401
        assert locked("GET", path, headers={"X-API-Key": "user-key"}).status == 200

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"Host": "127.0.0.1:8800"}, 200),
            ({"Host": "localhost"}, 200),
            ({"Host": "[::1]:8800"}, 200),
            ({"Host": "127.0.0.1:8800", "Origin": "http://127.0.0.1:8800"}, 200),
            ({"Host": "127.0.0.1:8800", "Origin": "http://evil.example"}, 403),
            ({"Host": "127.0.0.1:8800", "Origin": "http://127.0.0.1:9999"}, 403),
            ({"Host": "127.0.0.1:8800", "Origin": "null"}, 403),
            ({"Host": "rebound.example:8800"}, 403),
            ({"Host": "127.0.0.1.evil.example"}, 403),
            ({"Host": "localhost@evil.example:1x"}, 403),
            ({"Host": "rebound.example", "Origin": "http://rebound.example"}, 403),
        ],
    )
    @pytest.mark.parametrize("path", [PREDICT, "/models/small/reload"])
    def test_without_keys_no_page_from_elsewhere_asks(
        self, door: Door, path: str, headers: dict[str, str], status: int
    ) -> None:
        answer = door("POST", path, RECORD, headers)
        assert answer.status == status
        if status == 403:
            assert b"SERVICIO_ML_KEYS_FILE" in answer.body

    def test_with_keys_the_key_decides(self, locked: Door) -> None:
        headers = {"Host": "api.example", "Origin": "http://pages.example", "X-API-Key": "user-key"}
        assert locked("POST", PREDICT, RECORD, headers).status == 200

    def test_the_log_names_the_key_not_its_text(self, locked: Door) -> None:
        locked("POST", PREDICT, RECORD, {"X-API-Key": "user-key"})
        assert locked.logged[0]["key"] == "user"
        assert b"user-key" not in locked.lines.getvalue()


class TestNotes:
    def test_a_line_a_request(self, door: Door) -> None:
        answer = door("POST", PREDICT, RECORD)
        door("GET", "/models/small")
        first, second = door.logged
        assert first["prediction_id"] == answer.document["prediction_id"]
        assert (first["method"], first["route"], first["status"]) == ("POST", "/models/{model}/predict", 200)
        assert (second["path"], second["route"]) == ("/models/small", "/models/{model}")
        assert first["duration_ms"] > 0

    def test_a_given_request_id_is_kept(self, door: Door) -> None:
        for path, method in ((PREDICT, "POST"), ("/models", "GET")):
            answer = door(method, path, RECORD, {"X-Request-ID": "mine-1"})
            assert answer.headers["x-request-id"] == "mine-1"
        assert {line["request_id"] for line in door.logged} == {"mine-1"}

    @pytest.mark.parametrize("given", ["", "with space", "a" * 200, "line\nbreak"])
    def test_a_wrong_request_id_is_replaced(self, door: Door, given: str) -> None:
        answer = door("POST", PREDICT, RECORD, {"X-Request-ID": given})
        assert answer.headers["x-request-id"] != given
        assert len(answer.headers["x-request-id"]) == 16

    def test_calls_are_counted_by_route(self, door: Door) -> None:
        door("POST", PREDICT, RECORD)
        door("POST", PREDICT, {})
        route = "/models/{model}/predict"
        assert sample(door, "http_requests_total", method="POST", route=route, status="200") == 1
        assert sample(door, "http_requests_total", method="POST", route=route, status="422") == 1
        assert sample(door, "http_request_duration_seconds_count", method="POST", route=route) == 2

    @pytest.mark.parametrize(
        ("method", "path", "label"),
        [("GET", "/nowhere/7", "GET"), ("BREW", "/pot", "OTHER"), ("GET", "/models/x/y/z", "GET")],
    )
    def test_unknown_paths_and_methods_are_no_labels(
        self, door: Door, method: str, path: str, label: str
    ) -> None:
        answer = door(method, path)
        assert answer.status == 404
        assert answer.document["detail"] == f"nothing is served at {path}; see /docs"
        assert sample(door, "http_requests_total", method=label, route="unmatched", status="404") == 1

    def test_unknown_models_are_no_labels(self, door: Door) -> None:
        door("POST", "/models/large/predict", RECORD)
        values = {
            value
            for family in door.made.metrics.collect()
            for each in family.samples
            for value in each.labels.values()
        }
        assert "large" not in values


class TestModels:
    def test_state(self, door: Door) -> None:
        state = door("GET", "/models/small").document
        assert (state["champion"], state["task"], state["problem"]) == (1, "binary", "")
        assert state["versions"][0]["aliases"] == ["champion"]
        assert door("GET", "/models").document == [state]
        assert door("GET", "/model/info").document == state

    def test_schema(self, door: Door) -> None:
        schema = door("GET", "/models/small/schema").document
        fields = {field["name"]: field for field in schema["fields"]}
        assert (fields["weight"]["unit"], fields["weight"]["minimum"]) == ("kg", -10)
        assert fields["colour"]["levels"] == ["red", "green", "blue"]
        assert schema["labels"] == ["no", "yes"]

    def test_card(self, door: Door) -> None:
        answer = door("GET", "/models/small/card")
        assert answer.headers["content-type"].startswith("text/markdown")
        assert answer.body.startswith(b"#")

    def test_reload_takes_a_new_champion(self, door: Door, artifact_folder: Path) -> None:
        version = door.made.registry.register("small", artifact_folder, run_id="run", tags={}).version
        door.made.registry.point("small", "champion", version)
        assert door("GET", "/models/small").document["champion"] == 1
        assert door("POST", "/models/small/reload").document["champion"] == 2
        assert door("POST", "/model/reload").document["champion"] == 2

    def test_traffic_is_set_for_everyone(self, door: Door) -> None:
        answer = door(
            "PUT",
            "/models/small/traffic",
            {"shadow": 0.5, "canary": 0.1},
            {"Content-Type": "application/json"},
        )
        assert answer.document["traffic"] == {"shadow": 0.5, "canary": 0.1}
        assert door.made.registry.notes("small") == {"traffic.shadow": "0.5", "traffic.canary": "0.1"}

    def test_a_wrong_share_is_refused(self, door: Door) -> None:
        answer = door(
            "PUT", "/models/small/traffic", {"shadow": 2, "canary": 0}, {"Content-Type": "application/json"}
        )
        assert answer.status == 422
        assert "shadow" in answer.document["detail"]

    def test_an_unknown_model(self, door: Door) -> None:
        for method, path in (("GET", "/models/x"), ("GET", "/models/x/schema"), ("POST", "/models/x/reload")):
            assert door(method, path).status == 404

    def test_health(self, door: Door) -> None:
        assert door("GET", "/health").document == {"status": "ready", "models": {"small": "ready"}}

    def test_health_before_there_is_a_model(self, tmp_path: Path) -> None:
        empty = Door(bench(tmp_path, None, names=("small",)))
        assert empty("GET", "/health/live").status == 200
        answer = empty("GET", "/health/ready")
        assert answer.status == 503
        assert answer.document["models"]["small"] != "ready"


class TestDocument:
    def test_every_model_is_described_with_its_fields(self, door: Door) -> None:
        document = door("GET", "/openapi.json").document
        weight = document["components"]["schemas"]["Small"]["properties"]["weight"]
        assert (weight["minimum"], weight["maximum"], weight["description"]) == (-10, 10, "Weight [kg]")
        assert {PREDICT, BATCH, "/predict", "/predict/batch", "/models/{model}/reload"} <= document[
            "paths"
        ].keys()

    def test_it_follows_the_models(self, tmp_path: Path, artifact_folder: Path) -> None:
        made = bench(tmp_path, None)
        door = Door(made)
        assert PREDICT not in door("GET", "/openapi.json").document["paths"]
        made.promote(artifact_folder)
        assert PREDICT in door("GET", "/openapi.json").document["paths"]

    def test_the_page_needs_nothing_from_elsewhere(self, door: Door) -> None:
        page = door("GET", "/docs").body.decode()
        assert "https://" not in page
        assert door("GET", "/docs/static/swagger-ui-bundle.js").status == 200
