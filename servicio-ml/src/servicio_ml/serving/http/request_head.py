"""Checks of a request's head that HTTP leaves to the server: repeated headers, encodings, encoded slashes."""

from collections import Counter
from collections.abc import Mapping, Sequence

from servicio_ml.errors import ContentEncodingError, RequestError
from servicio_ml.serving.http.asgi import Message

SINGLE_HEADERS = (
    b"authorization", b"content-encoding", b"content-length", b"content-type", b"expect", b"host", b"origin",
    b"inference-header-content-length", b"x-api-key", b"x-client-key", b"x-request-id",
)  # fmt: skip
"""Headers that a request has once: of two values, two readers could take different ones."""
ENCODED_SLASH = b"%2f"


def check_request_head(scope: Message, headers: Mapping[bytes, bytes]) -> None:
    """Refuse a request whose head two readers could take differently, or whose body is compressed.

    Args:
        scope: ASGI scope of the request.
        headers: Its headers by name.

    Raises:
        RequestError: A header stands twice, Host is missing, or the path holds an encoded slash.
        ContentEncodingError: The body is compressed.
    """
    # the usual case costs a comparison and two searches
    if len(headers) != len(scope["headers"]):
        _check_repeated(scope["headers"])
    if b"content-encoding" in headers:
        _check_encoding(headers[b"content-encoding"])
    if b"host" not in headers and scope["http_version"] == "1.1":
        raise RequestError("the request has no header Host", "send it, as HTTP/1.1 demands")
    # optional in ASGI
    raw_path = scope.get("raw_path") or b""
    if b"%" in raw_path and ENCODED_SLASH in raw_path.lower():
        raise RequestError("the path holds an encoded slash", "send / where names end; no name holds one")


def _check_repeated(headers: Sequence[tuple[bytes, bytes]]) -> None:
    counts = Counter(name for name, _ in headers)
    for name in SINGLE_HEADERS:
        if counts[name] > 1:
            raise RequestError(f"the header {name.decode()} stands {counts[name]} times", "send it once")


def _check_encoding(encoding: bytes) -> None:
    if encoding.strip().lower() not in {b"", b"identity"}:
        raise ContentEncodingError(encoding.decode("latin-1"))
