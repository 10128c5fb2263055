import json
import logging
import re
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from graphql import GraphQLObjectType, build_schema, get_introspection_query, get_named_type

from asgi import AsgiResponse, call, get, post
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Purpose
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.errors import JournalError
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.graphql.schema import MAX_ALIASES, MAX_RECORDS, MAX_SPREADS, SCHEMA, build_routes
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.http.api_keys import ApiKey, ApiKeys, Scope, hash_key
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.openapi import build_document

RECORD = {"day": "2020-01-31", "size": 2.5, "weight": 2.25, "colour": "green"}
PREDICT = """
mutation ($records: [JSON!]!, $model: String = "small", $version: Int, $alias: String) {
  predict(model: $model, records: $records, version: $version, alias: $alias) {
    prediction label probability probabilities { label probability } model version predictionId
  }
}
"""


def create_app(service_fixture: ServiceFixture) -> FastAPI:
    return build_app(service_fixture.service, [build_routes(service_fixture.service)])


def send(app: FastAPI, body: object) -> AsgiResponse:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(app, "/graphql", text, {"Content-Type": "application/json"})


def execute(service_fixture: ServiceFixture, query: str, variables: Mapping[str, Any] | None = None) -> Any:
    answer = send(create_app(service_fixture), {"query": query, "variables": variables})
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.document


def predict(service_fixture: ServiceFixture, *records: object, **variables: object) -> Any:
    return execute(service_fixture, PREDICT, {"records": records, **variables})


def get_only_error(document: Any) -> Any:
    (error,) = document["errors"]
    return error


def test_health(tmp_path: Path, artifact_folder: Path) -> None:
    query = "{ health { ready models { name status } } }"
    message = execute(create_service(tmp_path / "a", artifact_folder), query)
    assert message == {"data": {"health": {"ready": True, "models": [{"name": "small", "status": "ready"}]}}}
    waiting = execute(create_service(tmp_path / "b", None, names=["small"]), query)["data"]["health"]
    assert not waiting["ready"]
    assert waiting["models"][0]["status"] != "ready"


