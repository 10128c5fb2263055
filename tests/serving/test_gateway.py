"""The gateway: ids, keys, limits, log lines and metrics of every call, and the prediction routes."""

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

from asgi import AsgiResponse, call
from fakes.traffic_plans import MemoryTrafficPlans
from services import ServiceFixture, create_service
from servicio_ml.errors import JournalError
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import MAX_PUBLIC_BODY_BYTES, Gateway
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.http.health import build_health_routes
from servicio_ml.serving.models import arrow
from servicio_ml.serving.oip import rest as oip
from servicio_ml.serving.prediction.service import Service
from servicio_ml.serving.rest import alertmanager
from servicio_ml.serving.rest.models import build_model_routes

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PREDICT, BATCH = "/models/small/predict", "/models/small/predict/batch"
KEYS = ApiKeys(
    (
        ApiKey(name="user", scopes=frozenset({Scope.PREDICT}), digest=hash_key("user-key")),
        ApiKey(name="boss", scopes=frozenset({Scope.ADMIN}), digest=hash_key("boss-key")),
    )
)


class GatewayClient:
    """Client of the complete application, with its log lines."""

    def __init__(self, made: ServiceFixture, service: Service | None = None) -> None:
        self.made, self.lines, self.broken = made, io.BytesIO(), dict[str, str]()
        service = service or made.service
        routers = [
            build_health_routes(service, lambda: b"metrics"),
            build_model_routes(
                service,
                made.registry.set_model_tag,
                lambda: None,
                lambda: dict(self.broken),
                MemoryTrafficPlans(),
            ),
            oip.build_routes(service),
            alertmanager.build_routes(None),
        ]
        self.log = AccessLog(self.lines)
        bits = random.Random(3).getrandbits  # noqa: S311  ids, no secrets
        self.gateway = Gateway(build_app(service, routers), service, self.log, bits)

    def __call__(
        self,
        method: str,
        path: str,
        body: object = b"",
        headers: Mapping[str, str] | None = None,
        query: str = "",
    ) -> AsgiResponse:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return call(self.gateway, method, path, query, raw, headers or {})

    @property
    def log_documents(self) -> list[dict[str, Any]]:
        self.log.flush()
        return [json.loads(line) for line in self.lines.getvalue().splitlines()]


@pytest.fixture
def door(tmp_path: Path, artifact_folder: Path) -> GatewayClient:
    return GatewayClient(create_service(tmp_path, artifact_folder, max_rows=200))


@pytest.fixture
def locked(tmp_path: Path, artifact_folder: Path) -> GatewayClient:
    return GatewayClient(create_service(tmp_path, artifact_folder, keys=KEYS))


def read_sample(door: GatewayClient, name: str, **labels: str) -> float | None:
    door.gateway.request_counts.flush()
    return door.made.metrics.get_sample_value(name, labels)


