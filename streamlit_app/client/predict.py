"""Requests to a model: schema, predictions, explanations, what-if curves and feedback."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from streamlit_app.client.service import build_path
from streamlit_app.client.transport import FieldError, Transport

FieldValue = str | bool | int | float | None
InputRecord = Mapping[str, FieldValue]
NUMBER, INTEGER, CATEGORY, BOOLEAN = "number", "integer", "category", "boolean"
DATE, DATETIME, TEXT = "date", "datetime", "text"
"""Kinds of a field."""
INTERVAL_LEVEL = 0.9
"""Level that the form asks for where the model answers it."""
BINARY, REGRESSION = "binary", "regression"
"""Tasks; the third is multiclass."""


class FieldInfo(BaseModel):
    """Field of a record; its default is a typical value, None where the field is mostly missing."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    any_text: bool = False
    nullable: bool
    default: FieldValue

    @property
    def is_listed(self) -> bool:
        """Whether other values are a list without an order."""
        return bool(self.choices) or self.kind == TEXT

    @property
    def choices(self) -> list[str] | list[bool]:
        """Values of a category or a boolean; empty for other kinds."""
        return [False, True] if self.kind == BOOLEAN else self.levels


class FieldLocations(BaseModel):
    """Latitude and longitude in degrees of each level of a field."""

    field: str
    points: dict[str, tuple[float, float]]


class ModelSchema(BaseModel):
    """Input fields and output of a model."""

    model: str
    version: int
    task: str
    labels: list[str]
    threshold: float
    description: str = ""
    unit: str = ""
    fields: list[FieldInfo]
    max_interval: float | None = None
    outlier_limit: float | None = None
    places: FieldLocations | None

    @property
    def interval(self) -> float | None:
        """Level of the interval or set that the form asks for; None where the model answers none."""
        return None if self.max_interval is None else min(self.max_interval, INTERVAL_LEVEL)

    def find_field(self, name: str) -> FieldInfo:
        """Find a field by its name."""
        return next(each for each in self.fields if each.name == name)


class RecordPrediction(BaseModel):
    """Prediction for a record: one probability of two classes, one each of several, none of a regression."""

    prediction: float
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] = Field(default_factory=dict)
    lower: float | None = None
    upper: float | None = None
    label_set: list[str] | None = None
    probability_lower: float | None = None
    probability_upper: float | None = None
    interval: float | None = None
    outlier_score: float | None = None
    outlier_limit: float | None = None
    prediction_id: str


class ModelPrediction(RecordPrediction):
    """Prediction with the model and version that made it."""

    model: str
    version: int


class BatchPrediction(BaseModel):
    """Prediction for a record of a batch, or the error for which it is refused; the other is None."""

    prediction: float | None
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    prediction_id: str | None
    error: str | None


class PredictionBatch(BaseModel):
    """Predictions in the order of the records, and the errors of the refused ones by field."""

    model: str
    version: int
    predictions: list[BatchPrediction]
    errors: list[FieldError]


class Explanation(BaseModel):
    """Contribution of each field to the score of a record; their sum is `score - base`."""

    label: str | None
    base: float
    score: float
    contributions: dict[str, float]


class WhatIfCurve(BaseModel):
    """Scores of a record at other values of one field; `value` and `score` are those of the record."""

    field: str
    label: str | None
    value: FieldValue
    score: float
    grid: list[FieldValue] = Field(validation_alias="values")
    scores: list[float]


class FeedbackReceipt(BaseModel):
    """Status of a ground truth that was sent."""

    prediction_id: str
    status: str
    revision: int | None


def fetch_schema(api: Transport, model: str) -> ModelSchema:
    """Fetch the schema of the champion."""
    return api.fetch(ModelSchema, "GET", build_path(model, "/schema"))


def predict(
    api: Transport, model: str, record: InputRecord, interval: float | None = None, *, outlier: bool = False
) -> ModelPrediction:
    """Predict a record, with an interval or set of labels, and an outlier score; the server logs it."""
    params: dict[str, float | str] = {} if interval is None else {"interval": interval}
    if outlier:
        params["outlier"] = "true"
    return api.fetch(ModelPrediction, "POST", build_path(model, "/predict"), params=params, body=dict(record))


def predict_batch(api: Transport, model: str, records: Sequence[InputRecord]) -> PredictionBatch:
    """Predict records; the server logs them, except for those that it refuses."""
    return api.fetch(
        PredictionBatch,
        "POST",
        build_path(model, "/predict/batch"),
        params={"on_error": "partial"},
        body={"records": [dict(each) for each in records]},
    )


def explain(api: Transport, model: str, record: InputRecord, version: int) -> Explanation:
    """Explain the score that a version gives a record; the server does not log it."""
    return api.fetch(
        Explanation, "POST", build_path(model, "/explain"), params={"version": version}, body=dict(record)
    )


def compute_what_if(api: Transport, model: str, record: InputRecord, field: str, version: int) -> WhatIfCurve:
    """Compute the scores of a version for other values of a field; the server does not log them."""
    body = {"record": dict(record), "field": field}
    return api.fetch(
        WhatIfCurve, "POST", build_path(model, "/what-if"), params={"version": version}, body=body
    )


def send_feedback(api: Transport, model: str, prediction_id: str, actual: str | float) -> FeedbackReceipt:
    """Send the ground truth of a prediction."""
    body = {"prediction_id": prediction_id, "actual": actual}
    return api.fetch(FeedbackReceipt, "POST", build_path(model, "/feedback"), body=body)
