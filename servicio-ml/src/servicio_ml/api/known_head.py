"""Head of a prediction that a connection sends again and again, so that it is parsed once.

Programs repeat the same bytes on a connection but for the digits of `Content-Length`. What the parser has
found in them holds for every request that differs in nothing else; all others go to the parser.
"""

from dataclasses import dataclass

from servicio_ml.serving.http.asgi import Message
from servicio_ml.serving.rest.predict import PredictTarget

HEAD_END = b"\r\n\r\n"
LENGTH_NAME = b"content-length"
LENGTH_LINE = b"\r\n" + LENGTH_NAME + b": "
MAX_LENGTH_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownHead:
    """Head of a request that was parsed.

    Attributes:
        start: Bytes before the digits of the length.
        end: Bytes after the digits.
        scope: ASGI scope of the request.
        length_place: Index of the length among its headers.
        target: Target of the request.
    """

    start: bytes
    end: bytes
    scope: Message
    length_place: int
    target: PredictTarget

    def find_length(self, data: bytes) -> bytes | None:
        """Find the digits of the length, if the data is this head and one complete body."""
        start = len(self.start)
        end = data.find(b"\r", start, start + MAX_LENGTH_DIGITS + 1)
        digits = data[start:end]
        if not (digits.isdigit() and data.startswith(self.start) and data.startswith(self.end, end)):
            return None
        return digits if int(digits) == len(data) - end - len(self.end) else None

    def build_scope(self, length: bytes) -> Message:
        """Build the ASGI scope of a request with this head and another length."""
        headers = self.scope["headers"].copy()
        headers[self.length_place] = (LENGTH_NAME, length)
        return {**self.scope, "headers": headers, "state": self.scope["state"].copy()}


def find_known_head(data: bytes, body_bytes: int, scope: Message, target: PredictTarget) -> KnownHead | None:
    """Find the head of a parsed request, if the data is that request and nothing else.

    Args:
        data: Received bytes, which begin with a request.
        body_bytes: Number of bytes of the parsed body.
        scope: ASGI scope of the request.
        target: Target of the request.
    """
    head = data[: data.find(HEAD_END) + len(HEAD_END)]
    place = head.lower().find(LENGTH_LINE)
    # otherwise the request came in parts, others follow it, or its length is written in another way
    if len(head) + body_bytes != len(data) or place < 0:
        return None
    start = place + len(LENGTH_LINE)
    end = head.index(b"\r", start)
    names = [name for name, _ in scope["headers"]]
    if names.count(LENGTH_NAME) != 1 or not head[start:end].isdigit():
        return None
    return KnownHead(
        start=head[:start], end=head[end:], scope=scope, length_place=names.index(LENGTH_NAME), target=target
    )
