"""The error tree: every failure a user can meet, each naming the thing, its value and what to do.

ServicioError
├── UseCaseError            a use-case file or its schema is wrong
│   └── UnknownUseCaseError
├── SettingsError           a setting is missing or wrong
├── DataError               the input data cannot be used
│   ├── SourceError         the file or address cannot be read
│   ├── ColumnsError        the columns are not those of the use case
│   ├── ContractError       what would be published breaks the contract
│   └── EncodingError       a value does not fit its field
├── OutputError             a file cannot be written
├── ProgramError            a program that is run is not there or fails
├── StoreError              the lake cannot be read or written
│   └── NotPublishedError   nothing has been published for the period
├── RegistryError           MLflow cannot be reached or refuses
│   └── NoSuchModelError
├── RetrainingError         a retraining cannot be started
├── ReloadError             a server cannot be told of a new champion
├── TrainingError           no model can be trained, exported or promoted
│   ├── PromotionError      it is the champion already, or the champion is another by now
│   └── ArtifactError       a model artifact is incomplete or wrong
└── ServingError            a request cannot be answered
    ├── InvalidError        rows do not fit the schema, each fault named
    ├── UnknownPredictionError
    ├── RequestError        a request is not what the interface takes
    │   ├── TooLargeError
    │   └── MediaTypeError
    ├── UnauthorizedError   an API key is absent or unknown
    │   └── HookTokenError  the token of the hook is absent or wrong
    ├── ForbiddenError      an API key is not good for this
    │   ├── HookClosedError no token is set for the hook
    │   └── ForeignPageError a page from elsewhere asks a server without keys
    ├── BusyError           too many requests are in hand
    ├── NotReadyError       the model has no version that answers yet
    ├── JournalError        the journal cannot be written
    ├── LogError            the prediction log cannot be reached or refuses
    └── BrokerError         the stream cannot be reached or refuses
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

SHOWN = 12
"""How many alternatives a message lists at the most."""


def listed(names: Iterable[object]) -> str:
    """Names for a message: at most `SHOWN` of them, then how many more."""
    every = [str(name) for name in names]
    more = f" (+{len(every) - SHOWN} more)" if len(every) > SHOWN else ""
    return (", ".join(every[:SHOWN]) or "none") + more


class ServicioError(Exception):
    """The root of every error that is told to the user without a traceback."""

    def __reduce__(self) -> tuple[object, ...]:
        """Errors travel between processes whole, whatever their makers ask for."""
        return _again, (type(self), self.args, self.__dict__)


def _again(kind: type[ServicioError], args: tuple[object, ...], attributes: dict[str, object]) -> Exception:
    made = kind.__new__(kind, *args)
    made.args = args
    made.__dict__.update(attributes)
    return made


class UseCaseError(ServicioError):
    """A use case is not usable.

    Args:
        where: The use case, file or schema part.
        problem: What is wrong and how to mend it.
    """

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"use case {where}: {problem}")


class UnknownUseCaseError(UseCaseError):
    """No use case has that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1) or [each for each in names if name in each]
        hint = f"did you mean {close[0]}? " if close else ""
        ServicioError.__init__(
            self,
            f"unknown use case {name!r}: {hint}known are {listed(names)}; "
            "your own go into the folder named by SERVICIO_ML_USE_CASES_DIR",
        )


class SettingsError(ServicioError):
    """A setting stops the start."""

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"setting {setting}: {problem}")


class DataError(ServicioError):
    """The input data cannot be used."""


class SourceError(DataError):
    """A file or address cannot be read."""

    def __init__(self, source: object, problem: str) -> None:
        super().__init__(f"cannot read {source}: {problem}")


class ColumnsError(DataError):
    """The columns of a file are not those of the use case."""

    def __init__(self, source: object, missing: Iterable[str], found: Iterable[str]) -> None:
        lacking, header = sorted(missing), list(found)
        hints = [
            f"{name!r} may be called {close[0]!r} there"
            for name in lacking
            if (close := get_close_matches(name, header, n=1, cutoff=0.5))
        ]
        super().__init__(
            f"{source}: missing column {listed(map(repr, lacking))}; found {listed(header)}"
            + (f"; {'; '.join(hints)}" if hints else "")
            + "; rename the columns of the file or add a dialect to the use case"
        )


class ContractError(DataError):
    """Rows that would be published break the contract of the use case."""

    def __init__(self, where: str, problem: str) -> None:
        super().__init__(f"{where}: {problem}; nothing was published")