class TestPredict:
    @pytest.mark.parametrize("path", [PREDICT, "/predict"])
    def test_one_record(self, door: GatewayClient, path: str) -> None:
        answer = door("POST", path, RECORD)
        assert answer.status == 200
        assert answer.document.keys() == {
            "prediction", "label", "probability", "model", "version", "prediction_id"
        }  # fmt: skip
        assert answer.document["label"] == ["no", "yes"][answer.document["prediction"]]
        assert len(door.made.log.find([answer.document["prediction_id"]])) == 1

    def test_many_records(self, door: GatewayClient) -> None:
        one = door("POST", PREDICT, RECORD).document
        answer = door("POST", BATCH, {"records": [RECORD, {**RECORD, "weight": -9, "size": -3}]}).document
        first, second = answer["predictions"]
        assert first["probability"] == one["probability"] != second["probability"]
        assert (answer["model"], answer["version"]) == ("small", 1)
        assert len(door.made.log.find([first["prediction_id"], second["prediction_id"]])) == 2

    def test_columns_are_answered_by_columns(self, door: GatewayClient) -> None:
        one = door("POST", PREDICT, RECORD).document
        columns = {name: [value] * 3 for name, value in RECORD.items()}
        answer = door("POST", BATCH, {"columns": columns}).document["predictions"]
        assert answer["probability"] == [one["probability"]] * 3
        assert len(set(answer["prediction_id"])) == 3

    @pytest.mark.parametrize("rows", [3, 150], ids=["in the loop", "in a thread"])
    @pytest.mark.parametrize("kind", list(arrow.READERS))
    def test_tables_are_answered_by_tables(self, door: GatewayClient, kind: str, rows: int) -> None:
        one = door("POST", PREDICT, RECORD).document
        table = pa.table({name: [value] * rows for name, value in RECORD.items()})
        answer = door("POST", BATCH, _serialize_table(table, kind), {"Content-Type": kind})
        assert answer.headers["content-type"] == arrow.STREAM_TYPE
        given = pa.ipc.open_stream(answer.body).read_all()
        assert given.column("probability").to_pylist() == [one["probability"]] * rows
        assert given.column("label").to_pylist() == [one["label"]] * rows
        assert given.schema.metadata[b"version"] == b"1"
        assert len(door.made.log.find(given.column("prediction_id").to_pylist())) == rows

    def test_the_accepted_type_decides(self, door: GatewayClient) -> None:
        table = _serialize_table(
            pa.table({name: [value] for name, value in RECORD.items()}), arrow.STREAM_TYPE
        )
        as_json = door(
            "POST", BATCH, table, {"Content-Type": arrow.STREAM_TYPE, "Accept": "application/json"}
        )
        assert as_json.document["version"] == 1
        as_arrow = door("POST", BATCH, {"records": [RECORD]}, {"Accept": arrow.STREAM_TYPE})
        assert pa.ipc.open_stream(as_arrow.body).read_all().num_rows == 1

    @pytest.mark.parametrize("query", ["alias=tree", "version=2"])
    def test_an_alias_or_a_version_answers(
        self, door: GatewayClient, artifact_folder: Path, query: str
    ) -> None:
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
    def test_wrong_queries(self, door: GatewayClient, query: str, status: int, detail: str) -> None:
        answer = door("POST", PREDICT, RECORD, query=query)
        assert answer.status == status
        assert detail in answer.document["detail"]

    def test_a_fault_is_a_problem_document(self, door: GatewayClient) -> None:
        answer = door("POST", PREDICT, {**RECORD, "weight": 99})
        assert answer.status == 422
        assert answer.headers["content-type"] == "application/problem+json"
        (error,) = answer.document["errors"]
        assert error == {
            "row": 0, "field": "weight", "value": 99.0, "reason": "range",
            "allowed": "a number from -10 to 10 kg",
        }  # fmt: skip
        labels = {"model": "small", "feature": "weight", "reason": "range"}
        assert read_sample(door, "servicio_ml_rejected_values_total", **labels) == 1
        assert answer.document["request_id"] == answer.headers["x-request-id"]

    @pytest.mark.parametrize("kind", ["text/csv", "image/png", ""])
    def test_other_types_are_refused(self, door: GatewayClient, kind: str) -> None:
        answer = door("POST", BATCH, b"a,b", {"Content-Type": kind})
        assert answer.status == 415
        assert "application/json" in answer.document["detail"]

    @pytest.mark.parametrize("kind", list(arrow.READERS))
    @pytest.mark.parametrize("body", [b"", b"nonsense" * 30])
    def test_a_broken_table_is_refused(self, door: GatewayClient, kind: str, body: bytes) -> None:
        answer = door("POST", BATCH, body, {"Content-Type": kind})
        assert answer.status == 400
        assert kind in answer.document["detail"]

    def test_other_methods_are_refused(self, door: GatewayClient) -> None:
        answer = door("GET", PREDICT)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")

    def test_an_unknown_model_is_refused(self, door: GatewayClient) -> None:
        answer = door("POST", "/models/large/predict", RECORD)
        assert answer.status == 404
        assert "served are small" in answer.document["detail"]

    def test_a_model_that_is_not_ready(self, tmp_path: Path) -> None:
        answer = GatewayClient(create_service(tmp_path, None, names=("small",)))("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")

    def test_a_full_journal_refuses(self, door: GatewayClient, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: object) -> None:
            raise JournalError("journal", "the disk is full")

        monkeypatch.setattr(door.made.log, "write", refuse)
        answer = door("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert "disk is full" in answer.document["detail"]

    def test_our_own_fault_shows_no_inside(
        self, door: GatewayClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(_: object) -> None:
            raise ZeroDivisionError("secret")

        monkeypatch.setattr(door.made.log, "write", fail)
        answer = door("POST", PREDICT, RECORD)
        assert answer.status == 500
        assert b"secret" not in answer.body
        assert answer.document["request_id"] in caplog.text


def _serialize_table(table: pa.Table, kind: str) -> bytes:
    sink = pa.BufferOutputStream()
    if kind == arrow.PARQUET_TYPE:
        pq.write_table(table, sink)
    else:
        new = pa.ipc.new_stream if kind == arrow.STREAM_TYPE else pa.ipc.new_file
        with new(sink, table.schema) as writer:
            writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


class TestLimits:
    @pytest.mark.parametrize("path", [PREDICT, BATCH, "/models/small/traffic"])
    @pytest.mark.parametrize("declared", [True, False])
    def test_a_large_body_is_refused(self, door: GatewayClient, path: str, declared: bool) -> None:  # noqa: FBT001
        limit = door.made.service.limits.body_bytes
        body = b" " * (limit + 1)
        method = "PUT" if path.endswith("traffic") else "POST"
        headers = {"Content-Type": "application/json"} | (
            {"Content-Length": str(len(body))} if declared else {}
        )
        answer = door(method, path, body, headers)
        assert answer.status == 413
        assert f"{limit} bytes" in answer.document["detail"]

    def test_too_many_rows_are_refused(self, door: GatewayClient) -> None:
        answer = door("POST", BATCH, {"records": [RECORD] * 201})
        assert answer.status == 422
        assert answer.document["errors"][0]["field"] == "records"

    def test_too_many_calls_in_flight_are_refused(self, door: GatewayClient) -> None:
        door.gateway.in_flight = door.made.service.limits.concurrency
        answer = door("POST", PREDICT, RECORD)
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert door("GET", "/health/live").status == 200

    def test_a_body_may_come_in_parts(self, door: GatewayClient) -> None:
        raw = json.dumps(RECORD).encode()
        chunks = [raw[:7], raw[7:20], raw[20:]]
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": PREDICT, "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }  # fmt: skip
        asyncio.run(door.gateway(scope, receive, send))
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
    def test_predictions(self, locked: GatewayClient, headers: dict[str, str], status: int) -> None:
        answer = locked("POST", PREDICT, RECORD, headers)
        assert answer.status == status
        if status == 401:
            assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(("method", "path"), [
        ("POST", "/models/small/reload"), ("POST", "/model/reload"), ("PUT", "/models/small/traffic"),
        ("POST", "/v2/repository/models/small/load"), ("POST", "/v2/repository/models/small/unload"),
    ])  # fmt: skip
    def test_administration(self, locked: GatewayClient, method: str, path: str) -> None:
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
        self, locked: GatewayClient, method: str, path: str, end: str
    ) -> None:
        body = {"shadow": 0.5, "canary": 0}
        refused = locked(method, path + end, body, {"X-API-Key": "user-key"})
        assert refused.status == 400
        assert b"control character" in refused.body

    @pytest.mark.parametrize(
        "path", ["/", "/health", "/health/live", "/health/ready", "/metrics", "/docs", "/openapi.json"]
    )
    def test_what_needs_no_key(self, locked: GatewayClient, path: str) -> None:
        assert locked("GET", path).status == 200

    @pytest.mark.parametrize("path", ["/health/live", "/metrics", "/hooks/alertmanager"])
    def test_what_needs_no_key_takes_little(self, tmp_path: Path, artifact_folder: Path, path: str) -> None:
        made = create_service(tmp_path, artifact_folder, keys=KEYS)
        limits = replace(made.service.limits, body_bytes=2 * MAX_PUBLIC_BODY_BYTES)
        door = GatewayClient(made, replace(made.service, limits=limits))
        large = b" " * (MAX_PUBLIC_BODY_BYTES + 1)
        assert door("POST", path, large).status == 413
        assert door("POST", path, large[:-1]).status != 413
        assert door("POST", BATCH, large, {"X-API-Key": "user-key"}).status != 413

    @pytest.mark.parametrize("path", ["/models", "/models/small", "/models/small/card"])
    def test_what_needs_one(self, locked: GatewayClient, path: str) -> None:
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
        self, door: GatewayClient, path: str, headers: dict[str, str], status: int
    ) -> None:
        answer = door("POST", path, RECORD, headers)
        assert answer.status == status
        if status == 403:
            assert b"SERVICIO_ML_KEYS_FILE" in answer.body

    def test_with_keys_the_key_decides(self, locked: GatewayClient) -> None:
        headers = {"Host": "api.example", "Origin": "http://pages.example", "X-API-Key": "user-key"}
        assert locked("POST", PREDICT, RECORD, headers).status == 200

    def test_the_log_names_the_key_not_its_text(self, locked: GatewayClient) -> None:
        locked("POST", PREDICT, RECORD, {"X-API-Key": "user-key"})
        assert locked.log_documents[0]["key"] == "user"
        assert b"user-key" not in locked.lines.getvalue()


