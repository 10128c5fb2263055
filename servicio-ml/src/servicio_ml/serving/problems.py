"""Errors as HTTP answers: RFC 9457 problem documents."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from servicio_ml.errors import (
    ArtifactError,
    BrokerError,
    BusyError,
    EncodingError,
    ForbiddenError,
    InvalidError,
    JournalError,
    LogError,
    MediaTypeError,
    NoSuchModelError,
    NotPublishedError,
    NotReadyError,
    PromotionError,
    RegistryError,
    RequestError,
    RetrainingError,
    ServicioError,
    StoreError,
    TooLargeError,
    UnauthorizedError,
    UnknownPredictionError,
)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1
"""What `Retry-After` says: whatever is missing is looked for again within seconds."""
SHOWN_FAULTS = 100
GREATEST_INTEGER = (1 << 63) - 1
"""Greater ones are told as text."""
STATUS: Mapping[type[ServicioError], HTTPStatus] = {
    InvalidError: HTTPStatus.UNPROCESSABLE_ENTITY,
    EncodingError: HTTPStatus.UNPROCESSABLE_ENTITY,
    RequestError: HTTPStatus.BAD_REQUEST,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    MediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    NoSuchModelError: HTTPStatus.NOT_FOUND,
    UnknownPredictionError: HTTPStatus.NOT_FOUND,
    NotPublishedError: HTTPStatus.NOT_FOUND,
    PromotionError: HTTPStatus.CONFLICT,
    UnauthorizedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    NotReadyError: HTTPStatus.SERVICE_UNAVAILABLE,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    JournalError: HTTPStatus.SERVICE_UNAVAILABLE,
    LogError: HTTPStatus.SERVICE_UNAVAILABLE,
    BrokerError: HTTPStatus.SERVICE_UNAVAILABLE,
    RegistryError: HTTPStatus.SERVICE_UNAVAILABLE,
    ArtifactError: HTTPStatus.SERVICE_UNAVAILABLE,
    StoreError: HTTPStatus.SERVICE_UNAVAILABLE,
    RetrainingError: HTTPStatus.SERVICE_UNAVAILABLE,
}


def status_of(error: ServicioError) -> HTTPStatus:
    """The status that an error is answered with."""
    for kind in type(error).__mro__:
        if kind in STATUS:
            return STATUS[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem(error: ServicioError, request_id: str) -> dict[str, Any]:
    """The problem document of an error; the faults of rows stand in `errors`."""
    status = status_of(error)
    document = plain_problem(status, str(error), request_id)
    if isinstance(error, InvalidError):
        document["errors"] = [
            {
                "row": fault.row, "field": fault.field, "value": _told(fault.value),
                "allowed": fault.allowed, "reason": fault.reason,
            }
            for fault in error.faults[:SHOWN_FAULTS]
        ]  # fmt: skip
    return document


def plain_problem(status: int, detail: str, request_id: str) -> dict[str, Any]:
    """A problem document without more than a detail."""
    title = HTTPStatus(status).phrase
    return {
        "type": "about:blank",
        "title": title,
        "status": int(status),
        "detail": _text(detail),
        "request_id": request_id,
    }


def headers_of(status: int) -> dict[str, str]:
    """The headers that go with an error's status."""
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        return {"Retry-After": str(RETRY_SECONDS)}
    return {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}


def _told(value: object) -> object:
    """A value that JSON can hold."""
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if abs(value) <= GREATEST_INTEGER else str(value)
    finite = isinstance(value, float) and value - value == 0
    return value if value is None or finite else _text(str(value))


def _text(value: str) -> str:
    """Text that UTF-8 can hold: JSON can name half a surrogate pair."""
    return value.encode(errors="replace").decode()
