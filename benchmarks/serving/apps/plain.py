"""What one writes first: FastAPI, a data frame of one row, a scikit-learn pipeline."""

import json
import os
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from fastapi import FastAPI
from pydantic import BaseModel, create_model

FOLDER = Path(os.environ["BENCHMARK_MODELS"])
TYPES = {"number": float | None, "text": str | None}
FIELDS = json.loads((FOLDER / "fields.json").read_text())
parts: dict[str, Any] = {name: (TYPES[kind], None) for name, kind in FIELDS.items()}
Record: Any = create_model("Record", **parts)
pipeline = joblib.load(FOLDER / "pipeline" / "model.joblib")
app = FastAPI()


class Answer(BaseModel):
    """Prediction of one record: probability of the positive class (0–1)."""

    probability: float


@app.post("/predict")
def predict(record: Record) -> Answer:
    frame = pd.DataFrame([record.model_dump()])
    return Answer(probability=float(pipeline.predict_proba(frame)[0, 1]))