class TestNotes:
    def test_a_line_a_request(self, door: GatewayClient) -> None:
        answer = door("POST", PREDICT, RECORD)
        door("GET", "/models/small")
        first, second = door.log_documents
        assert first["prediction_id"] == answer.document["prediction_id"]
        assert (first["method"], first["route"], first["status"]) == ("POST", "/models/{model}/predict", 200)
        assert (second["path"], second["route"]) == ("/models/small", "/models/{model}")
        assert first["duration_ms"] > 0

    def test_a_given_request_id_is_kept(self, door: GatewayClient) -> None:
        for path, method in ((PREDICT, "POST"), ("/models", "GET")):
            answer = door(method, path, RECORD, {"X-Request-ID": "mine-1"})
            assert answer.headers["x-request-id"] == "mine-1"
        assert {line["request_id"] for line in door.log_documents} == {"mine-1"}

    @pytest.mark.parametrize("given", ["", "with space", "a" * 200, "line\nbreak"])
    def test_a_wrong_request_id_is_replaced(self, door: GatewayClient, given: str) -> None:
        answer = door("POST", PREDICT, RECORD, {"X-Request-ID": given})
        assert answer.headers["x-request-id"] != given
        assert len(answer.headers["x-request-id"]) == 16

    def test_calls_are_counted_by_route(self, door: GatewayClient) -> None:
        door("POST", PREDICT, RECORD)
        door("POST", PREDICT, {})
        route = "/models/{model}/predict"
        assert read_sample(door, "http_requests_total", method="POST", route=route, status="200") == 1
        assert read_sample(door, "http_requests_total", method="POST", route=route, status="422") == 1
        assert read_sample(door, "http_request_duration_seconds_count", method="POST", route=route) == 2

    @pytest.mark.parametrize(
        ("method", "path", "label"),
        [("GET", "/nowhere/7", "GET"), ("BREW", "/pot", "OTHER"), ("GET", "/models/x/y/z", "GET")],
    )
    def test_unknown_paths_and_methods_are_no_labels(
        self, door: GatewayClient, method: str, path: str, label: str
    ) -> None:
        answer = door(method, path)
        assert answer.status == 404
        assert answer.document["detail"] == f"nothing is served at {path}; see /docs"
        assert read_sample(door, "http_requests_total", method=label, route="unmatched", status="404") == 1

    def test_unknown_models_are_no_labels(self, door: GatewayClient) -> None:
        door("POST", "/models/large/predict", RECORD)
        values = {
            value
            for family in door.made.metrics.collect()
            for each in family.samples
            for value in each.labels.values()
        }
        assert "large" not in values


