"""The one place that turns an error into an HTTP response."""

from collections.abc import Mapping
from http import HTTPStatus

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from servicio_ml.errors import ServicioError
from servicio_ml.serving.http.call import JSON, OIP_PREFIX, HttpResponse
from servicio_ml.serving.http.problems import (
    PROBLEM_MEDIA_TYPE,
    build_plain_problem,
    build_problem,
    build_status_headers,
    get_status,
)

INTERNAL_ERROR = "the server failed; its log has the traceback under this request id"


def build_error_response(error: Exception, path: str, request_id: str) -> HttpResponse:
    """Build the response of an error: a problem document, or one of the Open Inference Protocol.

    Args:
        error: Error of the platform or of the framework; any other one is an internal error, without details.
        path: Path of the request, which decides the kind of document.
        request_id: Id under which the log has the traceback of an internal error.
    """
    if isinstance(error, ServicioError) and not path.startswith(OIP_PREFIX):
        body = orjson.dumps(build_problem(error, request_id))
        return HttpResponse(
            get_status(error), body, PROBLEM_MEDIA_TYPE, build_status_headers(get_status(error))
        )
    status, detail, headers = _describe(error, path)
    return _build_plain_response(status, detail, path, request_id, headers)


def _describe(error: Exception, path: str) -> tuple[int, str, Mapping[str, str]]:
    """Return status, detail and additional headers of an error."""
    if isinstance(error, ServicioError):
        return get_status(error), str(error), {}
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        return HTTPStatus.UNPROCESSABLE_ENTITY, f"{where}: {first['msg']}", {}
    if isinstance(error, HTTPException):
        unknown = error.status_code == HTTPStatus.NOT_FOUND
        detail = f"nothing is served at {path}; see /docs" if unknown else str(error.detail)
        return error.status_code, detail, error.headers or {}
    return HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_ERROR, {}


def _build_plain_response(
    status: int, detail: str, path: str, request_id: str, headers: Mapping[str, str]
) -> HttpResponse:
    every = {**build_status_headers(status), **headers}
    # JSON can name half a surrogate pair, which UTF-8 cannot hold
    text = detail.encode(errors="replace").decode()
    if path.startswith(OIP_PREFIX):
        return HttpResponse(status, orjson.dumps({"error": text}), JSON, every)
    document = build_plain_problem(status, text, request_id)
    return HttpResponse(status, orjson.dumps(document), PROBLEM_MEDIA_TYPE, every)
