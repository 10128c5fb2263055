"""One call of the API: what is sent, how the answer is read, and when the call may be repeated."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

Answer = TypeVar("Answer")
JSON, JSON_LINES = "application/json", "application/x-ndjson"
ARROW_STREAM = "application/vnd.apache.arrow.stream"


class Repeat(StrEnum):
    """When a call may be sent again.

    Every call is repeated if no connection was made, or if the server refused it for its rate (429).

    Attributes:
        ALWAYS: After every failure that may pass: the call changes nothing, or nothing more a second time.
        IF_REFUSED: If the server refused it before any work (503): after a lost answer, the same rows would
            be logged and counted twice.
        IF_UNSENT: In the two cases above only: after a 503, the record may be in the stream already.
    """

    ALWAYS = "always"
    IF_REFUSED = "if_refused"
    IF_UNSENT = "if_unsent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[Answer]):
    """A call that any transport can send.

    Attributes:
        method: HTTP method.
        path: Path below the address of the server.
        read: Parses the body of a successful answer; raises `ValueError` for another form.
        repeat: When it may be sent again.
        query: Query parameters.
        body: Body; none when None.
        content_type: Media type of the body, and of the answer that is asked for.
        headers: Further headers.
    """

    method: str
    path: str
    read: Callable[[bytes], Answer]
    repeat: Repeat
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
