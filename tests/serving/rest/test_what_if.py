import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from asgi import AsgiResponse, post
from services import ServiceFixture, create_service
from servicio_ml.serving.app import build_app
from servicio_ml.serving.openapi import build_document
from servicio_ml.serving.rest.what_if import MAX_VALUES, build_routes

RECORD = {"day": "2020-01-31", "size": 0.5, "weight": 2.25, "colour": "green"}


def build_test_app(made: ServiceFixture) -> FastAPI:
    return build_app(made.service, [build_routes(made.service)])


def send(app: FastAPI, body: object, **query: str) -> AsgiResponse:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(app, "/models/small/what-if", text, {"Content-Type": "application/json"}, urlencode(query))


def compute_curve(made: ServiceFixture, record: object, field: str, *values: object) -> Any:
    body = {"record": record, "field": field, **({"values": values} if values else {})}
    answer = send(build_test_app(made), body)
    assert answer.status == 200, answer.body
    return answer.document


def predict_probability(made: ServiceFixture, **changes: object) -> float:
    """Return the probability of the positive class, from the model itself."""
    artifact = made.service.models.get_champion("small").artifact
    found = artifact.predict(artifact.encoder.encode_record({**RECORD, **changes})).probabilities
    assert found is not None
    return float(found[0, 1])


