import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI

from asgi import Answer, post
from services import Bench, bench
from servicio_ml.serving.app import application
from servicio_ml.serving.insight import routes
from servicio_ml.serving.openapi import document
from servicio_ml.serving.what_if import MOST_VALUES

RECORD = {"day": "2020-01-31", "size": 0.5, "weight": 2.25, "colour": "green"}


def app_of(made: Bench) -> FastAPI:
    return application(made.service, [routes(made.service, made.watch)])


def send(app: FastAPI, body: object, **query: str) -> Answer:
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return post(app, "/models/small/what-if", text, {"Content-Type": "application/json"}, urlencode(query))


def asked(made: Bench, record: object, field: str, *values: object) -> Any:
    body = {"record": record, "field": field, **({"values": values} if values else {})}
    answer = send(app_of(made), body)
    assert answer.status == 200, answer.body
    return answer.document


def probability(made: Bench, **changes: object) -> float:
    """What the model itself gives the positive class."""
    artifact = made.service.models.champion("small").artifact
    found = artifact.predict(artifact.encoder.record({**RECORD, **changes})).probabilities
    assert found is not None
    return float(found[0, 1])


def test_the_scores_are_those_of_the_records(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    told = asked(made, RECORD, "weight", -10, 0.5, 2.25)
    assert (told["model"], told["version"], told["field"], told["label"]) == ("small", 1, "weight", "yes")
    assert (told["value"], told["values"]) == (2.25, [-10, 0.5, 2.25])
    assert told["score"] == pytest.approx(probability(made), abs=1e-6)
    expected = [probability(made, weight=each) for each in (-10, 0.5, 2.25)]
    assert told["scores"] == pytest.approx(expected, abs=1e-6)
    assert len(set(expected)) > 1, "a curve that is flat shows nothing"


def test_nothing_is_logged_or_counted(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    asked(made, RECORD, "weight")
    labels = {"model": "small", "version": "1", "protocol": "rest", "outcome": "yes"}
    assert not made.log.written
    assert not made.metrics.get_sample_value("servicio_ml_predictions_total", labels)


@pytest.mark.parametrize("field", ["day", "size", "weight", "colour"])
def test_values_of_its_own(field: str, tmp_path: Path, artifact_folder: Path) -> None:
    told = asked(bench(tmp_path, artifact_folder), RECORD, field)
    assert told["value"] == RECORD[field]
    assert RECORD[field] in told["values"]
    place = told["values"].index(RECORD[field])
    assert told["scores"][place] == pytest.approx(told["score"], abs=1e-6)
    assert len(told["scores"]) == len(told["values"])


def test_a_missing_value(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    told = asked(made, {"day": "2020-01-31", "weight": 2.25}, "size", None, 1)
    assert told["value"] is None
    assert told["scores"][0] == pytest.approx(told["score"], abs=1e-6)


def test_of_a_regression(tmp_path: Path, regression_folder: Path) -> None:
    made = bench(tmp_path, regression_folder)
    told = asked(made, RECORD, "size", 0, 2.5)
    artifact = made.service.models.champion("small").artifact
    expected = [artifact.predict(artifact.encoder.record({**RECORD, "size": each})) for each in (0, 2.5)]
    assert told["label"] is None
    assert told["scores"] == pytest.approx([float(each.outcomes[0]) for each in expected], rel=1e-6)


def test_of_several_classes_it_is_the_answered_one(tmp_path: Path, multiclass_folder: Path) -> None:
    made = bench(tmp_path, multiclass_folder)
    told = asked(made, RECORD, "size", -2, 2.5)
    artifact = made.service.models.champion("small").artifact
    answer = artifact.predict(artifact.encoder.record(RECORD))
    code = int(answer.outcomes[0])
    assert told["label"] == ("low", "middle", "high")[code]
    low = artifact.predict(artifact.encoder.record({**RECORD, "size": -2})).probabilities
    assert low is not None
    assert told["scores"][0] == pytest.approx(float(low[0, code]), abs=1e-6)


def test_of_a_version(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    made.promote(artifact_folder, "knn")
    body = {"record": RECORD, "field": "size"}
    found = [send(app_of(made), body, **query).document["version"] for query in ({}, {"alias": "knn"})]
    assert found == [1, 2]


@pytest.mark.parametrize(
    ("body", "status", "parts"),
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
            {"record": RECORD, "field": "size", "values": [1] * (MOST_VALUES + 1)}, 422, ["values"], id="many"
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
def test_refused(body: object, status: int, parts: list[str], tmp_path: Path, artifact_folder: Path) -> None:
    answer = send(app_of(bench(tmp_path, artifact_folder)), body)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status == status, answer.body
    for part in parts:
        assert part in answer.document["detail"]


def test_the_last_day_is_no_trouble(tmp_path: Path, artifact_folder: Path) -> None:
    told = asked(bench(tmp_path, artifact_folder), {**RECORD, "day": "9999-12-31"}, "day")
    assert told["values"][-1] == "9999-12-31"


def test_before_there_is_a_model(tmp_path: Path) -> None:
    answer = send(app_of(bench(tmp_path, None, names=["small"])), {"record": RECORD, "field": "size"})
    assert answer.status == 503


def test_described(tmp_path: Path, artifact_folder: Path) -> None:
    made = bench(tmp_path, artifact_folder)
    described = document(app_of(made), made.service)["paths"]["/models/{model}/what-if"]["post"]
    assert {each["name"] for each in described["parameters"]} == {"model", "alias", "version"}
    assert {"200", "401", "403", "404", "422", "503"} <= set(described["responses"])
