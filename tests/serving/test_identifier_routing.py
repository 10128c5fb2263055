"""A row without a client key is routed by its identifier, alike by every interface."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from asgi import post
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Purpose
from servicio_ml.domain.promotion import CHALLENGER
from servicio_ml.serving.app import build_app
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.graphql import schema
from servicio_ml.serving.http.access_log import AccessLog
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.oip import rest

NAMES = [f"row {i}" for i in range(40)]
RECORD = {"day": "2020-01-31", "weight": 1}
JSON_TYPE = {"Content-Type": "application/json"}
Ask = Callable[[Gateway, Any, Mapping[str, str]], int]


def ask_record(gateway: Gateway, identifier: Any, headers: Mapping[str, str]) -> int:
    body = json.dumps({**RECORD, "identifier": identifier}).encode()
    version: int = post(gateway, "/models/small/predict", body, headers).document["version"]
    return version


def ask_with_interval(gateway: Gateway, identifier: Any, headers: Mapping[str, str]) -> int:
    body = json.dumps({**RECORD, "identifier": identifier}).encode()
    answer = post(gateway, "/models/small/predict", body, headers, "interval=0.9").document
    assert "label_set" in answer
    version: int = answer["version"]
    return version


def ask_batch(gateway: Gateway, identifier: Any, headers: Mapping[str, str]) -> int:
    body = json.dumps({"records": [{**RECORD, "identifier": identifier}]}).encode()
    version: int = post(gateway, "/models/small/predict/batch", body, headers).document["version"]
    return version


def ask_oip(gateway: Gateway, identifier: Any, headers: Mapping[str, str]) -> int:
    inputs = [
        {"name": "day", "shape": [1], "datatype": "BYTES", "data": [RECORD["day"]]},
        {"name": "weight", "shape": [1], "datatype": "FP64", "data": [RECORD["weight"]]},
        {"name": "identifier", "shape": [1], "datatype": "BYTES", "data": [identifier]},
    ]
    answer = post(gateway, "/v2/models/small/infer", json.dumps({"inputs": inputs}).encode(), headers)
    return int(answer.document["model_version"])


def ask_graphql(gateway: Gateway, identifier: Any, headers: Mapping[str, str]) -> int:
    query = 'mutation ($r: [JSON!]!) { predict(model: "small", records: $r) { version } }'
    body = json.dumps({"query": query, "variables": {"r": [{**RECORD, "identifier": identifier}]}}).encode()
    version: int = post(gateway, "/graphql", body, headers).document["data"]["predict"][0]["version"]
    return version


INTERFACES = (ask_record, ask_with_interval, ask_batch, ask_oip, ask_graphql)


@pytest.fixture
def made(tmp_path: Path, identified_folder: Path) -> ServiceFixture:
    made = create_service(tmp_path, identified_folder, traffic=ChallengerTraffic(canary=0.5))
    made.promote(identified_folder, CHALLENGER)
    return made


@pytest.fixture
def gateway(made: ServiceFixture) -> Gateway:
    app = build_app(made.service, [schema.build_routes(made.service), rest.build_routes(made.service)])
    return Gateway(app, made.service, AccessLog(BytesIO()), lambda _: 7)


@pytest.mark.parametrize("ask", INTERFACES)
def test_a_row_gets_the_version_of_its_identifier(made: ServiceFixture, gateway: Gateway, ask: Ask) -> None:
    expected = [made.service.predictor.route("small", name)[0].version for name in NAMES]
    assert {1, 2} == set(expected)
    assert [ask(gateway, name, JSON_TYPE) for name in NAMES] == expected
    chunks = made.log.written_chunks.values()
    assert {(chunk.version, chunk.purpose) for chunk in chunks} == {(1, Purpose.ANSWER), (2, Purpose.CANARY)}
    assert {name for chunk in chunks for name in chunk.identifiers} == set(NAMES)


@pytest.mark.parametrize("ask", INTERFACES)
def test_the_key_of_the_client_comes_first(made: ServiceFixture, gateway: Gateway, ask: Ask) -> None:
    versions = {ask(gateway, name, {**JSON_TYPE, "X-Client-Key": "me"}) for name in NAMES}
    assert versions == {made.service.predictor.route("small", "me")[0].version}


@pytest.mark.parametrize("ask", INTERFACES)
def test_a_row_without_both_is_answered_by_the_champion(gateway: Gateway, ask: Ask) -> None:
    if ask is ask_oip:
        pytest.skip("a tensor has a value for each row")
    assert ask(gateway, None, JSON_TYPE) == 1


def test_a_named_version_answers_every_identifier(gateway: Gateway) -> None:
    for name in NAMES[:5]:
        body = json.dumps({**RECORD, "identifier": name}).encode()
        answer = post(gateway, "/models/small/predict", body, JSON_TYPE, "version=2")
        assert answer.document["version"] == 2


def test_rows_of_several_identifiers_are_answered_together_by_the_champion(gateway: Gateway) -> None:
    body = json.dumps({"records": [{**RECORD, "identifier": name} for name in NAMES]}).encode()
    answer = post(gateway, "/models/small/predict/batch", body, JSON_TYPE).document
    assert (answer["version"], len(answer["predictions"])) == (1, len(NAMES))
