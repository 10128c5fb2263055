"""One HTTP service as the pages ask it, and the two ways in which it may fail them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

CONNECT_SECONDS, READ_SECONDS = 2.0, 30.0
SHOWN_CHARACTERS = 300
KEY_HEADER = "X-API-Key"
Answer = TypeVar("Answer")


class Unreachable(Exception):  # noqa: N818  it says what is the matter
    """A service does not answer, or not as it should.

    Attributes:
        url: Its address.
        problem: What happened, in words.
    """

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(f"{url}: {problem}")
        self.url, self.problem = url, problem

    def __reduce__(self) -> tuple[type["Unreachable"], tuple[str, str]]:
        return type(self), (self.url, self.problem)


class Fault(BaseModel):
    """One value that a request was refused for: its row from 0, its field, and what that takes."""

    row: int | None = None
    field: str | None = None
    value: Any = None
    allowed: str = ""
    reason: str = ""


class Refused(Exception):  # noqa: N818  as above
    """A service answered no.

    Attributes:
        status: Of HTTP.
        detail: Why, in words.
        faults: The values that are wrong, where it names them.
    """

    def __init__(self, status: int, detail: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(f"{status}: {detail}")
        self.status, self.detail, self.faults = status, detail, list(faults)

    def __reduce__(self) -> tuple[type["Refused"], tuple[int, str, list[Fault]]]:
        return type(self), (self.status, self.detail, self.faults)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """The way to one service.

    Attributes:
        http: Keeps the connections; safe to share between sessions.
        url: The service's address.
        key: Sent with each call; none when empty.
    """

    http: httpx.Client = field(repr=False)
    url: str
    key: str = field(default="", repr=False)

    def raw(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> httpx.Response:
        """Ask and give the good answer as it is.

        Args:
            method: Of HTTP.
            path: Below the address.
            params: Of the query; those that are None are left out.
            body: Sent as JSON; nothing when None.

        Raises:
            Unreachable: There is no answer.
            Refused: The answer is no.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        # as bytes: anything may be typed as a key, and what is not ASCII is a wrong key, no fault of ours
        sent = {KEY_HEADER.encode(): self.key.strip().encode()} if self.key.strip() else {}
        try:
            answer = self.http.request(
                method, self.url.rstrip("/") + path, params=given, json=body, headers=sent
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(self.url, str(error) or type(error).__name__) from error
        if not answer.is_success:
            raise _refusal(answer)
        return answer

    def ask(
        self,
        kind: type[Answer],
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
    ) -> Answer:
        """As `raw`, with the JSON answer read as a type.

        Raises:
            Unreachable: Also when the answer is of another shape.
        """
        answer = self.raw(method, path, params=params, body=body)
        try:
            return TypeAdapter(kind).validate_json(answer.content)
        except ValidationError as error:
            first = error.errors()[0]
            problem = f"{path} answers otherwise than expected: {first['loc']}: {first['msg']}"
            raise Unreachable(self.url, problem) from error


def opened(url: str, key: str = "") -> Transport:
    """A way to a service."""
    http = httpx.Client(
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS), trust_env=False, follow_redirects=False
    )
    return Transport(http=http, url=url, key=key)


def _refusal(answer: httpx.Response) -> Refused:
    try:
        document = answer.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    title = document.get("title") or answer.reason_phrase or "no reason is given"
    detail = document.get("detail") or document.get("error") or title
    try:
        faults = TypeAdapter(list[Fault]).validate_python(document.get("errors") or [])
    except ValidationError:
        faults = []
    return Refused(answer.status_code, str(detail)[:SHOWN_CHARACTERS], faults)
