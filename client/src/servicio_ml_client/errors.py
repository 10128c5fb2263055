"""Exceptions of the client.

ClientError
├── NoResponseError: no connection, or no answer over it
│   └── ResponseTimeoutError
├── UnexpectedResponseError: a success whose body has another form; is it a servicio-ml server?
├── DeadLetterError, ResultTimeoutError: an enqueued record without a result
└── ProblemError: the server answered with an error
    ├── BadRequestError (400), UnauthorizedError (401), ForbiddenError (403), NotFoundError (404)
    ├── ConflictError (409), PayloadTooLargeError (413), InvalidRecordError (422)
    └── UnavailableError (503)
"""

from collections.abc import Mapping
from http import HTTPStatus

from servicio_ml_client.documents import Fault, Problem


class ClientError(Exception):
    """Base of all exceptions of the client; each can be pickled."""


class NoResponseError(ClientError):
    """The server does not answer.

    Attributes:
        url: Address of the request.
        reason: Description of the failure.
        request_id: Id of the request, which the log of the server has if it arrived.
    """

    def __init__(self, url: str, reason: str, request_id: str) -> None:
        super().__init__(url, reason, request_id)
        self.url, self.reason, self.request_id = url, reason, request_id

    def __str__(self) -> str:
        return f"{self.url} does not answer: {self.reason} (request {self.request_id})"


class ResponseTimeoutError(NoResponseError):
    """The server does not answer in time; it may have done what was asked."""


class UnexpectedResponseError(ClientError):
    """A success whose body has another form than the API's.

    Attributes:
        url: Address of the request.
        reason: First difference.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url, self.reason = url, reason

    def __str__(self) -> str:
        return f"the answer of {self.url} has an unexpected form: {self.reason}"


class DeadLetterError(ClientError):
    """An enqueued record that cannot be scored.

    Attributes:
        message_id: Id of the enqueued message.
        reason: Explanation of the stream worker.
    """

    def __init__(self, message_id: str, reason: str) -> None:
        super().__init__(message_id, reason)
        self.message_id, self.reason = message_id, reason

    def __str__(self) -> str:
        return f"message {self.message_id} is a dead letter: {self.reason}"


class ResultTimeoutError(ClientError):
    """An enqueued record has no result in time; it is still in the stream, so wait again.

    Attributes:
        message_id: Id of the enqueued message.
        seconds: Time waited.
    """

    def __init__(self, message_id: str, seconds: float) -> None:
        super().__init__(message_id, seconds)
        self.message_id, self.seconds = message_id, seconds

    def __str__(self) -> str:
        return (
            f"message {self.message_id} has no result after {self.seconds:g} s; "
            "wait again, and see that a stream worker runs"
        )


class ProblemError(ClientError):
    """The server answered with an error.

    Attributes:
        problem: Problem document (RFC 9457); built from the status if a proxy answered instead.
        retry_after_seconds: Wait that the server asks for; None if it asks for none.
    """

    def __init__(self, problem: Problem, retry_after_seconds: float | None) -> None:
        super().__init__(problem, retry_after_seconds)
        self.problem, self.retry_after_seconds = problem, retry_after_seconds

    def __str__(self) -> str:
        problem = self.problem
        return f"{problem.status} {problem.title}: {problem.detail} (request {problem.request_id})"

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.problem.status

    @property
    def request_id(self) -> str:
        """Id of the request in the log of the server."""
        return self.problem.request_id

    @property
    def faults(self) -> list[Fault]:
        """Refused values, at most 100; empty for other errors."""
        return self.problem.errors or []


class BadRequestError(ProblemError):
    """A query or a table is not what the API takes."""


class UnauthorizedError(ProblemError):
    """The API key is absent or unknown."""


class ForbiddenError(ProblemError):
    """The API key does not have the scope."""


class NotFoundError(ProblemError):
    """There is no such model, alias, version or prediction."""


class ConflictError(ProblemError):
    """The state of the server does not allow it."""


class PayloadTooLargeError(ProblemError):
    """The body has more bytes or rows than the server takes."""


class InvalidRecordError(ProblemError):
    """Values do not fit the schema of the model: `faults` has row, field, value and what is allowed."""


class UnavailableError(ProblemError):
    """The server is busy, not ready, or lacks a service that it needs."""


ERROR_BY_STATUS: Mapping[int, type[ProblemError]] = {
    HTTPStatus.BAD_REQUEST: BadRequestError,
    HTTPStatus.UNAUTHORIZED: UnauthorizedError,
    HTTPStatus.FORBIDDEN: ForbiddenError,
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: PayloadTooLargeError,
    HTTPStatus.UNPROCESSABLE_ENTITY: InvalidRecordError,
    HTTPStatus.SERVICE_UNAVAILABLE: UnavailableError,
}
"""Exception by status; `ProblemError` for every other one."""
