"""Documents of ground truth: what a client sends and the receipts that it gets."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from servicio_ml.features.requests.request_models import IDENTIFIER_DOCUMENT

MAX_ID_CHARACTERS = 64


class FeedbackStatus(StrEnum):
    """Outcome of reported ground truth."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    CORRECTED = "corrected"
    UNKNOWN = "unknown"


class GroundTruthInput(BaseModel):
    """Ground truth of a prediction, named by its id or by the identifier of its row."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prediction_id: str | None = Field(
        default=None, description="Id from the prediction's response.", max_length=MAX_ID_CHARACTERS
    )
    # validated as in a prediction's request
    identifier: Annotated[Any, WithJsonSchema(IDENTIFIER_DOCUMENT)] = Field(
        default=None,
        description="Identifier of a row, instead of the id: its latest prediction.",
    )
    # validated against the model, for an error that names its labels
    actual: Annotated[Any, WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}]})] = Field(
        description="Label of the model, or number for a regression."
    )


class GroundTruthBatch(BaseModel):
    """A batch of ground truth."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    labels: list[GroundTruthInput] = Field(min_length=1)


class FeedbackReceipt(BaseModel):
    """Outcome of reported ground truth: an equal value changes nothing, another one is a new revision."""

    prediction_id: str | None = Field(description="Id of the prediction; null where none has the identifier.")
    identifier: str | None = Field(description="Identifier of the row; null where the id was given.")
    status: FeedbackStatus
    revision: int | None = Field(description="1 for the first value; null for an unknown prediction.")


class FeedbackReceipts(BaseModel):
    """Outcomes in the order of the request."""

    labels: list[FeedbackReceipt]