def test_model(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    service_fixture.registry.register("small", artifact_folder, run_id="later", tags={})
    query = """query ($name: String!) { model(name: $name) {
        name problem version task runId aliases labels tags { name value }
        fields { name kind unit minimum maximum levels nullable description example } } }"""
    message = execute(service_fixture, query, {"name": "small"})["data"]["model"]
    fields = {each["name"]: each for each in message.pop("fields")}
    assert message == {
        "name": "small", "problem": "", "version": 1, "task": "binary", "runId": "run",
        "aliases": ["champion"], "labels": ["no", "yes"], "tags": [],
    }  # fmt: skip
    assert fields["weight"] == {
        "name": "weight", "kind": "number", "unit": "kg", "minimum": -10, "maximum": 10, "levels": [],
        "nullable": False, "description": "Weight", "example": 0.25,
    }  # fmt: skip
    assert fields["colour"]["levels"] == ["red", "green", "blue"]
    assert fields["colour"]["example"] == "green"


def test_tags_and_aliases_are_those_of_the_last_look(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, None)
    service_fixture.registry.register("small", artifact_folder, run_id="run", tags={"period": "2020-01"})
    service_fixture.registry.set_alias("small", "champion", 1)
    service_fixture.service.models.refresh()
    service_fixture.registry.set_alias("small", "tree", 1)
    service_fixture.service.models.refresh()
    message = execute(service_fixture, "{ models { aliases tags { name value } } }")["data"]["models"]
    assert [sorted(each["aliases"]) for each in message] == [["champion", "tree"]]
    assert message[0]["tags"] == [{"name": "period", "value": "2020-01"}]


def test_a_model_says_what_identifies_a_row(tmp_path: Path, identified_folder: Path) -> None:
    query = '{ model(name: "small") { identifier fields { name } } }'
    model = execute(create_service(tmp_path, identified_folder), query)["data"]["model"]
    assert model["identifier"] == "Row"
    assert [each["name"] for each in model["fields"]] == ["day", "size", "weight", "colour"]


def test_model_without_a_champion(tmp_path: Path) -> None:
    message = execute(
        create_service(tmp_path, None, names=["small"]), "{ models { name version problem fields { name } } }"
    )
    (model,) = message["data"]["models"]
    assert (model["name"], model["version"], model["fields"]) == ("small", None, [])
    assert model["problem"]


def test_predict(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    loaded_model = service_fixture.service.models.get_champion("small")
    one, two = predict(service_fixture, RECORD, {"day": "2020-01-31", "weight": -3})["data"]["predict"]
    expected = loaded_model.artifact.predict(loaded_model.artifact.encoder.encode_record(RECORD))
    assert expected.probabilities is not None
    assert one == {
        "prediction": 1, "label": "yes", "probability": pytest.approx(float(expected.probabilities[0, 1])),
        "probabilities": None, "model": "small", "version": 1, "predictionId": one["predictionId"],
    }  # fmt: skip
    (chunk,) = service_fixture.log.written_chunks.values()
    assert (chunk.protocol, chunk.rows) == ("graphql", 2)
    assert set(service_fixture.log.find([one["predictionId"], two["predictionId"]])) == {
        one["predictionId"], two["predictionId"],
    }  # fmt: skip
    labels = {"model": "small", "version": "1", "protocol": "graphql", "outcome": "yes"}
    assert service_fixture.metrics.get_sample_value("servicio_ml_predictions_total", labels) == 1


def test_predict_of_three_classes(tmp_path: Path, multiclass_folder: Path) -> None:
    (message,) = predict(create_service(tmp_path, multiclass_folder), RECORD)["data"]["predict"]
    shares = {each["label"]: each["probability"] for each in message["probabilities"]}
    assert list(shares) == ["low", "middle", "high"]
    assert sum(shares.values()) == pytest.approx(1)
    assert message["label"] == max(shares, key=lambda label: shares[label])
    assert message["probability"] is None


def test_predict_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    service_fixture = create_service(tmp_path, regression_folder)
    loaded_model = service_fixture.service.models.get_champion("small")
    (message,) = predict(service_fixture, RECORD)["data"]["predict"]
    expected = float(
        loaded_model.artifact.predict(loaded_model.artifact.encoder.encode_record(RECORD)).outcomes[0]
    )
    assert message["prediction"] == pytest.approx(expected)
    assert (message["label"], message["probability"], message["probabilities"]) == (None, None, None)


def test_golden_rows(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    golden = service_fixture.service.models.get_champion("small").artifact.golden
    message = predict(service_fixture, *golden["records"])["data"]["predict"]
    assert [each["probability"] for each in message] == pytest.approx(
        [each["probabilities"][1] for each in golden["answers"]], abs=1e-5
    )


def test_version_and_alias(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    service_fixture.promote(artifact_folder, "tree")
    asked: list[dict[str, object]] = [{}, {"version": 2}, {"alias": "tree"}, {"version": 1}, {"alias": ""}]
    assert [predict(service_fixture, RECORD, **each)["data"]["predict"][0]["version"] for each in asked] == [
        1,
        2,
        2,
        1,
        1,
    ]
    both = get_only_error(predict(service_fixture, RECORD, version=2, alias="tree"))
    assert both["extensions"]["status"] == 400


def test_client_of_the_canary(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(canary=0.999))
    service_fixture.promote(artifact_folder, CHALLENGER)
    body = json.dumps({"query": PREDICT, "variables": {"records": [RECORD]}}).encode()
    gateway = _create_gateway(service_fixture)
    versions = [
        post(gateway, "/graphql", body, {"Content-Type": "application/json", **headers})
        .document["data"]["predict"][0]["version"]
        for headers in ({}, {"X-Client-Key": "someone"})
    ]  # fmt: skip
    assert versions == [1, 2]
    assert [chunk.purpose for chunk in service_fixture.log.written_chunks.values()] == [
        Purpose.ANSWER,
        Purpose.CANARY,
    ]


def test_key_is_asked_for(tmp_path: Path, artifact_folder: Path) -> None:
    key = ApiKey(name="me", scopes=frozenset({Scope.PREDICT}), digest=hash_key("secret"))
    gateway = _create_gateway(create_service(tmp_path, artifact_folder, keys=ApiKeys((key,))))
    body = b'{"query": "{ health { ready } }"}'
    given = {"Content-Type": "application/json"}
    assert post(gateway, "/graphql", body, given).status == 401
    assert post(gateway, "/graphql", body, {**given, "X-API-Key": "secret"}).status == 200


def _create_gateway(service_fixture: ServiceFixture) -> Gateway:
    return Gateway(create_app(service_fixture), service_fixture.service, AccessLog(BytesIO()), lambda _: 7)


@pytest.mark.parametrize(
    ("record", "field", "reason"),
    [
        pytest.param('{"day": "2020-01-31", "weight": 99}', "weight", "range", id="range"),
        pytest.param('{"day": "2020-01-31", "weight": NaN}', "weight", "range", id="NaN"),
        pytest.param('{"day": "2020-01-31", "weight": 1e999}', "weight", "range", id="infinite"),
        pytest.param(f'{{"day": "2020-01-31", "weight": 1{"0" * 400}}}', "weight", "range", id="huge"),
        pytest.param('{"day": "2020-01-31", "weight": true}', "weight", "type", id="type"),
        pytest.param('{"weight": 1}', "day", "missing", id="missing"),
        pytest.param('{"day": "2020-01-31", "weight": 1, "x": 1}', "x", "unknown_field", id="unknown"),
        pytest.param('{"day": "2020-01-31", "weight": 1, "colour": "pink"}', "colour", "level", id="level"),
        pytest.param("7", "records.0", "type", id="number"),
        pytest.param('{"day": "\\ud800", "weight": 1}', "body", "type", id="half a pair"),
    ],
)
def test_record_refused(record: str, field: str, reason: str, tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    variables = f'{{"records": [{record}]}}'
    answer = send(
        create_app(service_fixture), f'{{"query": {json.dumps(PREDICT)}, "variables": {variables}}}'.encode()
    )
    error = get_only_error(answer.document)
    assert answer.status == 200
    assert error["path"] == ["predict"]
    assert error["extensions"]["status"] == 422
    (fault,) = error["extensions"]["errors"]
    assert (fault["row"], fault["field"], fault["reason"]) == (0, field, reason)
    assert not service_fixture.log.written_chunks
    known = field if field in RECORD else ""
    labels = {"model": "small", "feature": known, "reason": reason}
    assert service_fixture.metrics.get_sample_value("servicio_ml_rejected_values_total", labels) == 1


@pytest.mark.parametrize(
    ("variables", "status", "fragment"),
    [
        pytest.param({"records": []}, 422, "at least 1 item", id="no records"),
        pytest.param({"records": [RECORD] * (MAX_RECORDS + 1)}, 413, f"{MAX_RECORDS}", id="too many"),
        pytest.param({"records": [RECORD], "model": "other"}, 404, "'other'", id="model"),
        pytest.param({"records": [RECORD], "version": 9}, 404, "'9'", id="version"),
        pytest.param({"records": [RECORD], "alias": "nobody"}, 404, "'nobody'", id="alias"),
        pytest.param({"records": [RECORD], "alias": "\ud800"}, 404, "no version", id="half a pair"),
    ],
)
def test_call_refused(
    variables: dict[str, Any], status: int, fragment: str, tmp_path: Path, artifact_folder: Path
) -> None:
    service_fixture = create_service(tmp_path, artifact_folder, max_rows=MAX_RECORDS * 2)
    error = get_only_error(execute(service_fixture, PREDICT, variables))
    assert error["extensions"]["status"] == status
    assert fragment in error["message"]


def test_rows_are_bounded_by_the_service_too(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder, max_rows=40)
    assert len(predict(service_fixture, *[RECORD] * 40)["data"]["predict"]) == 40
    assert get_only_error(predict(service_fixture, *[RECORD] * 41))["extensions"]["status"] == 413


@pytest.mark.parametrize(
    ("query", "fragment"),
    [
        pytest.param("{ health {", "Syntax Error", id="syntax"),
        pytest.param('{ model(name: "\\ud800") { name } }', "Invalid Unicode", id="half a pair"),
        pytest.param("{ nothing }", "nothing", id="unknown field"),
        pytest.param("{ model { name } }", "'name'", id="no argument"),
        pytest.param("{ model(name: 7) { name } }", "String", id="wrong argument"),
        pytest.param("query ($n: String!) { model(name: $n) { name } }", "$n", id="no variable"),
        pytest.param("query ($n: Int!) { model(name: $n) { name } }", "$n", id="type of variable"),
        pytest.param('{ model(name: "other") { name } }', "other", id="unknown model"),
        pytest.param('query { predict(model: "small", records: []) { label } }', "predict", id="no query"),
        pytest.param("subscription { health { ready } }", "subscription", id="subscription"),
        pytest.param("{ health }", "selection", id="no selection"),
        pytest.param("query A { models { name } } query B { models { name } }", "operationName", id="two"),
        pytest.param("{ health { ...A } } fragment A on Health { ...A }", "itself", id="cycle"),
        pytest.param("{ health { ...A } }", "Unknown fragment", id="no fragment"),
        pytest.param(
            "{ " + " ".join(f"a{i}: health {{ ready }}" for i in range(MAX_ALIASES + 1)) + " }",
            f"{MAX_ALIASES + 1} aliases", id="aliases",
        ),
        pytest.param("{ " + "health { ready } " * 400 + "}", "tokens", id="tokens"),
        pytest.param("{ health { models { name { a { b } } } } }", "no subfields", id="depth"),
        pytest.param("{" + "a{" * 450 + "b" + "}" * 451, "nested too deeply", id="great depth"),
        pytest.param("{ __schema { types { fields { type { fields { type { fields { name }}}}}}}}",
                     "introspection depth", id="depth of introspection"),
        pytest.param(
            "{ health { ..." + "A ..." * MAX_SPREADS + "A } } fragment A on Health { ready }",
            f"{MAX_SPREADS + 1} fragments", id="spreads",
        ),
        pytest.param(
            'mutation { predict(model: "small", records: ' + "[" * 490 + "]" * 490 + ") { label } }",
            "nested too deeply", id="nested value",
        ),
    ],
)  # fmt: skip
def test_document_refused(query: str, fragment: str, tmp_path: Path, artifact_folder: Path) -> None:
    message = execute(create_service(tmp_path, artifact_folder), query)
    messages = " | ".join(error["message"] for error in message["errors"])
    assert fragment in messages


@pytest.mark.parametrize(
    "variables",
    [
        {"records": None},
        {},
        {"records": [RECORD], "version": "x"},
        {"records": [None]},
        {"records": [RECORD], "version": 10**20},
    ],
    ids=["null", "absent", "version", "null record", "huge version"],
)
def test_variables_refused(variables: dict[str, Any], tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    assert get_only_error(execute(service_fixture, PREDICT, variables))["message"].startswith("Variable '$")
    assert not service_fixture.log.written_chunks


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"{", 422, id="cut off"),
        pytest.param(b"", 422, id="empty"),
        pytest.param(b"[]", 422, id="batch"),
        pytest.param(b'[{"query": "{ health { ready } }"}]', 422, id="batch of one"),
        pytest.param(b'{"variables": {}}', 422, id="no query"),
        pytest.param(b'{"query": 7}', 422, id="number"),
        pytest.param(b'{"query": "{ health { ready } }", "variables": []}', 422, id="variables"),
        pytest.param(b'{"query": "{ health { ready } } #' + b" " * 20_000 + b'"}', 422, id="long"),
        pytest.param(b'{"query": ""}', 400, id="empty query"),
        pytest.param(b'{"query": "{ health { ready } }", "operationName": "A"}', 400, id="no such operation"),
        pytest.param(b'{"query": "fragment A on Health { ready }"}', 400, id="no operation"),
        pytest.param(b"[" * 100_000, 400, id="deep"),
    ],
)
def test_body_refused(body: bytes, status: int, tmp_path: Path, artifact_folder: Path) -> None:
    answer = send(create_app(create_service(tmp_path, artifact_folder)), body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.document["detail"]


def test_nested_variables(tmp_path: Path, artifact_folder: Path) -> None:
    # past some depth the decoder refuses, then json cannot write, then the body cannot be read
    app, statuses = create_app(create_service(tmp_path, artifact_folder)), set()
    for depth in (2, 150, 500, *range(900, 1010, 5)):
        variables = f'{{"records": [{"[" * depth}{"]" * depth}]}}'
        answer = send(app, f'{{"query": {json.dumps(PREDICT)}, "variables": {variables}}}'.encode())
        statuses.add(answer.status)
        assert b"its log" not in answer.body
    assert statuses == {200, 400}


def test_valid_queries_are_never_deep() -> None:
    def measure_depth(kind: GraphQLObjectType, above: tuple[str, ...] = ()) -> int:
        assert kind.name not in above, f"{kind.name} nests in itself"
        inner = [get_named_type(field.type) for field in kind.fields.values()]
        objects = [each for each in inner if isinstance(each, GraphQLObjectType)]
        return 1 + max((measure_depth(each, (*above, kind.name)) for each in objects), default=0)

    schema = build_schema(SCHEMA.as_str())
    assert schema.query_type is not None
    assert schema.mutation_type is not None
    assert (measure_depth(schema.query_type), measure_depth(schema.mutation_type)) == (3, 3)


def test_one_of_two_operations(tmp_path: Path, artifact_folder: Path) -> None:
    query = "query A { health { ready } } query B { models { name } }"
    answer = send(
        create_app(create_service(tmp_path, artifact_folder)), {"query": query, "operationName": "B"}
    )
    assert answer.document == {"data": {"models": [{"name": "small"}]}}


def test_introspection_query_of_clients(tmp_path: Path, artifact_folder: Path) -> None:
    message = execute(create_service(tmp_path, artifact_folder), get_introspection_query())
    assert "errors" not in message
    assert message["data"]["__schema"]["mutationType"]["name"] == "Mutation"


def test_a_browser_gets_a_page_that_runs_its_own_script_only(tmp_path: Path, artifact_folder: Path) -> None:
    app = create_app(create_service(tmp_path, artifact_folder))
    page = call(app, "GET", "/graphql", "", b"", {"Accept": "text/html,application/xhtml+xml"})
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert policy.startswith(
        "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    assert "unsafe" not in policy
    assert re.findall(r"(?:src|href)=\S+", page.body.decode()) == ['href="data:,">']


def test_no_operation_by_get(tmp_path: Path, artifact_folder: Path) -> None:
    app = create_app(create_service(tmp_path, artifact_folder))
    answer = get(app, "/graphql", "query={health{ready}}")
    assert answer.status == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_journal_that_cannot_be_written(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)

    def raise_full(_: object) -> None:
        raise JournalError("journal.db", "no room")

    monkeypatch.setattr(service_fixture.log, "write", raise_full)
    error = get_only_error(predict(service_fixture, RECORD))
    assert error["extensions"]["status"] == 503
    assert "no room" in error["message"]


def test_fault_of_ours_is_masked_and_logged(
    tmp_path: Path, artifact_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)

    def raise_unexpected(_: object) -> None:
        raise ValueError("a secret")

    monkeypatch.setattr(service_fixture.log, "write", raise_unexpected)
    with caplog.at_level(logging.ERROR):
        message = predict(service_fixture, RECORD)
    assert "secret" not in json.dumps(message)
    assert "its log" in get_only_error(message)["message"]
    assert "a secret" in caplog.text


def test_faults_of_the_caller_are_not_logged(
    tmp_path: Path, artifact_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    caplog.clear()
    execute(service_fixture, "{ nothing }")
    predict(service_fixture, {})
    assert not caplog.records


def test_described_in_openapi(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder)
    described = build_document(create_app(service_fixture), service_fixture.service)["paths"]["/graphql"]
    assert set(described) == {"post"}
    assert {"200", "400", "401", "413", "422"} <= set(described["post"]["responses"])
    assert described["post"]["requestBody"]["required"]
