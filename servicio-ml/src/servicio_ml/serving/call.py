"""One HTTP call: what is known of it while it is in hand, and what it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple

import orjson

from servicio_ml.errors import ServicioError
from servicio_ml.serving.problems import MEDIA_TYPE, headers_of, plain_problem, problem, status_of

CALL = "servicio_ml.call"
"""Where the ASGI scope keeps it."""
TRACE = "servicio_ml.trace"
"""Where it keeps the id of the trace."""
OIP = "/v2"
"""Paths of the Open Inference Protocol, which has error documents of its own."""
UNMATCHED = "unmatched"
"""The route of what no route answers."""
JSON = "application/json"


class Response(NamedTuple):
    """An answer, ready to be sent."""

    status: int
    body: bytes
    media_type: str = JSON
    headers: Mapping[str, str] = {}


@dataclass(slots=True, kw_only=True)
class Call:
    """A call in hand.

    Attributes:
        method: Of HTTP.
        path: As asked for.
        query: As asked for, undecoded.
        headers: In lower case; the last one counts where a name stands twice.
        request_id: Given by the client or made here.
        started: Reading of the performance counter.
        key: Name of the API key; empty where none is asked for.
        route: Template of the path, once it is known.
        status: That it is answered with, once it is known.
        details: What the log line says besides.
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    request_id: str
    started: float
    key: str = ""
    route: str = UNMATCHED
    status: int = 500
    details: dict[str, object] = field(default_factory=dict)

    @property
    def client(self) -> str:
        """By which the canary's share is chosen: `X-Client-Key`, or the name of the API key."""
        given = self.headers.get(b"x-client-key")
        return self.key if given is None else given.decode("latin-1")


def refusal(error: ServicioError, path: str, request_id: str) -> Response:
    """What an error is answered with: a problem document, or that of the Open Inference Protocol."""
    status = status_of(error)
    if path.startswith(OIP):
        return plain_refusal(status, str(error), path, request_id)
    return Response(status, orjson.dumps(problem(error, request_id)), MEDIA_TYPE, headers_of(status))


def plain_refusal(status: int, detail: str, path: str, request_id: str) -> Response:
    """The same of a status and a detail."""
    # JSON can name half a surrogate pair, which UTF-8 cannot hold
    told = detail.encode(errors="replace").decode()
    if path.startswith(OIP):
        return Response(status, orjson.dumps({"error": told}), JSON, headers_of(status))
    document = plain_problem(status, told, request_id)
    return Response(status, orjson.dumps(document), MEDIA_TYPE, headers_of(status))


def failure(path: str, request_id: str) -> Response:
    """The answer when the fault is ours."""
    detail = "the server failed; its log has the traceback under this request id"
    return plain_refusal(HTTPStatus.INTERNAL_SERVER_ERROR, detail, path, request_id)
