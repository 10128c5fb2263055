"""One HTTP call while it is in flight, and its response."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

CALL_KEY = "servicio_ml.call"
"""Key of the call in the ASGI scope."""
TRACE_KEY = "servicio_ml.trace"
"""Key of the trace id in the ASGI scope."""
OIP_PREFIX = "/v2"
"""Prefix of the paths of the Open Inference Protocol, which defines its own error documents."""
UNMATCHED_ROUTE = "unmatched"
"""Route label of requests that match no route."""
JSON = "application/json"


class HttpResponse(NamedTuple):
    """A response that is ready to be sent."""

    status: int
    body: bytes
    media_type: str = JSON
    # a NamedTuple, not a dataclass: it is built once per request on the fast path
    headers: Mapping[str, str] = {}


@dataclass(slots=True, kw_only=True)
class HttpCall:
    """A call in flight.

    Attributes:
        method: HTTP method.
        path: Decoded path.
        query: Query string, undecoded.
        headers: Headers by their lower-case name; the last one counts where a name occurs twice.
        request_id: Id from the client, or a generated one.
        started: Reading of the performance counter, in seconds.
        key: Name of the API key; empty where none is required.
        route: Template of the path, once it is known.
        status: Status of the response, once it is known.
        details: Additional fields of the log line.
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    request_id: str
    started: float
    key: str = ""
    route: str = UNMATCHED_ROUTE
    # a call that never got a response is counted as an internal error
    status: int = 500
    details: dict[str, object] = field(default_factory=dict)

    @property
    def client_key(self) -> str:
        """Key that decides whether a client is in the canary: `X-Client-Key`, or the name of the API key."""
        given = self.headers.get(b"x-client-key")
        return self.key if given is None else given.decode("latin-1")
