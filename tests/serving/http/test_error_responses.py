"""Errors of every kind as responses, in the document that the path's protocol defines."""

import json
from http import HTTPStatus

import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from servicio_ml.errors import BusyError, FieldError, InvalidError, UnauthorizedError
from servicio_ml.serving.http.error_responses import INTERNAL_ERROR, build_error_response

FAULT = FieldError(row=2, field="size", value="big", allowed="a number", reason="type")
INVALID_QUERY = RequestValidationError([{"loc": ("query", "period"), "msg": "no month", "type": "value"}])


@pytest.mark.parametrize(
    ("error", "status", "detail", "headers"),
    [
        (InvalidError("small", [FAULT]), 422, "size", {}),
        (UnauthorizedError(), 401, "key", {"WWW-Authenticate": "Bearer"}),
        (BusyError(3), 503, "3", {"Retry-After": "1"}),
        (INVALID_QUERY, 422, "query.period: no month", {}),
        (HTTPException(405, "GET is not allowed", {"Allow": "POST"}), 405, "GET", {"Allow": "POST"}),
        (HTTPException(404), 404, "nothing is served at", {}),
        (ZeroDivisionError("secret"), 500, INTERNAL_ERROR, {}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("path", ["/models/small/drift", "/v2/models/small"])
def test_an_error_has_one_response(
    error: Exception, status: int, detail: str, headers: dict[str, str], path: str
) -> None:
    response = build_error_response(error, path, "the id")
    document = json.loads(response.body)
    assert response.status == status
    assert dict(response.headers) == headers
    assert b"secret" not in response.body
    if path.startswith("/v2"):
        assert document.keys() == {"error"}
        assert detail in document["error"]
    else:
        assert response.media_type == "application/problem+json"
        assert detail in document["detail"]
        assert (document["request_id"], document["title"]) == ("the id", HTTPStatus(status).phrase)
        assert ("errors" in document) == isinstance(error, InvalidError)
