"""Request bodies to the matrix: JSON and Arrow, every fault named."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from servicio_ml.domain.schema import Kind
from servicio_ml.errors import EncodingError, Fault, InvalidError
from servicio_ml.features.check import Checker
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.request import batch_model, request_model

BODY = "body"
"""The field's name in a fault of the body as a whole."""
REASONS = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "literal_error": "level",
    "greater_than_equal": "range",
    "less_than_equal": "range",
    "finite_number": "range",
}


class Decoder:
    """Decodes the bodies of one model to matrices `[n, features]` whose derived columns are yet to be filled.

    Every method raises `InvalidError`.

    Attributes:
        record_model: Describes one record.
        batch_model: Describes many.
    """

    def __init__(self, model: str, encoder: Encoder, max_rows: int) -> None:
        title = "".join(part.capitalize() for part in model.replace("-", "_").split("_"))
        self.record_model: type[BaseModel] = request_model(encoder.schema, title)
        self.batch_model: type[BaseModel] = batch_model(encoder.schema, max_rows, f"{title}Batch")
        self._one = self.record_model.__pydantic_validator__.validate_json
        self._many = self.batch_model.__pydantic_validator__.validate_json
        self._model, self._encoder, self._max_rows = model, encoder, max_rows
        self._checker = Checker(encoder.schema)

    def record(self, body: bytes) -> Matrix:
        """One record as JSON."""
        try:
            return self._encoder.validated((self._one(body).__dict__,))
        except ValidationError as error:
            raise InvalidError(self._model, [self._fault(each) for each in error.errors()]) from None

    def batch(self, body: bytes) -> tuple[Matrix, bool]:
        """`{"records": [...]}` or `{"columns": {...}}` as JSON, and whether by columns."""
        try:
            batch = self._many(body)
        except ValidationError as error:
            raise InvalidError(self._model, [self._fault(each) for each in error.errors()]) from None
        if (batch.records is None) == (batch.columns is None):
            raise self._whole(sorted(batch.model_fields_set), "either records or columns")
        if batch.records is not None:
            return self._encoder.validated([record.__dict__ for record in batch.records]), False
        return self._columns(batch.columns.__dict__), True

    def _columns(self, columns: Mapping[str, Sequence[Any] | None]) -> Matrix:
        lengths = {name: len(values) for name, values in columns.items() if values is not None}
        if len(set(lengths.values())) != 1:
            raise self._whole(lengths, "columns of one length")
        return self._encoder.columns(columns, next(iter(lengths.values())))

    def frame(self, table: Any) -> Matrix:
        """An Arrow table with a column for each field."""
        if not 0 < table.num_rows <= self._max_rows:
            raise self._whole(f"{table.num_rows} rows", f"1 to {self._max_rows} rows")
        known = self._encoder.schema.field_names
        if unknown := [name for name in table.column_names if name not in known]:
            allowed = f"no such field; fields are {', '.join(known)}"
            faults = [
                Fault(row=0, field=name, value="a column", allowed=allowed, reason="unknown_field")
                for name in unknown
            ]
            raise InvalidError(self._model, faults)
        try:
            matrix = self._encoder.frame(table)
        except EncodingError as error:
            raise self.encoding(error) from error
        self.check(matrix)
        return matrix

    def check(self, matrix: Matrix) -> None:
        """Refuse a matrix `[n, features]` with a missing, fractional or out-of-range value."""
        if faults := self._checker.faults(matrix):
            raise InvalidError(self._model, faults)

    def encoding(self, error: EncodingError, row: int = 0) -> InvalidError:
        """The encoder's refusal as a fault."""
        level = isinstance(error.value, str) and self._encoder.schema.field(error.field).kind is Kind.CATEGORY
        reason = "level" if level else "type"
        fault = Fault(row=row, field=error.field, value=error.value, allowed=error.allowed, reason=reason)
        return InvalidError(self._model, [fault])

    def _whole(self, value: object, allowed: str) -> InvalidError:
        fault = Fault(row=0, field=BODY, value=value, allowed=allowed, reason="type")
        return InvalidError(self._model, [fault])

    def _fault(self, error: ErrorDetails) -> Fault:
        path = list(error["loc"])
        row = next((int(part) for part in path if isinstance(part, int)), 0)
        names = [str(part) for part in path if isinstance(part, str) and part not in {"records", "columns"}]
        reason = REASONS.get(error["type"], "type")
        if not names or error["type"] == "json_invalid":
            field = ".".join(map(str, path)) or BODY
            return Fault(
                row=row, field=field, value=shown(error["input"]), allowed=error["msg"], reason=reason
            )
        name = names[0]
        if reason == "unknown_field" or name not in self._encoder.schema.field_names:
            allowed = f"no such field; fields are {', '.join(self._encoder.schema.field_names)}"
            return Fault(
                row=row, field=name, value=shown(error["input"]), allowed=allowed, reason="unknown_field"
            )
        value = None if reason == "missing" else shown(error["input"])
        if value is None:
            reason = "missing"
        allowed = self._encoder.schema.field(name).allowed
        return Fault(row=row, field=name, value=value, allowed=allowed, reason=reason)


def shown(value: object) -> object:
    """A value that was refused, cut to what a message can hold."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


SHOWN_CHARACTERS = 80
