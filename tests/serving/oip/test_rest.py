"""The protocol over HTTP, in JSON and with tensor data as bytes after it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asgi import AsgiResponse, call, get, post
from services import ServiceFixture, create_service
from servicio_ml.domain.prediction import Interface
from servicio_ml.serving.app import build_app
from servicio_ml.serving.models.model_status import ChallengerTraffic
from servicio_ml.serving.oip.rest import build_routes

INFER = "/v2/models/small/infer"
INPUTS: list[dict[str, Any]] = [
    {"name": "day", "datatype": "BYTES", "shape": [2], "data": ["2020-01-31", "2020-02-01"]},
    {"name": "size", "datatype": "FP64", "shape": [2, 1], "data": [[1.5], [None]]},
    {"name": "weight", "datatype": "FP32", "shape": [2], "data": [0.25, -1]},
    {"name": "colour", "datatype": "BYTES", "shape": [2], "data": ["green", ""]},
]
RECORDS: list[dict[str, Any]] = [
    {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"},
    {"day": "2020-02-01", "size": None, "weight": -1.0, "colour": None},
]
LENGTH = "inference-header-content-length"


@pytest.fixture
def service_fixture(artifact_folder: Path, tmp_path: Path) -> ServiceFixture:
    return create_service(tmp_path, artifact_folder, max_rows=100)


@pytest.fixture
def app(service_fixture: ServiceFixture) -> FastAPI:
    return build_app(service_fixture.service, [build_routes(service_fixture.service)])


def infer(
    app: FastAPI,
    document: Any,
    binary: bytes = b"",
    path: str = INFER,
    headers: Mapping[str, str] | None = None,
) -> AsgiResponse:
    text = json.dumps(document).encode()
    given = {LENGTH: str(len(text))} if binary else {}
    return post(app, path, text + binary, {**given, **(headers or {})})


def read_outputs(answer: AsgiResponse) -> Mapping[str, Any]:
    assert answer.status == 200, answer.body
    return {output["name"]: output for output in answer.document["outputs"]}


def test_json(service_fixture: ServiceFixture, app: FastAPI) -> None:
    answer = infer(app, {"id": "mine", "inputs": INPUTS})
    head = {name: answer.document[name] for name in ("model_name", "model_version", "id")}
    assert head == {"model_name": "small", "model_version": "1", "id": "mine"}
    assert LENGTH not in answer.headers
    loaded_model = service_fixture.service.models.get_champion("small")
    wanted = loaded_model.artifact.predict(loaded_model.artifact.encoder.encode_records(RECORDS))
    given = read_outputs(answer)
    assert list(given) == ["prediction", "probability", "prediction_id"]
    assert given["prediction"] == {
        "name": "prediction", "datatype": "BYTES", "shape": [2],
        "data": [loaded_model.labels[int(code)] for code in wanted.outcomes],
    }  # fmt: skip
    assert wanted.probabilities is not None
    assert given["probability"]["data"] == wanted.probabilities[:, 1].tolist()
    logged = service_fixture.log.find(given["prediction_id"]["data"])
    assert len(logged) == 2
    assert {chunk.protocol for chunk in service_fixture.log.written_chunks.values()} == {Interface.OIP}


def test_outputs_that_are_wanted(app: FastAPI) -> None:
    answer = infer(app, {"inputs": INPUTS, "outputs": [{"name": "probability"}, {"name": "prediction"}]})
    assert list(read_outputs(answer)) == ["probability", "prediction"]
    assert "id" not in answer.document


def test_bytes_after_the_json(app: FastAPI) -> None:
    wanted = read_outputs(infer(app, {"inputs": INPUTS}))
    texts = b"".join(len(t).to_bytes(4, "little") + t for t in (b"2020-01-31", b"2020-02-01"))
    sizes = np.array([1.5, np.nan]).tobytes()
    binary = [
        {**INPUTS[0], "parameters": {"binary_data_size": len(texts)}},
        {**INPUTS[1], "parameters": {"binary_data_size": len(sizes)}},
    ]
    for each in binary:
        del each["data"]
    document = {
        "inputs": [binary[0], INPUTS[2], binary[1], INPUTS[3]],
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "probability"}, {"name": "prediction", "parameters": {"binary_data": False}}],
    }
    answer = infer(app, document, texts + sizes)
    length = int(answer.headers[LENGTH])
    probability, prediction = json.loads(answer.body[:length])["outputs"]
    assert probability["parameters"] == {"binary_data_size": 16}
    assert "data" not in probability
    assert np.frombuffer(answer.body[length:]).tolist() == wanted["probability"]["data"]
    assert prediction["data"] == wanted["prediction"]["data"]
    assert answer.headers["content-type"] == "application/octet-stream"


def test_large_request_is_the_same_in_its_thread(
    service_fixture: ServiceFixture, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [{**each, "shape": [100], "data": [*each["data"]] * 50} for each in INPUTS]
    inputs[1]["data"] = [1.5, None] * 50
    small = read_outputs(infer(app, {"inputs": INPUTS}))
    monkeypatch.setattr(service_fixture.service.predictor, "score", None)
    large = read_outputs(infer(app, {"inputs": inputs, "id": "x" * 70_000}))
    assert large["probability"]["data"] == small["probability"]["data"] * 50
    assert len(service_fixture.log.find(large["prediction_id"]["data"])) == 100


SHORT = {"name": "weight", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}}
REFUSED: dict[str, tuple[int, Any, bytes, str]] = {
    "no object": (400, [1], b"", "should be an object"),
    "no inputs": (400, {}, b"", "inputs: Field required"),
    "empty inputs": (400, {"inputs": []}, b"", "inputs: List should have at least 1 item"),
    "inputs of another kind": (400, {"inputs": [1]}, b"", "inputs.0"),
    "shape of text": (400, {"inputs": [{**INPUTS[0], "shape": ["x"]}]}, b"", "inputs.0.shape.0"),
    "no data": (400, {"inputs": [{"name": "w", "datatype": "FP64", "shape": [1]}]}, b"", "'w' has no data"),
    "too few bytes": (400, {"inputs": [SHORT]}, b"1234", "'weight' has 4 bytes after the JSON"),
    "too many bytes": (400, {"inputs": [SHORT]}, b"123456789", "9 bytes follow the JSON"),
    "data and bytes": (400, {"inputs": [{**SHORT, "data": [1]}]}, b"12345678", "'weight' has data and"),
    "unknown output": (400, {"inputs": INPUTS, "outputs": [{"name": "x"}]}, b"", "outputs are prediction, "),
    "output twice": (400, {"inputs": INPUTS, "outputs": [{"name": "prediction"}] * 2}, b"", "twice"),
    "unknown input": (422, {"inputs": [{**INPUTS[2], "name": "mass"}]}, b"", "'mass'"),
    "out of range": (422, {"inputs": [INPUTS[0], {**INPUTS[2], "data": [1, 99]}]}, b"", "row 1, field"),
    "too many rows": (422, {"inputs": [{**INPUTS[2], "shape": [101], "data": [1] * 101}]}, b"", "1 to 100"),
}  # fmt: skip


@pytest.mark.parametrize(("status", "document", "binary", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(
    service_fixture: ServiceFixture, app: FastAPI, status: int, document: Any, binary: bytes, message: str
) -> None:
    answer = infer(app, document, binary)
    assert answer.status == status, answer.body
    assert list(answer.document) == ["error"]
    assert message in answer.document["error"]
    assert not service_fixture.log.written_chunks


@pytest.mark.parametrize(
    "length", ["x", "-1", "3", "²", "9" * 5000], ids=["x", "-1", "3", "superscript", "9s"]
)
def test_wrong_header_length(app: FastAPI, length: str) -> None:
    answer = post(app, INFER, b"{}", {LENGTH: length})
    assert answer.status == 400
    assert "Inference-Header-Content-Length" in answer.document["error"]


def test_no_json(app: FastAPI) -> None:
    assert post(app, INFER, b"\xff{").status == 400


def test_rejected_values_are_counted(service_fixture: ServiceFixture, app: FastAPI) -> None:
    infer(app, {"inputs": [{**INPUTS[2], "data": [1, 99]}, INPUTS[0]]})
    labels = {"model": "small", "feature": "weight", "reason": "range"}
    assert service_fixture.metrics.get_sample_value("servicio_ml_rejected_values_total", labels) == 1


def test_versions_and_aliases(service_fixture: ServiceFixture, app: FastAPI, artifact_folder: Path) -> None:
    service_fixture.promote(artifact_folder, "second")
    for wanted, version in (("2", "2"), ("second", "2"), ("1", "1"), ("champion", "1")):
        answer = infer(app, {"inputs": INPUTS}, path=f"/v2/models/small/versions/{wanted}/infer")
        assert answer.document["model_version"] == version
    assert infer(app, {"inputs": INPUTS}, path="/v2/models/small/versions/9/infer").status == 404
    assert infer(app, {"inputs": INPUTS}, path="/v2/models/nobody/infer").status == 404


def test_a_client_of_the_canary(artifact_folder: Path, tmp_path: Path) -> None:
    service_fixture = create_service(tmp_path, artifact_folder, traffic=ChallengerTraffic(canary=0.999))
    service_fixture.promote(artifact_folder, "challenger")
    app = build_app(service_fixture.service, [build_routes(service_fixture.service)])
    answers = [infer(app, {"inputs": INPUTS}), infer(app, {"inputs": INPUTS}, headers={"x-client-key": "me"})]
    assert [answer.document["model_version"] for answer in answers] == ["1", "2"]


def test_metadata(app: FastAPI) -> None:
    assert get(app, "/v2").document["extensions"] == ["binary_tensor_data", "model_repository"]
    document = get(app, "/v2/models/small").document
    assert document["versions"] == ["1"]
    assert {(each["name"], each["datatype"], *each["shape"]) for each in document["inputs"]} == {
        ("day", "BYTES", -1), ("size", "FP64", -1), ("weight", "FP64", -1), ("colour", "BYTES", -1),
    }  # fmt: skip
    assert [output["name"] for output in document["outputs"]] == [
        "prediction",
        "probability",
        "prediction_id",
    ]
    assert get(app, "/v2/models/small/versions/champion").document == document
    assert get(app, "/v2/models/nobody").status == 404


def test_readiness(tmp_path: Path, artifact_folder: Path) -> None:
    service_fixture = create_service(tmp_path, None, names=["small"])
    app = build_app(service_fixture.service, [build_routes(service_fixture.service)])
    paths = (
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/small/ready",
        "/v2/models/small/versions/2/ready",
    )
    assert [get(app, path).status for path in paths] == [200, 400, 400, 400]
    assert [list(get(app, path).document) for path in paths[1:]] == [["error"]] * 3
    assert infer(app, {"inputs": INPUTS}).status == 503
    service_fixture.promote(artifact_folder)
    service_fixture.promote(artifact_folder, "second")
    # registered, but nobody has asked for it
    assert [get(app, path).status for path in paths] == [200, 200, 200, 400]
    infer(app, {"inputs": INPUTS}, path="/v2/models/small/versions/2/infer")
    assert get(app, paths[-1]).document == {"name": "small", "ready": True}
    assert get(app, "/v2/models/nobody/ready").status == 404


def test_repository(tmp_path: Path, artifact_folder: Path) -> None:
    message: list[str] = []
    service_fixture = create_service(tmp_path, artifact_folder)
    app = build_app(
        service_fixture.service, [build_routes(service_fixture.service, lambda: message.append("look"))]
    )
    version = service_fixture.registry.register("small", artifact_folder, run_id="run", tags={}).version
    service_fixture.registry.set_alias("small", "second", version)
    assert post(app, "/v2/repository/models/small/load", b"").status == 200
    assert message == ["look"]
    states = {each["version"]: each["state"] for each in post(app, "/v2/repository/index", b"").document}
    assert states == {"1": "READY", "2": "UNAVAILABLE"}
    ready = post(app, "/v2/repository/index", b'{"ready": true}').document
    assert ready == [{"name": "small", "version": "1", "state": "READY", "reason": ""}]
    unload = "/v2/repository/models/small/unload"
    refused = post(app, unload, b"")
    assert (refused.status, "champion and challenger stay" in refused.document["error"]) == (400, True)
    infer(app, {"inputs": INPUTS}, path="/v2/models/small/versions/2/infer")
    assert post(app, unload, b"").status == 200
    assert get(app, "/v2/models/small/versions/2/ready").status == 400
    assert get(app, "/v2/models/small/ready").status == 200
    assert post(app, "/v2/repository/models/nobody/load", b"").status == 404
    assert post(app, "/v2/repository/models/nobody/unload", b"").status == 404
    for wrong in (b"nonsense", b'{"ready": 0}'):
        assert post(app, "/v2/repository/index", wrong).status == 400


def test_described(app: FastAPI) -> None:
    paths = app.openapi()["paths"]
    assert {path for path in paths if path.startswith("/v2")} == {
        "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/{model}", "/v2/models/{model}/ready",
        "/v2/models/{model}/infer", "/v2/models/{model}/versions/{version}",
        "/v2/models/{model}/versions/{version}/ready", "/v2/models/{model}/versions/{version}/infer",
        "/v2/repository/index", "/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload",
    }  # fmt: skip
    infer = paths["/v2/models/{model}/infer"]["post"]
    assert {"200", "400", "401", "403", "404", "413", "422", "503"} <= set(infer["responses"])
    assert "$ref" not in json.dumps(infer["requestBody"])
    items = infer["requestBody"]["content"]["application/json"]["schema"]["properties"]["inputs"]["items"]
    assert set(items["required"]) == {"name", "datatype", "shape"}


KEYS = ["inputs", "outputs", "name", "datatype", "shape", "data", "parameters", "id"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(KEYS), inner, max_size=5
    ),
    max_leaves=20,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    document=st.fixed_dictionaries({"inputs": st.lists(JSON | st.sampled_from(INPUTS), max_size=4)}) | JSON
)
def test_any_json_is_answered_or_refused(app: FastAPI, document: Any) -> None:
    answer = infer(app, document)
    assert answer.status in {200, 400, 422}
    if answer.status != 200:
        assert answer.document["error"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60), length=st.none() | st.text(max_size=4))
def test_any_body_is_refused(app: FastAPI, body: bytes, length: str | None) -> None:
    headers = {} if length is None else {LENGTH: length.encode().decode("latin-1")}
    answer = call(app, "POST", INFER, "", body, headers)
    assert (answer.status, bool(answer.document["error"])) == (400, True)
