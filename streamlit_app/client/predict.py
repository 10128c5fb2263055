"""What the pages ask a model: what it takes, its answers, why, what if, and what really happened."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field

from streamlit_app.client.service import path
from streamlit_app.client.transport import Transport

Value = str | int | float | None
Record = Mapping[str, Value]
NUMBER, INTEGER, CATEGORY, DATE = "number", "integer", "category", "date"
"""Kinds of fields."""
BINARY, REGRESSION = "binary", "regression"
"""Tasks besides that of several classes."""


class FieldInfo(BaseModel):
    """A field of a record; its default is a usual value, None where it is mostly missing."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    nullable: bool
    default: Value


class Places(BaseModel):
    """Where the levels of a field are: latitude and longitude in degrees."""

    field: str
    points: dict[str, tuple[float, float]]


class Schema(BaseModel):
    """What a model takes and gives."""

    model: str
    version: int
    task: str
    labels: list[str]
    threshold: float
    description: str = ""
    unit: str = ""
    fields: list[FieldInfo]
    places: Places | None

    def field(self, name: str) -> FieldInfo:
        """The field of a name that is known."""
        return next(each for each in self.fields if each.name == name)


class Answer(BaseModel):
    """An answer to a record: of two classes a probability, of several one each, of a regression neither."""

    prediction: float
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] = Field(default_factory=dict)
    prediction_id: str


class Prediction(Answer):
    """An answer with who gave it."""

    model: str
    version: int


class Batch(BaseModel):
    """Answers in the order of the records."""

    model: str
    version: int
    predictions: list[Answer]


class Explanation(BaseModel):
    """What each field adds to the score of a record; together they are `score - base`."""

    label: str | None
    base: float
    score: float
    contributions: dict[str, float]


class Curve(BaseModel):
    """The score of a record at other values of one field; `value` and `score` are its own."""

    field: str
    label: str | None
    value: Value
    score: float
    grid: list[Value] = Field(validation_alias="values")
    scores: list[float]


class Receipt(BaseModel):
    """What became of what really happened."""

    prediction_id: str
    status: str
    revision: int | None


def schema(api: Transport, model: str) -> Schema:
    """What the champion takes and gives."""
    return api.ask(Schema, "GET", path(model, "/schema"))


def predict(api: Transport, model: str, record: Record) -> Prediction:
    """The answer to a record; it is logged."""
    return api.ask(Prediction, "POST", path(model, "/predict"), body=dict(record))


def predict_many(api: Transport, model: str, records: Sequence[Record]) -> Batch:
    """The answers to records; they are logged, or none of them when one is refused."""
    return api.ask(
        Batch, "POST", path(model, "/predict/batch"), body={"records": [dict(each) for each in records]}
    )


def explain(api: Transport, model: str, record: Record, version: int) -> Explanation:
    """Why a version gives a record its score; it is not logged."""
    return api.ask(
        Explanation, "POST", path(model, "/explain"), params={"version": version}, body=dict(record)
    )


def what_if(api: Transport, model: str, record: Record, field: str, version: int) -> Curve:
    """What a version's score would be with other values of a field; it is not logged."""
    body = {"record": dict(record), "field": field}
    return api.ask(Curve, "POST", path(model, "/what-if"), params={"version": version}, body=body)


def feedback(api: Transport, model: str, prediction_id: str, actual: str | float) -> Receipt:
    """Report what really happened."""
    body = {"prediction_id": prediction_id, "actual": actual}
    return api.ask(Receipt, "POST", path(model, "/feedback"), body=body)
