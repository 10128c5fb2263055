"""tritonclient as it is, over HTTP and gRPC, against a real server: it gets the golden answers."""

import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from fastapi import FastAPI

from servers import find_free_port
from services import ServiceFixture, create_service
from servicio_ml.serving.app import build_app
from servicio_ml.serving.oip.grpc_server import start_grpc_server
from servicio_ml.serving.oip.rest import build_routes

pytestmark = pytest.mark.slow
SECONDS = 60
CLIENT = Path(__file__).with_name("stock_client.py")
TASKS = {"binary": "artifact_folder", "multiclass": "multiclass_folder", "regression": "regression_folder"}


@pytest.fixture(scope="module", params=TASKS.values(), ids=[*TASKS])
def service_fixture(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ServiceFixture:
    return create_service(tmp_path_factory.mktemp("stock"), request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def ports(service_fixture: ServiceFixture) -> Iterator[tuple[int, int]]:
    """HTTP and gRPC in one process, as a worker has them."""
    http, grpc = find_free_port(), find_free_port()
    up = threading.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        server = await start_grpc_server(service_fixture.service, "127.0.0.1", grpc)
        yield
        await server.stop(0)

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            up.set()

    app = build_app(service_fixture.service, [build_routes(service_fixture.service)], lifespan)
    server = Server(uvicorn.Config(app, port=http, log_config=None, lifespan="on"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert up.wait(SECONDS)
        yield http, grpc
    finally:
        server.should_exit = True
        thread.join(SECONDS)


@pytest.fixture(scope="module")
def message(service_fixture: ServiceFixture, ports: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Results of the client, by protocol."""
    artifact = service_fixture.service.models.get_champion("small").artifact
    records = artifact.golden["records"]
    columns = {name: [record.get(name) for record in records] for name in artifact.encoder.schema.field_names}
    done = subprocess.run(
        [sys.executable, str(CLIENT), *map(str, ports)], input=json.dumps({"columns": columns}),
        capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return answers


def check_golden_rows(service_fixture: ServiceFixture, outputs: dict[str, Any]) -> None:
    """Hold the outputs against the golden answers."""
    loaded_model = service_fixture.service.models.get_champion("small")
    answers, labels = loaded_model.artifact.golden["answers"], loaded_model.labels
    values = [answer["value"] for answer in answers]
    assert len(service_fixture.log.find(outputs["prediction_id"])) == len(answers)
    if not labels:
        np.testing.assert_allclose(outputs["prediction"], values, rtol=1e-5)
        return
    assert outputs["prediction"] == [labels[int(value)] for value in values]
    wanted = np.array([answer["probabilities"] for answer in answers])
    if len(labels) == 2:
        np.testing.assert_allclose(outputs["probability"], wanted[:, 1], atol=1e-5)
    else:
        np.testing.assert_allclose(outputs["probabilities"], wanted, atol=1e-5)


@pytest.mark.parametrize(("protocol", "how"), [("http", "binary"), ("http", "json"), ("grpc", "binary")])
def test_golden_rows(
    service_fixture: ServiceFixture, message: dict[str, dict[str, Any]], protocol: str, how: str
) -> None:
    check_golden_rows(service_fixture, message[protocol][how])


def test_stream(service_fixture: ServiceFixture, message: dict[str, dict[str, Any]]) -> None:
    first, second, third = message["grpc"]["streamed"]
    check_golden_rows(service_fixture, first)
    check_golden_rows(service_fixture, third)
    assert "'mass'" in second


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_health_metadata_repository(message: dict[str, dict[str, Any]], protocol: str) -> None:
    given = message[protocol]
    ready = [given[name] for name in ("live", "ready", "model ready", "version ready")]
    assert ready == [True, True, True, True]
    assert [given["version 9 ready"], given["unknown ready"]] == [False, False]
    assert given["server"] == "servicio-ml"
    assert given["inputs"] == ["day", "size", "weight", "colour"]
    (entry,) = given["index"]
    assert [entry[name] for name in ("name", "version", "state")] == ["small", "1", "READY"]
    assert given["load"] is None
    assert "champion and challenger stay" in given["unload"]


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_ids_outputs_and_refusals(message: dict[str, dict[str, Any]], protocol: str) -> None:
    given = message[protocol]
    assert (given["id"], given["only"]) == ("mine", ["prediction_id"])
    assert "field 'mass'" in given["refused"]
    assert "no such input" in given["refused"]
    assert "model 'nobody'" in given["unknown"]
