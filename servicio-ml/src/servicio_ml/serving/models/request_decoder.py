"""Decoding of request bodies, JSON and Arrow, to the matrix; every fault is named."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from servicio_ml.domain.fields.identifier import (
    ALLOWED_IDENTIFIER,
    IDENTIFIER,
    normalize_identifiers,
    parse_identifier,
)
from servicio_ml.domain.schema import Kind
from servicio_ml.errors import EncodingError, FieldError, InvalidError
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.column_values import OnFault
from servicio_ml.features.encoder import Encoder, Values
from servicio_ml.features.requests.field_names import FieldNames, build_request_names
from servicio_ml.features.requests.request_models import (
    build_array_adapter,
    build_batch_model,
    build_record_model,
)
from servicio_ml.serving.models.arrow_columns import find_column_faults, rename_columns, unpack_columns
from servicio_ml.serving.models.json_bodies import (
    COLUMNS,
    CONTAINERS,
    NO_COUNT,
    RECORDS,
    SLICE_BYTES,
    RenamedBody,
    count_batch_members,
    rename_batch,
    rename_record,
    select_rows,
    split_records,
)
from servicio_ml.serving.models.json_keys import RepeatedKeyError, check_keys
from servicio_ml.serving.models.row_faults import OnError, RequestRows, RowFaults, RowRefusals
from servicio_ml.serving.models.truncation import truncate_value

BODY_FIELD = "body"
"""Field name in a fault that concerns the entire body."""
REASON_BY_ERROR = {
    "missing": "missing",
    "extra_forbidden": "unknown_field",
    "literal_error": "level",
    "greater_than_equal": "range",
    "less_than_equal": "range",
    "finite_number": "range",
}


class Decoder:
    """Decoder of one model's bodies to rows; the derived columns of their matrix stay empty.

    Every method raises `InvalidError`.

    Attributes:
        identifier: Raw column of a row's identifier, which stands beside its fields; empty without one.
        record_model: Pydantic model of one record.
        batch_model: Pydantic model of a batch.
        max_rows: Maximum number of rows of a batch.
        names: Names of the fields; requests by other names than the fields' own are read a second time.
    """

    def __init__(self, model: str, encoder: Encoder, max_rows: int, identifier: str = "") -> None:
        title = "".join(word.capitalize() for word in model.replace("-", "_").split("_"))
        self.record_model: type[BaseModel] = build_record_model(encoder.schema, title, identifier)
        self.batch_model: type[BaseModel] = build_batch_model(
            encoder.schema, max_rows, f"{title}Batch", identifier
        )
        # bound once: Pydantic's own classmethod would look the validator up for every request
        self._validate_record = self.record_model.__pydantic_validator__.validate_json
        self._validate_batch = self.batch_model.__pydantic_validator__.validate_json
        self._validate_array = build_array_adapter(self.record_model, max_rows).validate_json
        self._model, self._encoder, self.max_rows, self.identifier = model, encoder, max_rows, identifier
        self.names = build_request_names(encoder.schema, identifier)
        self._checker = SchemaChecker(encoder.schema)
        # described once, see `SchemaChecker`
        self._allowed = {each.name: each.allowed for each in encoder.schema.fields}
        if identifier:
            self._allowed[IDENTIFIER] = ALLOWED_IDENTIFIER

    def decode_record(self, body: bytes) -> RequestRows:
        """Decode one record, as JSON."""
        try:
            record = self._validate_record(body)
            # looked up here: `model_fields_set` would cost a copy
            check_keys(body, len(record.__pydantic_fields_set__))
        except ValidationError as error:
            if renamed := self._rename(rename_record, body):
                return self.decode_record(renamed.body)
            raise InvalidError(self._model, [self._build_fault(each) for each in error.errors()]) from None
        except RepeatedKeyError as error:
            raise self._build_key_error(error) from None
        return self._encode_validated((record.__dict__,))

    def _encode_validated(self, records: Sequence[Mapping[str, Any]]) -> RequestRows:
        matrix = self._encoder.encode_validated(records)
        # one of the fields may have that name where rows have no identifier
        if not self.identifier:
            return RequestRows(matrix)
        return RequestRows(matrix, identifiers=normalize_identifiers([each[IDENTIFIER] for each in records]))

    def _rename(
        self, rename: Callable[[bytes, FieldNames], RenamedBody | None], body: bytes
    ) -> RenamedBody | None:
        """Replace the names of raw columns in a body that was refused; None where it has none."""
        try:
            renamed = rename(body, self.names)
        except RepeatedKeyError as error:
            raise self._build_key_error(error) from None
        if renamed and renamed.body_faults:
            raise InvalidError(self._model, renamed.body_faults)
        return renamed

    def decode_batch(self, body: bytes, on_error: OnError = OnError.REFUSE) -> tuple[RequestRows, bool]:
        """Decode `[...]`, `{"records": [...]}` or `{"columns": {...}}`; return whether it has columns."""
        return self._decode_batch(body, on_error, ())

    def _decode_batch(
        self, body: bytes, on_error: OnError, name_faults: Sequence[FieldError]
    ) -> tuple[RequestRows, bool]:
        try:
            rows, columnar = self._decode_valid_batch(body)
        except ValidationError as error:
            renamed = None if name_faults else self._rename(rename_batch, body)
            if renamed is None:
                return self._decode_invalid_batch(body, error, on_error, name_faults)
        else:
            if on_error is OnError.PARTIAL:
                rows = rows._replace(refusals=RowRefusals(row_count=len(rows.matrix), faults={}))
            return rows, columnar
        return self._decode_batch(renamed.body, on_error, renamed.row_faults)

    def _decode_invalid_batch(
        self, body: bytes, error: ValidationError, on_error: OnError, name_faults: Sequence[FieldError]
    ) -> tuple[RequestRows, bool]:
        """Refuse a batch, or its rows that have faults: first those of names, which explain any other."""
        details, known = error.errors(), {fault.row for fault in name_faults}
        faults = [
            *name_faults,
            *(self._build_fault(each) for each in details if _find_row(each) not in known),
        ]
        # an error without the index of a row concerns the body
        if on_error is OnError.REFUSE or any(_find_row(each) is None for each in details):
            raise InvalidError(self._model, faults)
        return self._decode_partly(body, faults)

    def _decode_valid_batch(self, body: bytes) -> tuple[RequestRows, bool]:
        """Decode a batch, or raise the `ValidationError` of its values."""
        if len(body) > SLICE_BYTES and (sliced := self._decode_slices(body)):
            return sliced, False
        if body.lstrip().startswith(b"["):
            return self._decode_valid_array(body), False
        batch = self._validate_batch(body)
        self._check_keys(body, count_batch_members(batch))
        # Pydantic cannot say "exactly one of both" without hiding which field is wrong
        if (batch.records is None) == (batch.columns is None):
            raise self._build_body_error(sorted(batch.model_fields_set), "either records or columns")
        if batch.records is not None:
            return self._encode_validated([record.__dict__ for record in batch.records]), False
        columns = batch.columns.__dict__
        matrix = self._encoder.encode_values(self._encoder.read_columns(columns, self._count_rows(columns)))
        texts = columns[IDENTIFIER] if self.identifier else None
        return RequestRows(matrix, identifiers=normalize_identifiers(texts or [])), True

    def _decode_slices(self, body: bytes) -> RequestRows | None:
        """Decode valid records slice by slice: Pydantic reads a body without letting other threads run.

        Returns:
            The rows; None where the whole body has to be read, which finds what is wrong with it.
        """
        try:
            parts = [self._decode_valid_array(each) for each in split_records(body)]
        except (ValidationError, InvalidError):
            return None
        if not 0 < sum(len(each.matrix) for each in parts) <= self.max_rows:
            return None
        identifiers = tuple(text for each in parts for text in each.identifiers)
        return RequestRows(np.concatenate([each.matrix for each in parts]), identifiers=identifiers)

    def _decode_valid_array(self, body: bytes) -> RequestRows:
        records = self._validate_array(body)
        self._check_keys(body, sum([len(each.__pydantic_fields_set__) for each in records]))
        return self._encode_validated([record.__dict__ for record in records])

    def _decode_partly(self, body: bytes, faults: Sequence[FieldError]) -> tuple[RequestRows, bool]:
        """Decode the rows of a batch that have none of its faults."""
        row_faults = RowFaults(self._model, self._encoder.schema, OnError.PARTIAL)
        for fault in faults:
            row_faults.add(fault)
        container, given = self._parse_container(body)
        columnar = container == COLUMNS
        refusals = row_faults.build_refusals(self._count_rows(given) if columnar else len(given))
        if scored := refusals.scored_rows:
            # as JSON again: Pydantic takes other types from Python than from JSON
            kept = to_json({container: select_rows(given, scored)}, inf_nan_mode="constants")
            rows, _ = self._decode_valid_batch(kept)
        else:
            rows = RequestRows(self._encoder.encode_values(np.empty((0, self._encoder.value_width))))
        return rows._replace(refusals=refusals), columnar

    def _parse_container(self, body: bytes) -> tuple[str, Any]:
        """Parse the only container of a batch, records or columns, and return its name with it."""
        self._check_keys(body, NO_COUNT)
        document = from_json(body)
        if isinstance(document, list):
            return RECORDS, document
        sent = {name: given for name, given in document.items() if given is not None}
        if len(sent) != 1:
            raise self._build_body_error(sorted(sent), "either records or columns")
        return next(iter(sent.items()))

    def _count_rows(self, columns: Mapping[str, Sequence[Any] | None]) -> int:
        lengths = {name: len(values) for name, values in columns.items() if values is not None}
        if len(set(lengths.values())) != 1:
            raise self._build_body_error(lengths, "columns of one length")
        return next(iter(lengths.values()))

    def decode_table(self, table: Any, on_error: OnError = OnError.REFUSE) -> RequestRows:
        """Decode an Arrow table with a column for each field, and one for the identifier."""
        table, name_faults = rename_columns(table, self.names)
        if name_faults:
            raise InvalidError(self._model, name_faults)
        # checked here: Arrow bodies do not pass the Pydantic models
        if column_faults := find_column_faults(table, self._encoder.schema, named=bool(self.identifier)):
            raise InvalidError(self._model, column_faults)
        if not 0 < table.num_rows <= self.max_rows:
            raise self._build_body_error(f"{table.num_rows} rows", f"1 to {self.max_rows} rows")
        faults = self.create_faults(table.column_names, on_error)
        columns = unpack_columns(table, self._encoder.schema)
        is_named = self.identifier and IDENTIFIER in columns.column_names
        return self.encode_rows(
            lambda on_fault: self._encoder.read_frame(columns, on_fault),
            faults,
            columns[IDENTIFIER].to_pylist() if is_named else (),
        )

    def create_faults(self, names: Collection[str], on_error: OnError) -> RowFaults:
        """Create the faults of a request that has columns or tensors of these names."""
        # a required field that no row can have refuses the request, as in JSON
        complete = all(each.nullable or each.name in names for each in self._encoder.schema.fields)
        return RowFaults(self._model, self._encoder.schema, on_error if complete else OnError.REFUSE)

    def encode_rows(
        self, read: Callable[[OnFault], Values], faults: RowFaults, identifiers: Sequence[object] = ()
    ) -> RequestRows:
        """Read values `[n, fields]` and encode them; those that do not fit their field are faults of rows.

        Args:
            read: Reads the values.
            faults: Faults that were found before; those of these values are added.
            identifiers: Identifier of each row, not parsed yet.
        """
        try:
            values = read(lambda error: faults.add(self._translate_error(error)))
        except EncodingError as error:
            raise InvalidError(self._model, [self._translate_error(error)]) from error
        texts = _parse_identifiers(identifiers, faults)
        # before they are rounded to float32, which could move a value to its limit or to a whole number
        if faults.on_error is OnError.REFUSE:
            if found := self._checker.find_faults(values):
                raise InvalidError(self._model, found)
            return RequestRows(self._encoder.encode_values(values), identifiers=normalize_identifiers(texts))
        for fault in self._checker.iterate_faults(values):
            faults.add(fault)
        refusals = faults.build_refusals(len(values))
        scored = refusals.scored_rows
        return RequestRows(
            self._encoder.encode_values(values[scored]),
            refusals,
            normalize_identifiers([texts[row] for row in scored] if texts else []),
        )

    def _translate_error(self, error: EncodingError) -> FieldError:
        category = self._encoder.schema.get_field(error.field).kind is Kind.CATEGORY
        return FieldError(
            row=error.row,
            field=error.field,
            value=truncate_value(error.value),
            allowed=error.allowed,
            reason="level" if category else "type",
        )

    def _check_keys(self, body: bytes, members: int) -> None:
        try:
            check_keys(body, members)
        except RepeatedKeyError as error:
            raise self._build_key_error(error) from None

    def _build_key_error(self, error: RepeatedKeyError) -> InvalidError:
        fault = FieldError(
            row=0,
            field=str(truncate_value(error.key)),
            value="two values",
            allowed="one value",
            reason="type",
        )
        return InvalidError(self._model, [fault])

    def _build_body_error(self, value: object, allowed: str) -> InvalidError:
        fault = FieldError(row=0, field=BODY_FIELD, value=value, allowed=allowed, reason="type")
        return InvalidError(self._model, [fault])

    def _build_fault(self, error: ErrorDetails) -> FieldError:
        """Translate an error of Pydantic to a fault in the words of the schema."""
        path, row = list(error["loc"]), _find_row(error) or 0
        name = next((key for key in path if isinstance(key, str) and key not in CONTAINERS), None)
        reason, value = REASON_BY_ERROR.get(error["type"], "type"), truncate_value(error["input"])
        if name is None or error["type"] == "json_invalid":
            field = ".".join(map(str, path)) or BODY_FIELD
            return FieldError(row=row, field=field, value=value, allowed=error["msg"], reason=reason)
        return self._build_field_fault(row, name, value, reason)

    def _build_field_fault(self, row: int, name: str, value: object, reason: str) -> FieldError:
        if reason == "unknown_field" or name not in self._allowed:
            allowed = f"no such field; fields are {', '.join(self._allowed)}"
            if whole := self.names.by_part.get(name):
                # a request holds values, which no rule of a raw file has to join
                allowed = f"no such field; {whole}, which it is a part of, is {self._allowed[whole]}"
            return FieldError(row=row, field=name, value=value, allowed=allowed, reason="unknown_field")
        if reason == "missing" or value is None:
            # Pydantic's input of a missing field is the record around it; null counts as missing, too
            value, reason = None, "missing"
        return FieldError(row=row, field=name, value=value, allowed=self._allowed[name], reason=reason)


def _parse_identifiers(given: Sequence[object], faults: RowFaults) -> list[str | None]:
    texts = list[str | None]()
    for row, value in enumerate(given):
        try:
            texts.append(parse_identifier(value))
        except ValueError:
            faults.add(
                FieldError(
                    row=row,
                    field=IDENTIFIER,
                    value=truncate_value(value),
                    allowed=ALLOWED_IDENTIFIER,
                    reason="type",
                )
            )
            texts.append(None)
    return texts


def _find_row(error: ErrorDetails) -> int | None:
    """Find the index of the row that an error of Pydantic concerns; None where it is the entire body."""
    return next((key for key in error["loc"] if isinstance(key, int)), None)
