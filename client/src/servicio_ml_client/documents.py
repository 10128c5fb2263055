"""Documents of the API, generated from its OpenAPI document by `make docs`; do not edit them."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """A JSON object of the API; what a newer server adds to it is ignored."""

    model_config = ConfigDict(frozen=True)


class DriftWindow(Document):
    """A time window; `start` is inclusive, `end` exclusive."""

    start: datetime
    end: datetime


class ColumnDriftState(Document):
    """Drift of a feature or of the prediction."""

    name: str
    psi: float | None
    """Population stability index (PSI); null when the window has no rows."""
    threshold: float | None
    """PSI from which the column counts as drifted, given the number of rows."""
    drifted: bool
    missing: float | None
    """Share of the rows without a value."""
    reference_missing: float
    """Share of the training rows without a value, smoothed."""
    current: dict[str, float]
    """Share of the rows in each bin; empty without rows."""
    reference: dict[str, float]
    """Share of the training rows of the same seasons in each bin, smoothed."""


class DriftState(Document):
    """Rows of a window compared with the training rows."""

    model: str
    version: int
    window: DriftWindow
    rows: int
    """Number of logged rows that this version scored in the window."""
    reference_rows: int
    """Number of training rows in the seasons of these rows."""
    drifted_share: float
    """Share of the features that drifted."""
    features: list[ColumnDriftState]
    prediction: ColumnDriftState


class EnqueuedMessage(Document):
    """Position of the request; its entry in the model's results has `request` = `message_id`."""

    message_id: str
    stream: str


class ExplanationState(Document):
    """Explanation of a record's score."""

    model: str
    version: int
    label: str | None
    """Class of the probability: the positive one, or the predicted one of several; null for a regression."""
    base: float
    """Mean score of the background rows, which are the golden rows of the version."""
    score: float
    """Score of the record: a calibrated probability, or the number."""
    contributions: dict[str, float]
    """Contribution of each field; their sum is score - base."""


FeedbackStatus = Literal["accepted", "known", "corrected", "unknown"]
"""Outcome of reported ground truth."""


class FeedbackReceipt(Document):
    """Outcome of reported ground truth: an equal value changes nothing, another one is a new revision."""

    prediction_id: str | None
    """Id of the prediction; null where none has the identifier."""
    identifier: str | None
    """Identifier of the row; null where the id was given."""
    status: FeedbackStatus
    revision: int | None
    """1 for the first value; null for an unknown prediction."""


class FeedbackReceipts(Document):
    """Outcomes in the order of the request."""

    labels: list[FeedbackReceipt]


class VersionDescription(Document):
    """Kind and quality of a version; null or empty where those who registered it have not written it."""

    candidate: str | None
    """Name of the candidate of the training."""
    family: str | None
    """Family of the candidate, or the kind of file that was imported."""
    framework: str | None
    """Libraries that fitted it, with their versions; null for an imported model."""
    params: dict[str, str | int | float | bool | None]
    """Hyperparameters, tuned and fixed; absent ones have the defaults of the library."""
    metrics: dict[str, float | None]
    """Metrics on the holdout; null where one is undefined."""


Runtime = Literal["onnx", "isolated_process"]
"""What runs a model."""


class TrafficState(Document):
    """Shares of the traffic that the challenger gets."""

    shadow: float
    """Share of the live rows that the challenger also scores, without answering."""
    canary: float
    """Share of the clients, by their key, that the challenger answers."""


class VersionInfo(Document):
    """A registered version."""

    version: int
    aliases: list[str]
    run_id: str
    created: float
    """Seconds since 1970."""
    tags: dict[str, str]


class ModelState(Document):
    """State of a model."""

    model: str
    task: str | None
    champion: int | None
    """The version that answers."""
    description: VersionDescription | None
    """Kind, hyperparameters and metrics of the champion."""
    features: list[str]
    """Columns that the champion reads: fields of a record and columns derived from them."""
    runtime: Runtime | None
    """What runs the champion: ONNX Runtime in the server, or an isolated process of its own."""
    row_seconds: float | None
    """Median time of one row in the isolated process, in seconds, as measured when the model was imported;
    null for ONNX.
    """
    challenger: int | None
    """The challenger, loaded while it has traffic."""
    loaded: float | None
    """Time when the champion was loaded, in seconds since 1970."""
    checked: float
    """Time when the registry was last read, in seconds since 1970."""
    problem: str
    """Reason why the registry's champion does not answer; else empty."""
    use_case_problem: str
    """Reason why the user's file of the use case is disabled; else empty."""
    traffic: TrafficState
    versions: list[VersionInfo]


class Fault(Document):
    """A value that is refused."""

    row: int
    field: str
    value: Any
    allowed: str
    reason: Literal["missing", "unknown_field", "type", "range", "level"]


class Problem(Document):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | None = None


class SchemaField(Document):
    """A field of a request."""

    name: str
    kind: str
    description: str
    unit: str
    minimum: float | None
    maximum: float | None
    levels: list[str]
    any_text: bool
    """Whether a text that is no level is taken, as the level `other`."""
    nullable: bool
    example: float | str | bool
    default: float | str | bool | None
    """Typical value of the training rows; null where most of them miss it."""


class FieldLocations(Document):
    """Coordinates of a field's levels."""

    field: str
    points: dict[str, tuple[float, float]]
    """Level to latitude and longitude in degrees, south and west negative."""


class SchemaState(Document):
    """Input and output of the champion."""

    model: str
    version: int
    task: str
    labels: list[str]
    threshold: float
    description: str
    """Description of the target; empty where the version has none."""
    unit: str
    """Unit of a regression's prediction."""
    fields: list[SchemaField]
    identifier: str | None
    """Raw column that identifies a row; a record may have its text as `identifier` beside the fields. Null
    where records have none.
    """
    max_interval: float | None
    """Greatest level that `interval` may ask for; null for a version without any."""
    outlier_limit: float | None
    """Score above which a record is an outlier; null for a version without `outlier`."""
    places: FieldLocations | None
    """Coordinates; null unless a field's levels are places."""
