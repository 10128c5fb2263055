"""Connection to a server: requests built from calls, answers and errors read from outcomes."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import httpx
from pydantic import ValidationError

from servicio_ml_client.call import Call
from servicio_ml_client.documents import Problem
from servicio_ml_client.errors import (
    ERROR_BY_STATUS,
    NoResponseError,
    ProblemError,
    ResponseTimeoutError,
    UnexpectedResponseError,
)
from servicio_ml_client.retries import Outcome, RetryPolicy, parse_retry_after

CONNECT_SECONDS = 5.0
KEY_HEADER, ID_HEADER = "X-API-Key", "X-Request-ID"
VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")
"""Characters and length of an id that the server takes over; it would replace another one."""
MAX_DETAIL_CHARACTERS = 300
Answer = TypeVar("Answer")


def create_request_id() -> str:
    """Create a random request id."""
    return uuid4().hex


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Address, key and limits of the calls to one server.

    Attributes:
        url: Address of the server.
        key: API key; none is sent when empty.
        timeout_seconds: Maximum wait for the answer of one attempt.
        retries: When calls are sent again.
        create_request_id: Creates the id of a call; all its attempts have the same one.

    Raises:
        ValueError: The address is no HTTP address, or the key has characters that no key has.
    """

    url: str
    key: str = field(repr=False)
    timeout_seconds: float
    retries: RetryPolicy
    create_request_id: Callable[[], str]

    def __post_init__(self) -> None:
        if not _is_http(self.url):
            raise ValueError(f"url is {self.url!r}; it takes an address such as http://127.0.0.1:8800")
        # the key itself is not shown: messages end up in logs
        if self.key and not VISIBLE.fullmatch(self.key):
            raise ValueError("key takes visible ASCII characters; does it end with a line feed?")

    def build_request(self, http: httpx.Client | httpx.AsyncClient, call: Call[Answer]) -> httpx.Request:
        """Build the request of a call.

        Raises:
            ValueError: The request id is none that the server takes over.
        """
        request_id = self.create_request_id()
        if not VISIBLE.fullmatch(request_id):
            raise ValueError(f"request id {request_id!r}: it takes 1 to 128 visible ASCII characters")
        headers = {"Accept": call.content_type, ID_HEADER: request_id, **call.headers}
        if call.body is not None:
            headers["Content-Type"] = call.content_type
        if self.key:
            headers[KEY_HEADER] = self.key
        return http.build_request(
            call.method,
            self.url.rstrip("/") + call.path,
            params=dict(call.query) or None,
            content=call.body,
            headers=headers,
            timeout=httpx.Timeout(self.timeout_seconds, connect=min(CONNECT_SECONDS, self.timeout_seconds)),
        )

    def read_answer(self, call: Call[Answer], request: httpx.Request, outcome: Outcome) -> Answer:
        """Read the answer of a call from its last outcome.

        Raises:
            ClientError: The outcome is no success.
        """
        with self.translate_errors(request):
            return call.read(self.check_success(request, outcome).content)

    def check_success(self, request: httpx.Request, outcome: Outcome) -> httpx.Response:
        """Return the response of a call if it is a success.

        Raises:
            ClientError: The outcome is no success.
        """
        with self.translate_errors(request):
            if isinstance(outcome, httpx.HTTPError):
                raise outcome
        if not outcome.is_success:
            raise _build_problem_error(outcome, request.headers[ID_HEADER], self.retries.clock())
        return outcome

    @contextmanager
    def translate_errors(self, request: httpx.Request) -> Iterator[None]:
        """Translate the errors of an answer that ends early, or has another form.

        Raises:
            ClientError: There is one.
        """
        url = str(request.url)
        try:
            yield
        except httpx.HTTPError as error:
            kind = ResponseTimeoutError if isinstance(error, httpx.TimeoutException) else NoResponseError
            reason = str(error) or type(error).__name__
            raise kind(url, reason, request.headers[ID_HEADER]) from error
        except ValueError as error:
            raise UnexpectedResponseError(url, _describe(error)) from error


def _is_http(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.scheme in {"http", "https"} and bool(parsed.host)


def _describe(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _build_problem_error(response: httpx.Response, request_id: str, now: float) -> ProblemError:
    try:
        problem = Problem.model_validate_json(response.content)
    except ValidationError:
        # not the server itself: a proxy, or another service at this address
        problem = Problem(
            type="about:blank", title=response.reason_phrase or "error", status=response.status_code,
            detail=response.text[:MAX_DETAIL_CHARACTERS] or "the answer has no body", request_id=request_id,
        )  # fmt: skip
    kind = ERROR_BY_STATUS.get(response.status_code, ProblemError)
    return kind(problem, parse_retry_after(response, now))
