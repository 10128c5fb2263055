"""The ceiling: an ordinary FastAPI route that validates a record and returns a constant."""

import json
import os
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.features.requests.request_models import build_record_model

ANSWER = {
    "prediction": 0, "label": "No", "probability": 0.125, "model": "rain_australia", "version": 1,
    "prediction_id": "00000000-0000-0000-0000-000000000000",
}  # fmt: skip
schema = FeatureSchema.from_json(json.loads(Path(os.environ["BENCHMARK_SCHEMA"]).read_text()))
Record: Any = build_record_model(schema)
app = FastAPI()


@app.post("/predict", response_model=None)
async def predict(record: Record) -> dict[str, Any]:  # noqa: ARG001  validated and forgotten
    return ANSWER
