"""Errors as RFC 9457 problem documents."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from servicio_ml.errors import (
    ArtifactError,
    BrokerError,
    BusyError,
    DraftingClosedError,
    DraftingError,
    EncodingError,
    FieldError,
    ForbiddenError,
    InvalidError,
    JournalError,
    JsonError,
    LogError,
    LoggedRowsError,
    MediaTypeError,
    ModelFailureError,
    ModelWorkerError,
    NoSuchModelError,
    NotPublishedError,
    NotReadyError,
    PromotionError,
    RegistryError,
    RequestError,
    RetrainingError,
    RolloutError,
    ServicioError,
    StoreError,
    TextEncodingError,
    TooLargeError,
    UnauthorizedError,
    UnknownPredictionError,
)

PROBLEM_MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
"""Value of `Retry-After`: a lost service is tried again within seconds."""
MAX_REPORTED_FAULTS = 100
MAX_JSON_INTEGER = (1 << 63) - 1
"""Larger integers are written as text."""
STATUS_BY_ERROR: Mapping[type[ServicioError], HTTPStatus] = {
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EncodingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestError: HTTPStatus.BAD_REQUEST,
    JsonError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TextEncodingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NoSuchModelError: HTTPStatus.NOT_FOUND,
    UnknownPredictionError: HTTPStatus.NOT_FOUND,
    NotPublishedError: HTTPStatus.NOT_FOUND,
    PromotionError: HTTPStatus.CONFLICT,
    RolloutError: HTTPStatus.CONFLICT,
    DraftingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    DraftingClosedError: HTTPStatus.CONFLICT,
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelWorkerError: HTTPStatus.SERVICE_UNAVAILABLE,
    ModelFailureError: HTTPStatus.INTERNAL_SERVER_ERROR,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    JournalError: HTTPStatus.SERVICE_UNAVAILABLE,
    LogError: HTTPStatus.SERVICE_UNAVAILABLE,
    LoggedRowsError: HTTPStatus.CONFLICT,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
    RegistryError: HTTPStatus.SERVICE_UNAVAILABLE,
    ArtifactError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    RetrainingError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def get_status(error: ServicioError) -> HTTPStatus:
    """Return the HTTP status of an error."""
    # the nearest ancestor decides, so that a new subclass inherits its status
    for kind in type(error).__mro__:
        if kind in STATUS_BY_ERROR:
            return STATUS_BY_ERROR[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def build_problem(error: ServicioError, request_id: str) -> dict[str, Any]:
    """Build the problem document of an error; `errors` lists the faults of rows."""
    status = get_status(error)
    document = build_plain_problem(status, str(error), request_id)
    if isinstance(error, InvalidError):
        # a batch of many wrong rows would make a response larger than its request
        document["errors"] = build_fault_documents(error.faults[:MAX_REPORTED_FAULTS])
    return document


def build_fault_documents(faults: Iterable[FieldError]) -> list[dict[str, Any]]:
    """Build the documents of the faults of rows."""
    return [
        {
            "row": fault.row, "field": fault.field, "value": _to_json_value(fault.value),
            "allowed": fault.allowed, "reason": fault.reason,
        }
        for fault in faults
    ]  # fmt: skip


def build_plain_problem(status: int, detail: str, request_id: str) -> dict[str, Any]:
    """Build a problem document that has only a detail."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": int(status),
        "detail": _replace_surrogates(detail),
        "request_id": request_id,
    }


def build_status_headers(status: int) -> dict[str, str]:
    """Build the headers that belong to the status of an error."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}


def _to_json_value(value: object) -> object:
    """Convert a value to one that JSON can hold."""
    if isinstance(value, str):
        return _replace_surrogates(value)
    if isinstance(value, int):
        # orjson raises for integers beyond 64 bits
        return value if abs(value) <= MAX_JSON_INTEGER else str(value)
    # NaN and infinity are no JSON; subtraction detects both without a call
    finite = isinstance(value, float) and value - value == 0
    return value if value is None or finite else _replace_surrogates(str(value))


def _replace_surrogates(value: str) -> str:
    """Replace what UTF-8 cannot hold: JSON can name half a surrogate pair."""
    return value.encode(errors="replace").decode()
