"""HTTP calls to one service, and the two errors they raise: unreachable and refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

CONNECT_SECONDS, READ_SECONDS = 2.0, 30.0
MAX_DETAIL_CHARACTERS = 300
KEY_HEADER = "X-API-Key"
Answer = TypeVar("Answer")


class UnreachableError(Exception):
    """A service does not respond, or its response has an unexpected form.

    Attributes:
        url: Address of the service.
        reason: Description of the failure.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{url}: {reason}")
        self.url, self.reason = url, reason

    def __reduce__(self) -> tuple[type["UnreachableError"], tuple[str, str]]:
        return type(self), (self.url, self.reason)


class FieldError(BaseModel):
    """A value that the server refused: row (from 0), field, value, and what is allowed."""

    row: int | None = None
    field: str | None = None
    value: Any = None
    allowed: str = ""
    reason: str = ""


class RefusedError(Exception):
    """A service answered a request with an error.

    Attributes:
        status: HTTP status code.
        detail: Explanation of the service, cut to 300 characters.
        field_errors: Refused values; empty where the service names none.
    """

    def __init__(self, status: int, detail: str, field_errors: Sequence[FieldError] = ()) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.field_errors = status, detail, list(field_errors)

    def __reduce__(self) -> tuple[type["RefusedError"], tuple[int, str, list[FieldError]]]:
        return type(self), (self.status, self.detail, self.field_errors)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """Connection to one service.

    Attributes:
        http: HTTP client with the open connections; sessions may share it.
        url: Address of the service.
        key: API key of each request; none is sent when empty.
    """

    http: httpx.Client = field(repr=False)
    url: str
    key: str = field(default="", repr=False)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        content: bytes | None = None,
        seconds: float = READ_SECONDS,
    ) -> httpx.Response:
        """Send a request and return the successful response.

        Args:
            method: HTTP method.
            path: Path below the address.
            params: Query parameters; those that are None are left out.
            body: JSON body; none when None.
            content: Body of bytes; none when None.
            seconds: Maximum wait for the response.

        Raises:
            UnreachableError: The service does not respond.
            RefusedError: The response is not a success.
        """
        query = {name: value for name, value in (params or {}).items() if value is not None}
        # as bytes: a reader may type any characters, and a key outside ASCII is a wrong key, not a failure
        headers = {KEY_HEADER.encode(): self.key.strip().encode()} if self.key.strip() else {}
        try:
            response = self.http.request(
                method, self.url.rstrip("/") + path, params=query, json=body, content=content,
                headers=headers, timeout=httpx.Timeout(seconds, connect=CONNECT_SECONDS),
            )  # fmt: skip
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UnreachableError(self.url, str(error) or type(error).__name__) from error
        if not response.is_success:
            raise _parse_refusal(response)
        return response

    def fetch(
        self,
        kind: type[Answer],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        seconds: float = READ_SECONDS,
    ) -> Answer:
        """Send a request and parse its JSON response.

        Args:
            kind: Type of the result.
            method: HTTP method.
            path: Path below the address.
            params: Query parameters; those that are None are left out.
            body: JSON body; none when None.
            seconds: Maximum wait for the response.

        Raises:
            UnreachableError: The service does not respond, or the response does not fit the type.
            RefusedError: The response is not a success.
        """
        response = self.request(method, path, params=params, body=body, seconds=seconds)
        try:
            return TypeAdapter(kind).validate_json(response.content)
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"the response of {path} has an unexpected form: {first['loc']}: {first['msg']}"
            raise UnreachableError(self.url, problem) from error


def connect(url: str, key: str = "") -> Transport:
    """Create a transport with an HTTP client of its own."""
    http = httpx.Client(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS), trust_env=False, follow_redirects=False
    )
    return Transport(http=http, url=url, key=key)


def _parse_refusal(response: httpx.Response) -> RefusedError:
    try:
        document = response.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    title = document.get("title") or response.reason_phrase or "no reason given"
    detail = document.get("detail") or document.get("error") or title
    try:
        faults = TypeAdapter(list[FieldError]).validate_python(document.get("errors") or [])
    except ValidationError:
        faults = []
    return RefusedError(response.status_code, str(detail)[:MAX_DETAIL_CHARACTERS], faults)
