"""Errors of a server that cannot answer."""

from enum import StrEnum

from servicio_ml.errors.base import ServicioError


class ServingError(ServicioError):
    """A request cannot be answered."""


class BusyError(ServingError):
    """Too many requests are in flight."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are in flight already; try again")


class DraftingError(ServingError):
    """A use case cannot be drafted, written or trained as a request asks."""


class DraftingClosedError(ServingError):
    """Use cases cannot be drafted by this server, or not now."""


class NotReadyError(ServingError):
    """No version of a model is loaded yet."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"model {model!r} is not ready: {problem}")


class WorkerFailure(StrEnum):
    """Reasons why an isolated model has not answered; a metric label (closed set)."""

    START = "start"
    EXIT = "exit"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    PROTOCOL = "protocol"
    DOWN = "down"
    BUSY = "busy"
    ERROR = "error"
    SCORES = "scores"


class ModelWorkerError(ServingError):
    """The process of an isolated model has no answer.

    Attributes:
        failure: Reason.
        problem: What has happened, without the model and the advice.
    """

    def __init__(self, model: str, failure: WorkerFailure, problem: str) -> None:
        self.failure, self.problem = failure, problem
        super().__init__(f"the isolated process of model {model!r} cannot answer: {problem}; try again")


class ModelFailureError(ServingError):
    """An isolated model has failed on the rows that it got; its process goes on.

    Attributes:
        failure: Reason: `error` or `scores`.
        problem: What has happened, without the model and the advice.
    """

    def __init__(self, model: str, problem: str, failure: WorkerFailure = WorkerFailure.ERROR) -> None:
        self.failure, self.problem = failure, problem
        super().__init__(
            f"model {model!r} has failed on these rows: {problem}; "
            "send the rows one by one to find which, and report them to its owner"
        )


class JournalError(ServingError):
    """The journal cannot be written."""

    def __init__(self, place: object, problem: str) -> None:
        super().__init__(f"prediction journal {place}: {problem}; make room or set SERVICIO_ML_STATE_DIR")


class LogError(ServingError):
    """The prediction log cannot be reached or refuses."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(
            f"prediction log {place}: {problem}; check SERVICIO_ML_LOG_URL and that the database is up"
        )


class LoggedRowsError(ServingError):
    """Logged rows cannot be decoded by the version that scored them."""

    def __init__(self, model: str, version: int, problem: str) -> None:
        super().__init__(f"logged rows of {model!r} version {version} cannot be read: {problem}")


class BrokerError(ServingError):
    """The stream cannot be reached or refuses."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"stream {place}: {problem}; check SERVICIO_ML_REDIS_URL and that Redis is up")
