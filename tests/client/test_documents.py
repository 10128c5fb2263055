"""The documents of the client are those of the OpenAPI document."""

from pathlib import Path
from typing import Any

import pytest

from client.generate import TARGET, build_document, generate
from services import create_service
from servicio_ml.serving.app import build_app
from servicio_ml_client import Prediction, PredictionBatch, RowPrediction

TASKS = {"binary": "artifact_folder", "multiclass": "multiclass_folder", "regression": "regression_folder"}
ALWAYS = {"prediction", "model", "version", "prediction_id"}


def test_the_module_is_as_generated() -> None:
    assert generate(build_document()) == TARGET.read_text(), "run make docs"


def test_a_change_of_the_api_changes_the_module() -> None:
    document = build_document()
    document["components"]["schemas"]["DriftState"]["properties"]["rows"] = {"type": "string"}
    assert generate(document) != TARGET.read_text()


@pytest.fixture(params=TASKS)
def answers(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Schemas of the answers of a model of each task: of one record and of a batch."""
    made = create_service(tmp_path, request.getfixturevalue(TASKS[request.param]))
    paths = build_app(made.service, []).openapi()["paths"]

    def get_schema(path: str) -> dict[str, Any]:
        found = paths[f"/models/small{path}"]["post"]["responses"]["200"]["content"]["application/json"]
        schema: dict[str, Any] = found["schema"]
        return schema

    return get_schema("/predict"), get_schema("/predict/batch")


def test_a_prediction_has_the_fields_of_each_task(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, _ = answers
    assert one["properties"].keys() <= Prediction.model_fields.keys()
    required = {name for name, each in Prediction.model_fields.items() if each.is_required()}
    assert required == ALWAYS
    assert set(one["required"]) >= ALWAYS


def test_a_batch_has_the_fields_of_each_task(answers: tuple[dict[str, Any], dict[str, Any]]) -> None:
    _, many = answers
    assert many["properties"].keys() == PredictionBatch.model_fields.keys()
    _, _, partial, _ = many["properties"]["predictions"]["anyOf"]
    row = partial["items"]
    assert row["properties"].keys() <= RowPrediction.model_fields.keys()
    assert {"prediction", "prediction_id", "error"} <= set(row["required"])


def test_no_field_of_a_prediction_is_of_no_task(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    found: set[str] = set()
    for task, fixture in TASKS.items():
        made = create_service(tmp_path / task, request.getfixturevalue(fixture))
        paths = build_app(made.service, []).openapi()["paths"]
        content = paths["/models/small/predict"]["post"]["responses"]["200"]["content"]
        found |= content["application/json"]["schema"]["properties"].keys()
    assert found == Prediction.model_fields.keys()
    assert {
        *found - {"model", "version", "interval", "outlier_limit"},
        "error",
    } == RowPrediction.model_fields.keys()
