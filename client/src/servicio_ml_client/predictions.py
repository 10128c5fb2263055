"""Predictions as a server answers them; which fields are present depends on the task of the model."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from servicio_ml_client.documents import Document, Fault

Frame = TypeVar("Frame")


class Prediction(Document):
    """Prediction of a record."""

    prediction: int | float
    """Index of the label, or the number of a regression."""
    label: str | None = None
    """Label; None for a regression."""
    probability: float | None = None
    """Probability of the positive class; None for other tasks."""
    probabilities: dict[str, float] | None = None
    """Probability of each of several classes; None for other tasks."""
    lower: float | None = None
    """Lower bound of the number of a regression; None unless asked with `interval`."""
    upper: float | None = None
    label_set: list[str] | None = None
    """Labels that hold the true one as often as `interval` says, which may be none; None unless asked."""
    probability_lower: float | None = None
    """Lower bound of `probability`; None unless asked with `interval`."""
    probability_upper: float | None = None
    interval: float | None = None
    """Level of the interval or set."""
    outlier_score: float | None = None
    """How unusual the record is, 0 to 1; None unless asked with `outlier`."""
    outlier_limit: float | None = None
    """Score above which a record is an outlier."""
    model: str
    version: int
    prediction_id: str
    """Id by which the ground truth is reported."""


class RowPrediction(Document):
    """Prediction of a row of a batch; with `on_error="partial"`, all of it is None for a refused row."""

    prediction: int | float | None
    label: str | None = None
    probability: float | None = None
    probabilities: dict[str, float] | None = None
    lower: float | None = None
    upper: float | None = None
    label_set: list[str] | None = None
    probability_lower: float | None = None
    probability_upper: float | None = None
    outlier_score: float | None = None
    prediction_id: str | None
    error: str | None = None
    """Reason why the row is refused."""


class PredictionBatch(Document):
    """Predictions in the order of the rows."""

    model: str
    version: int
    predictions: list[RowPrediction]
    interval: float | None = None
    """Level of the intervals or sets; None unless asked with `interval`."""
    outlier_limit: float | None = None
    """Score above which a row is an outlier; None unless asked with `outlier`."""
    refused: int | None = None
    """Number of refused rows; None unless asked with `on_error="partial"`."""
    errors: list[Fault] | None = None
    """Faults of the refused rows, at most 1,000; None unless asked with `on_error="partial"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionFrame(Generic[Frame]):
    """Predictions as a frame of the library that the rows came from.

    Attributes:
        model: Name of the model.
        version: Version that answered.
        predictions: One row for each row, in the same order, with the columns of `RowPrediction`; a pandas
            frame keeps its index.
        refused: Number of refused rows; None unless asked with `on_error="partial"`.
        interval: Level of the intervals or sets; None unless asked with `interval`.
        outlier_limit: Score above which a row is an outlier; None unless asked with `outlier`.
    """

    model: str
    version: int
    predictions: Frame
    refused: int | None
    interval: float | None = None
    outlier_limit: float | None = None