class TestModels:
    def test_state(self, door: GatewayClient) -> None:
        state = door("GET", "/models/small").document
        assert (state["champion"], state["task"], state["problem"]) == (1, "binary", "")
        assert state["versions"][0]["aliases"] == ["champion"]
        assert door("GET", "/models").document == [state]
        assert door("GET", "/model/info").document == state
        # registered without the tags of a training
        assert state["description"] == {
            "candidate": None, "family": None, "framework": None, "params": {}, "metrics": {},
        }  # fmt: skip

    def test_a_champion_is_described_by_what_its_training_has_registered(
        self, door: GatewayClient, artifact_folder: Path
    ) -> None:
        tags = {
            "candidate": "trees", "family": "lightgbm", "framework": "lightgbm 4.6.0",
            "params": '{"num_leaves": 31, "boosting_type": "gbdt"}', "standing": '{"metrics": {"f1": 0.5}}',
        }  # fmt: skip
        door.made.promote(artifact_folder, tags=tags)
        info = door("GET", "/model/info").document
        assert {"weight", "colour"} < {*info["features"]}
        assert info["description"] == {
            "candidate": "trees", "family": "lightgbm", "framework": "lightgbm 4.6.0",
            "params": {"num_leaves": 31, "boosting_type": "gbdt"}, "metrics": {"f1": 0.5},
        }  # fmt: skip

    def test_a_use_case_whose_file_is_disabled_is_listed_with_the_reason(self, door: GatewayClient) -> None:
        door.broken |= {"apples": "apples.py, line 3: no", "small": "small.py, line 1: no"}
        listed = {each["model"]: each for each in door("GET", "/models").document}
        assert {name: each["use_case_problem"] for name, each in listed.items()} == door.broken
        assert (listed["apples"]["champion"], listed["apples"]["versions"]) == (None, [])
        assert listed["small"]["champion"] == 1

    def test_schema(self, door: GatewayClient) -> None:
        schema = door("GET", "/models/small/schema").document
        fields = {field["name"]: field for field in schema["fields"]}
        assert (fields["weight"]["unit"], fields["weight"]["minimum"]) == ("kg", -10)
        assert fields["colour"]["levels"] == ["red", "green", "blue"]
        assert schema["labels"] == ["no", "yes"]

    def test_card(self, door: GatewayClient) -> None:
        answer = door("GET", "/models/small/card")
        assert answer.headers["content-type"].startswith("text/markdown")
        assert answer.body.startswith(b"#")

    def test_reload_takes_a_new_champion(self, door: GatewayClient, artifact_folder: Path) -> None:
        version = door.made.registry.register("small", artifact_folder, run_id="run", tags={}).version
        door.made.registry.set_alias("small", "champion", version)
        assert door("GET", "/models/small").document["champion"] == 1
        assert door("POST", "/models/small/reload").document["champion"] == 2
        assert door("POST", "/model/reload").document["champion"] == 2

    def test_traffic_is_set_for_everyone(self, door: GatewayClient) -> None:
        answer = door(
            "PUT",
            "/models/small/traffic",
            {"shadow": 0.5, "canary": 0.1},
            {"Content-Type": "application/json"},
        )
        assert answer.document["traffic"] == {"shadow": 0.5, "canary": 0.1}
        assert door.made.registry.get_model_tags("small") == {
            "traffic.shadow": "0.5",
            "traffic.canary": "0.1",
        }

    def test_a_wrong_share_is_refused(self, door: GatewayClient) -> None:
        answer = door(
            "PUT", "/models/small/traffic", {"shadow": 2, "canary": 0}, {"Content-Type": "application/json"}
        )
        assert answer.status == 422
        assert "shadow" in answer.document["detail"]

    def test_an_unknown_model(self, door: GatewayClient) -> None:
        for method, path in (("GET", "/models/x"), ("GET", "/models/x/schema"), ("POST", "/models/x/reload")):
            assert door(method, path).status == 404

    def test_health(self, door: GatewayClient) -> None:
        assert door("GET", "/health").document == {"status": "ready", "models": {"small": "ready"}}

    def test_health_before_there_is_a_model(self, tmp_path: Path) -> None:
        empty = GatewayClient(create_service(tmp_path, None, names=("small",)))
        assert empty("GET", "/health/live").status == 200
        answer = empty("GET", "/health/ready")
        assert answer.status == 503
        assert answer.document["models"]["small"] != "ready"


class TestDocument:
    def test_every_model_is_described_with_its_fields(self, door: GatewayClient) -> None:
        document = door("GET", "/openapi.json").document
        weight = document["components"]["schemas"]["Small"]["properties"]["weight"]
        assert (weight["minimum"], weight["maximum"], weight["description"]) == (-10, 10, "Weight [kg]")
        assert {PREDICT, BATCH, "/predict", "/predict/batch", "/models/{model}/reload"} <= document[
            "paths"
        ].keys()

    def test_it_follows_the_models(self, tmp_path: Path, artifact_folder: Path) -> None:
        made = create_service(tmp_path, None)
        door = GatewayClient(made)
        assert PREDICT not in door("GET", "/openapi.json").document["paths"]
        made.promote(artifact_folder)
        assert PREDICT in door("GET", "/openapi.json").document["paths"]

    def test_the_page_needs_nothing_from_elsewhere(self, door: GatewayClient) -> None:
        page = door("GET", "/docs").body.decode()
        assert "https://" not in page
        assert door("GET", "/docs/static/swagger-ui-bundle.js").status == 200
