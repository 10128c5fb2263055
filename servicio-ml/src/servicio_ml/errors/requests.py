"""Errors of requests that break the rules of an interface or of a schema."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from servicio_ml.errors.base import MAX_SHOWN_NAMES, ServicioError, format_names, format_value
from servicio_ml.errors.serving import ServingError

MAX_SHOWN_BYTES = 40
"""Maximum number of bytes of a text in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldError:
    """Error of one field in one row.

    Attributes:
        row: Index of the row in the request, from 0.
        field: Name of the field as given, also when it is unknown.
        value: Rejected value.
        allowed: Description of the allowed values.
        reason: `missing`, `unknown_field`, `type`, `range` or `level`; a metric label (closed set).
    """

    row: int
    field: str
    value: object
    allowed: str
    reason: str

    def __str__(self) -> str:
        shown = format_value(self.value)
        return f"row {self.row}, field {self.field!r}: {shown} is not allowed; it takes {self.allowed}"


class InvalidError(ServingError):
    """Rows do not fit the schema of the model.

    Args:
        model: Name of the model.
        faults: Errors of fields, at least one, in the order of the rows.
    """

    def __init__(self, model: str, faults: Sequence[FieldError]) -> None:
        self.model, self.faults = model, tuple(faults)
        more = f" (+{len(faults) - MAX_SHOWN_NAMES} more)" if len(faults) > MAX_SHOWN_NAMES else ""
        super().__init__("; ".join(str(fault) for fault in faults[:MAX_SHOWN_NAMES]) + more)


class UnknownPredictionError(ServingError):
    """No prediction with the given id, or for the row with the given identifier, is logged.

    Args:
        prediction_id: The id.
        identifier: The identifier, where there is no id.
    """

    def __init__(self, prediction_id: str, *, identifier: str = "") -> None:
        what = f"prediction {prediction_id!r}"
        if identifier:
            what = f"a prediction for the row with the identifier {identifier!r}"
        allowed = "the identifier of a request's row" if identifier else "the prediction_id of an answer"
        super().__init__(
            f"{what} is not in the log; give {allowed} "
            "(older ones go by SERVICIO_ML_LOG_RETENTION_DAYS, some by SERVICIO_ML_LOG_SAMPLING)"
        )


class RequestError(ServingError):
    """The interface does not accept a request."""

    def __init__(self, what: str, allowed: str) -> None:
        super().__init__(f"{what}; {allowed}")


class TooLargeError(RequestError):
    """A request is larger than the limit."""

    def __init__(self, what: str, limit: str) -> None:
        super().__init__(f"{what} is more than {limit}", "send it in smaller requests")


class TextEncodingError(RequestError):
    """A text in a binary body is not UTF-8.

    Args:
        what: Description of the body.
        text: Bytes of the text.
        position: Position of the first wrong byte in the text.
        offset: Position of the text in the body; negative where it is unknown.
    """

    def __init__(self, what: str, text: bytes, position: int, offset: int) -> None:
        where = f" at byte {offset} of the body" if offset >= 0 else ""
        shown = repr(text[:MAX_SHOWN_BYTES])
        super().__init__(
            f"{what} holds a text that is not UTF-8: {shown}{where}, wrong at its byte {position}",
            "write names and metadata as UTF-8",
        )


class JsonError(RequestError):
    """A JSON body cannot be read, or parsers would read it differently."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the JSON body is refused: {problem}", "send JSON in UTF-8, each key once")


class MediaTypeError(RequestError):
    """The content type of a body is not supported."""

    def __init__(self, given: str, taken: Iterable[str]) -> None:
        super().__init__(f"content type {given!r}", f"it takes {format_names(taken)}")


class ContentEncodingError(MediaTypeError):
    """A body is compressed as a whole."""

    def __init__(self, given: str) -> None:
        ServicioError.__init__(
            self,
            f"content encoding {given!r}; send the body as it is (Arrow and Parquet compress their columns)",
        )