def test_the_scores_are_those_of_the_records(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    result = compute_curve(made, RECORD, "weight", -10, 0.5, 2.25)
    assert (result["model"], result["version"], result["field"], result["label"]) == (
        "small",
        1,
        "weight",
        "yes",
    )
    assert (result["value"], result["values"]) == (2.25, [-10, 0.5, 2.25])
    assert result["score"] == pytest.approx(predict_probability(made), abs=1e-6)
    expected = [predict_probability(made, weight=each) for each in (-10, 0.5, 2.25)]
    assert result["scores"] == pytest.approx(expected, abs=1e-6)
    assert len(set(expected)) > 1, "a curve that is flat shows nothing"


def test_the_names_of_raw_columns_are_taken_too(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    raw = {name.capitalize(): value for name, value in RECORD.items()}
    expected = compute_curve(made, RECORD, "weight", -10, 0.5)
    assert compute_curve(made, raw, "Weight", -10, 0.5) == expected
    assert compute_curve(made, raw, "weight", -10, 0.5) == expected
    mixed = {**raw, "weight": 1}
    answer = send(build_test_app(made), {"record": mixed, "field": "weight"})
    assert answer.status == 422
    assert "a value as 'weight' and one as 'Weight'" in answer.document["detail"]


def test_nothing_is_logged_or_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    compute_curve(made, RECORD, "weight")
    labels = {"model": "small", "version": "1", "protocol": "rest", "outcome": "yes"}
    assert not made.log.written_chunks
    assert not made.metrics.get_sample_value("servicio_ml_predictions_total", labels)


@pytest.mark.parametrize("field", ["day", "size", "weight", "colour"])
def test_values_of_its_own(field: str, tmp_path: Path, artifact_folder: Path) -> None:
    result = compute_curve(create_service(tmp_path, artifact_folder), RECORD, field)
    assert result["value"] == RECORD[field]
    assert RECORD[field] in result["values"]
    place = result["values"].index(RECORD[field])
    assert result["scores"][place] == pytest.approx(result["score"], abs=1e-6)
    assert len(result["scores"]) == len(result["values"])


def test_a_missing_value(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    result = compute_curve(made, {"day": "2020-01-31", "weight": 2.25}, "size", None, 1)
    assert result["value"] is None
    assert result["scores"][0] == pytest.approx(result["score"], abs=1e-6)


def test_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    made = create_service(tmp_path, regression_folder)
    result = compute_curve(made, RECORD, "size", 0, 2.5)
    artifact = made.service.models.get_champion("small").artifact
    expected = [
        artifact.predict(artifact.encoder.encode_record({**RECORD, "size": each})) for each in (0, 2.5)
    ]
    assert result["label"] is None
    assert result["scores"] == pytest.approx([float(each.outcomes[0]) for each in expected], rel=1e-6)


def test_of_several_classes_it_is_the_answered_one(tmp_path: Path, multiclass_folder: Path) -> None:
    made = create_service(tmp_path, multiclass_folder)
    result = compute_curve(made, RECORD, "size", -2, 2.5)
    artifact = made.service.models.get_champion("small").artifact
    answer = artifact.predict(artifact.encoder.encode_record(RECORD))
    code = int(answer.outcomes[0])
    assert result["label"] == ("low", "middle", "high")[code]
    low = artifact.predict(artifact.encoder.encode_record({**RECORD, "size": -2})).probabilities
    assert low is not None
    assert result["scores"][0] == pytest.approx(float(low[0, code]), abs=1e-6)


def test_of_a_version(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    made.promote(artifact_folder, "knn")
    body = {"record": RECORD, "field": "size"}
    found = [
        send(build_test_app(made), body, **query).document["version"] for query in ({}, {"alias": "knn"})
    ]
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("body", "status", "fragments"),
    [
        pytest.param({"record": RECORD, "field": "hue"}, 422, ["hue", "day, size"], id="field"),
        pytest.param({"record": {**RECORD, "weight": 99}, "field": "size"}, 422, ["99", "kg"], id="record"),
        pytest.param({"record": {}, "field": "size"}, 422, ["day", "weight"], id="empty"),
        pytest.param(
            {"record": RECORD, "field": "weight", "values": [1, 99]}, 422, ["row 1", "99", "kg"], id="value"
        ),
        pytest.param({"record": RECORD, "field": "weight", "values": [None]}, 422, ["weight"], id="null"),
        pytest.param({"record": RECORD, "field": "weight", "values": []}, 422, ["values"], id="no values"),
        pytest.param(
            {"record": RECORD, "field": "size", "values": [1] * (MAX_VALUES + 1)}, 422, ["values"], id="many"
        ),
        pytest.param({"record": {**RECORD, "size": [1]}, "field": "size"}, 422, ["size"], id="nested"),
        pytest.param({"record": {**RECORD, "size": 10**40}, "field": "size"}, 422, ["size"], id="huge"),
        pytest.param({"record": RECORD, "field": "size", "value": 1}, 422, ["value"], id="extra"),
        pytest.param(b'{"record": {"weight": NaN}, "field": "size"}', 422, ["weight"], id="NaN"),
        pytest.param(
            json.dumps({"record": RECORD, "field": "size", "values": [float("inf")]}).encode(), 422, ["size"],
            id="infinite",
        ),
        pytest.param(b'{"record": {"colour": "\\ud800"}, "field": "size"}', 422, ["colour"], id="half"),
        pytest.param(b"{", 422, ["body"], id="cut off"),
        pytest.param(b"[" * 100_000, 400, ["body"], id="deep"),
    ],
)  # fmt: skip
def test_refused(
    body: object, status: int, fragments: list[str], tmp_path: Path, artifact_folder: Path
) -> None:
    answer = send(build_test_app(create_service(tmp_path, artifact_folder)), body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status == status, answer.body
    for fragment in fragments:
        assert fragment in answer.document["detail"]


def test_the_last_day_of_the_calendar_has_a_curve(tmp_path: Path, artifact_folder: Path) -> None:
    result = compute_curve(create_service(tmp_path, artifact_folder), {**RECORD, "day": "2999-12-31"}, "day")
    assert result["values"][-1] == "2999-12-31"


def test_before_there_is_a_model(tmp_path: Path) -> None:
    answer = send(
        build_test_app(create_service(tmp_path, None, names=["small"])), {"record": RECORD, "field": "size"}
    )
    assert answer.status == 503


def test_described(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_service(tmp_path, artifact_folder)
    described = build_document(build_test_app(made), made.service)["paths"]["/models/{model}/what-if"]["post"]
    assert {each["name"] for each in described["parameters"]} == {"model", "alias", "version"}
    assert {"200", "401", "403", "404", "422", "503"} <= set(described["responses"])
