"""Typed clients, sync and async, of a servicio-ml server."""

from servicio_ml_client.async_client import AsyncClient
from servicio_ml_client.client import Client
from servicio_ml_client.documents import (
    ColumnDriftState,
    DriftState,
    EnqueuedMessage,
    ExplanationState,
    Fault,
    FeedbackReceipt,
    ModelState,
    Problem,
    SchemaState,
)
from servicio_ml_client.errors import (
    BadRequestError,
    ClientError,
    ConflictError,
    DeadLetterError,
    ForbiddenError,
    InvalidRecordError,
    NoResponseError,
    NotFoundError,
    PayloadTooLargeError,
    ProblemError,
    ResponseTimeoutError,
    ResultTimeoutError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedResponseError,
)
from servicio_ml_client.predictions import Prediction, PredictionBatch, PredictionFrame, RowPrediction
from servicio_ml_client.retries import RetryPolicy

__all__ = [
    "AsyncClient",
    "BadRequestError",
    "Client",
    "ClientError",
    "ColumnDriftState",
    "ConflictError",
    "DeadLetterError",
    "DriftState",
    "EnqueuedMessage",
    "ExplanationState",
    "Fault",
    "FeedbackReceipt",
    "ForbiddenError",
    "InvalidRecordError",
    "ModelState",
    "NoResponseError",
    "NotFoundError",
    "PayloadTooLargeError",
    "Prediction",
    "PredictionBatch",
    "PredictionFrame",
    "Problem",
    "ProblemError",
    "ResponseTimeoutError",
    "ResultTimeoutError",
    "RetryPolicy",
    "RowPrediction",
    "SchemaState",
    "UnauthorizedError",
    "UnavailableError",
    "UnexpectedResponseError",
]
