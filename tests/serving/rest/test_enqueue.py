"""The enqueue route."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from asgi import post
from fakes.broker import MemoryBroker, MemoryStreams
from services import ManualClock, ServiceFixture, create_service
from servicio_ml.domain.ports.broker import Broker
from servicio_ml.serving.app import build_app
from servicio_ml.serving.rest.enqueue import build_routes

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
PATH = "/models/small/enqueue"


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder)


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker(MemoryStreams(), "api", ManualClock(), max_backlog=2)


def _build_app(made: ServiceFixture, broker: Broker | None) -> FastAPI:
    return build_app(made.service, [build_routes(made.service, broker)])


def _read(broker: MemoryBroker) -> list[Any]:
    broker.join("small")
    return list(broker.read(["small"], rows=10, wait_seconds=0).get("small", ()))


def test_a_record_goes_on_the_stream_as_it_came(made: ServiceFixture, broker: MemoryBroker) -> None:
    body = json.dumps(RECORD)
    answer = post(_build_app(made, broker), PATH, body.encode(), {"X-Client-Key": "me"})
    (message,) = _read(broker)
    assert answer.status == 202
    assert answer.document == {"message_id": message.id, "stream": "servicio_ml:small:requests"}
    assert message.fields == {"record": body, "key": "me"}


@pytest.mark.parametrize(
    ("body", "said", "feature", "reason"),
    [
        (b'{"day": "2020-01-31", "weight": 99}', "99", "weight", "range"),
        (b"{", "EOF", "", "type"),
        (b'{"\xff": 1}', "body", "", "type"),
    ],
    ids=["range", "cut off", "no text"],
)
def test_a_bad_record_is_refused_at_once(
    made: ServiceFixture, broker: MemoryBroker, body: bytes, said: str, feature: str, reason: str
) -> None:
    answer = post(_build_app(made, broker), PATH, body)
    assert answer.status == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.document["detail"]
    assert _read(broker) == []
    labels = {"model": "small", "feature": feature, "reason": reason}
    assert made.metrics.get_sample_value("servicio_ml_rejected_values_total", labels) == 1


def test_an_alias_goes_along(made: ServiceFixture, broker: MemoryBroker) -> None:
    app, body = _build_app(made, broker), json.dumps(RECORD).encode()
    assert post(app, PATH, body, query="alias=champion").status == 202
    assert [message.fields.get("version") for message in _read(broker)] == ["champion"]
    for query, status in (("alias=nobody", 404), ("alias=", 400), ("version=1&alias=champion", 400)):
        assert post(app, PATH, body, query=query).status == status


def test_a_full_stream_is_said_to_be_full(made: ServiceFixture, broker: MemoryBroker) -> None:
    app, body = _build_app(made, broker), json.dumps(RECORD).encode()
    assert [post(app, PATH, body).status for _ in range(3)] == [202, 202, 503]
    assert post(app, PATH, body).headers["retry-after"]
    assert len(_read(broker)) == 2


def test_without_a_broker_the_setting_is_named(made: ServiceFixture) -> None:
    answer = post(_build_app(made, None), PATH, json.dumps(RECORD).encode())
    assert answer.status == 503
    assert "SERVICIO_ML_REDIS_URL" in answer.document["detail"]


def test_a_model_that_is_not_served_is_not_found(made: ServiceFixture, broker: MemoryBroker) -> None:
    assert post(_build_app(made, broker), "/models/large/enqueue", json.dumps(RECORD).encode()).status == 404


def test_the_route_is_described(made: ServiceFixture, broker: MemoryBroker) -> None:
    operation = _build_app(made, broker).openapi()["paths"]["/models/{model}/enqueue"]["post"]
    assert {"202", "404", "422", "503"} <= set(operation["responses"])
    assert {parameter["name"] for parameter in operation["parameters"]} == {
        "model", "alias", "version", "interval", "outlier", "X-Client-Key"
    }  # fmt: skip