class EncodingError(DataError):
    """A value does not fit its field.

    Args:
        field: The field's name.
        value: The value that was given.
        allowed: What the field takes.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        self.field, self.value, self.allowed = field, value, allowed
        super().__init__(f"field {field!r}: {value!r} is not allowed; it takes {allowed}")


class OutputError(ServicioError):
    """A file cannot be written."""

    def __init__(self, target: object, problem: str) -> None:
        super().__init__(
            f"cannot write {target}: {problem}; nothing was written, choose another place or make room"
        )


class ProgramError(ServicioError):
    """A program that a command runs is not there, or fails."""

    def __init__(self, program: str, problem: str) -> None:
        super().__init__(f"program {program}: {problem}")


class StoreError(ServicioError):
    """The lake cannot be read or written."""

    def __init__(self, store: str, key: str, problem: str) -> None:
        super().__init__(f"lake {store}, {key}: {problem}")


class NotPublishedError(StoreError):
    """Nothing has been published under that key."""

    def __init__(self, store: str, key: str, remedy: str) -> None:
        super().__init__(store, key, f"nothing is published there; {remedy}")


class RegistryError(ServicioError):
    """MLflow cannot be reached or refuses."""

    def __init__(self, registry: str, problem: str) -> None:
        super().__init__(f"MLflow at {registry}: {problem}")


class NoSuchModelError(RegistryError):
    """The registry holds no such model, version or alias."""

    def __init__(self, model: str, wanted: str, remedy: str) -> None:
        ServicioError.__init__(self, f"model {model!r} has no {wanted}; {remedy}")


class ReloadError(ServicioError):
    """A server cannot be told of a new champion."""

    def __init__(self, server: str, problem: str) -> None:
        super().__init__(
            f"server {server}: {problem}; it looks by itself every SERVICIO_ML_POLL_SECONDS seconds"
        )


class TrainingError(ServicioError):
    """No model can be trained, exported or promoted."""

    def __init__(self, use_case: str, problem: str) -> None:
        super().__init__(f"{use_case}: {problem}")


class PromotionError(TrainingError):
    """A version cannot be made champion as things are now."""


class ArtifactError(TrainingError):
    """A model artifact is incomplete or wrong."""


class RetrainingError(ServicioError):
    """A retraining cannot be started."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"{model} is not retrained: {problem}")


class ServingError(ServicioError):
    """A request cannot be answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a row is not taken.

    Attributes:
        row: Its place among the rows of the request, from 0.
        field: The field's name; of an unknown one, the name that was given.
        value: What was given.
        allowed: What the field takes.
        reason: One of a closed set: `missing`, `unknown_field`, `type`, `range` or `level`.
    """

    row: int
    field: str
    value: object
    allowed: str
    reason: str

    def __str__(self) -> str:
        return f"row {self.row}, field {self.field!r}: {self.value!r} is not allowed; it takes {self.allowed}"


class InvalidError(ServingError):
    """Rows do not fit the schema of the model.

    Args:
        model: Its name.
        faults: At least one, in the order of the rows.
    """

    def __init__(self, model: str, faults: Sequence[Fault]) -> None:
        self.model, self.faults = model, tuple(faults)
        more = f" (+{len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
        super().__init__("; ".join(str(fault) for fault in faults[:SHOWN]) + more)


class UnknownPredictionError(ServingError):
    """No prediction with that id is logged."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(
            f"prediction {prediction_id!r} is not in the log; give the prediction_id of an answer "
            "(older ones go by SERVICIO_ML_LOG_RETENTION_DAYS, some by SERVICIO_ML_LOG_SAMPLING)"
        )


class RequestError(ServingError):
    """A request is not what the interface takes."""

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(f"{what}; {allowed}")


class TooLargeError(RequestError):
    """A request is larger than the limit."""

    def __init__(self, what: str, limit: str) -> None:
        super().__init__(f"{what} is more than {limit}", "send it in smaller parts")


class MediaTypeError(RequestError):
    """A body is of a type that is not taken."""

    def __init__(self, given: str, taken: Iterable[str]) -> None:
        super().__init__(f"content type {given!r}", f"it takes {listed(taken)}")


class UnauthorizedError(ServingError):
    """An API key is absent or unknown."""

    def __init__(self) -> None:
        super().__init__(
            "no known API key was given; send one as X-API-Key or Authorization: Bearer "
            "(an administrator makes one with `servicio-ml key`)"
        )


class ForbiddenError(ServingError):
    """An API key is not good for what was asked."""

    def __init__(self, name: str, scope: str) -> None:
        super().__init__(f"the API key {name!r} lacks the scope {scope!r}; ask with one that has it")


class HookTokenError(UnauthorizedError):
    """The token of the hook is absent or wrong."""

    def __init__(self) -> None:
        ServicioError.__init__(
            self,
            "the token of the hook is absent or wrong; send the content of the file named by "
            "SERVICIO_ML_HOOK_TOKEN_FILE as Authorization: Bearer (http_config of Alertmanager's receiver)",
        )


class HookClosedError(ForbiddenError):
    """No token is set for the hook."""

    def __init__(self) -> None:
        ServicioError.__init__(
            self, "the hook is closed; name a file with its token in SERVICIO_ML_HOOK_TOKEN_FILE"
        )


class ForeignPageError(ForbiddenError):
    """Without API keys, a browser asks for a page from elsewhere."""

    def __init__(self, where: str) -> None:
        ServicioError.__init__(
            self,
            f"{where!r} is not this server's own address; without API keys it answers loopback only: "
            "ask for http://127.0.0.1, or set SERVICIO_ML_KEYS_FILE",
        )


class BusyError(ServingError):
    """Too many requests are in hand."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} requests are in hand already; try again")


class NotReadyError(ServingError):
    """A model has no version that answers yet."""

    def __init__(self, model: str, problem: str) -> None:
        super().__init__(f"model {model!r} is not ready: {problem}")


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


class BrokerError(ServingError):
    """The stream cannot be reached or refuses."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"stream {place}: {problem}; check SERVICIO_ML_REDIS_URL and that Redis is up")
