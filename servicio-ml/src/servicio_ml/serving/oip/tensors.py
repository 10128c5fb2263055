"""Tensors to the matrix of a model, and its answers to tensors.

A request has a tensor for each field, or one named `features` that holds the matrix's values of all fields in
their order: categories as the index of their level, dates as days since 1970-01-01, NaN for what is missing.
"""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import EncodingError, Fault, InvalidError, RequestError
from servicio_ml.features.encoder import Matrix, days
from servicio_ml.features.output import POSITIVE
from servicio_ml.serving.oip.tensor import BYTES, FLOATS, FP64, INT64, NUMBERS, Tensor, cut
from servicio_ml.serving.served import Answered, Served

FEATURES = "features"
PREDICTION, PREDICTION_ID = "prediction", "prediction_id"
PROBABILITY, PROBABILITIES = "probability", "probabilities"
NUMERIC = (Kind.NUMBER, Kind.INTEGER)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
ANY_ROWS = -1
Signature = tuple[str, str, list[int]]
"""Name, datatype and shape of an input or output; `ANY_ROWS` stands for the number of rows."""


def to_matrix(served: Served, tensors: Sequence[Tensor], max_rows: int) -> Matrix:
    """The matrix `[n, features]` of a request's tensors.

    Raises:
        InvalidError: A tensor is no field, or a value does not fit its field.
        RequestError: The tensors do not go together.
    """
    names = [tensor.name for tensor in tensors]
    if not names:
        raise RequestError("no input tensor was given", f"give one for each field, or {FEATURES!r}")
    if twice := sorted({cut(name) for name in names if names.count(name) > 1}):
        raise RequestError(f"input tensor {twice[0]!r} stands twice", "give each once")
    fields = served.artifact.encoder.schema.field_names
    # too great numbers become infinite, which no field takes
    with np.errstate(over="ignore", invalid="ignore"):
        if FEATURES in names and FEATURES not in fields:
            matrix = _of_features(served, tensors, max_rows)
        else:
            matrix = _of_fields(served, tensors, max_rows)
        served.decoder.check(matrix)
    return matrix


def inputs_of(served: Served) -> list[Signature]:
    """The inputs of a model: one for each field, of a datatype that can hold what the field may."""
    return [(each.name, _datatype(each), [ANY_ROWS]) for each in served.artifact.encoder.schema.fields]


def _datatype(each: Field) -> str:
    if each.kind not in NUMERIC:
        return BYTES
    # a whole number cannot say that it is missing
    return INT64 if each.kind is Kind.INTEGER and not each.nullable else FP64


def outputs_of(served: Served) -> list[Signature]:
    """The outputs of a model."""
    labels, named = served.labels, (PREDICTION_ID, BYTES, [ANY_ROWS])
    if not labels:
        return [(PREDICTION, FP64, [ANY_ROWS]), named]
    if served.artifact.output.task == "binary":
        return [(PREDICTION, BYTES, [ANY_ROWS]), (PROBABILITY, FP64, [ANY_ROWS]), named]
    return [(PREDICTION, BYTES, [ANY_ROWS]), (PROBABILITIES, FP64, [ANY_ROWS, len(labels)]), named]


def check_outputs(served: Served, wanted: Sequence[str]) -> None:
    """Refuse outputs that the model has not.

    Raises:
        RequestError: One is not there, or stands twice.
    """
    known = [name for name, *_ in outputs_of(served)]
    for name in wanted:
        if name not in known:
            raise RequestError(f"output {cut(name)!r} is not there", f"outputs are {', '.join(known)}")
    if len(set(wanted)) != len(wanted):
        raise RequestError("an output is asked for twice", "name each once")


def from_answer(answered: Answered, wanted: Sequence[str]) -> list[Tensor]:
    """The output tensors that are wanted, in that order; all when none is named."""
    signatures = {name: (datatype, shape) for name, datatype, shape in outputs_of(answered.served)}
    return [_output(answered, name, *signatures[name]) for name in wanted or signatures]


def _output(answered: Answered, name: str, datatype: str, shape: list[int]) -> Tensor:
    labels, predictions = answered.served.labels, answered.predictions
    values: npt.NDArray[Any] | list[str | None]
    if name == PREDICTION_ID:
        values = [*answered.ids]
    elif name == PREDICTION:
        outcomes = predictions.outcomes
        values = [labels[int(code)] for code in outcomes.tolist()] if labels else outcomes
    elif predictions.probabilities is not None and name == PROBABILITY:
        values = predictions.probabilities[:, POSITIVE].copy()
    else:
        values = np.asarray(predictions.probabilities).reshape(-1)
    return Tensor(name=name, datatype=datatype, shape=(answered.rows, *shape[1:]), values=values)


def _fault(
    served: Served, field: str, value: object, allowed: str, reason: str, row: int = 0
) -> InvalidError:
    fault = Fault(row=row, field=cut(field), value=value, allowed=allowed, reason=reason)
    return InvalidError(served.model, [fault])


def _check_rows(served: Served, tensor: Tensor, max_rows: int) -> int:
    rows = tensor.shape[0]
    if not 1 <= rows <= max_rows:
        raise _fault(served, tensor.name, f"{rows} rows", f"1 to {max_rows} rows", "range")
    return rows


def _of_fields(served: Served, tensors: Sequence[Tensor], max_rows: int) -> Matrix:
    encoder = served.artifact.encoder
    fields = {each.name: each for each in encoder.schema.fields}
    columns: dict[str, Any] = {}
    for tensor in tensors:
        each = fields.get(tensor.name)
        if each is None:
            allowed = f"no such input; inputs are {', '.join(fields)}, or {FEATURES} alone"
            raise _fault(served, tensor.name, f"a {tensor.datatype} tensor", allowed, "unknown_field")
        columns[each.name] = _column(served, tensor, each)
    rows = {_check_rows(served, tensor, max_rows) for tensor in tensors}
    if len(rows) > 1:
        lengths = ", ".join(f"{tensor.name} {tensor.shape[0]}" for tensor in tensors)
        raise RequestError(
            f"input tensors differ in rows: {lengths}", "give each field a value for every row"
        )
    try:
        _check_dates(fields, columns)
        return encoder.columns(columns, rows.pop())
    except EncodingError as error:
        shown = EncodingError(error.field, cut(str(error.value)), error.allowed)
        raise served.decoder.encoding(shown, columns[error.field].index(error.value)) from error


def _column(served: Served, tensor: Tensor, each: Field) -> npt.NDArray[Any] | list[str | None]:
    if tensor.shape[1:] not in {(), (1,)}:
        raise RequestError(
            f"tensor {each.name!r} has shape {list(tensor.shape)}", "a field takes [rows] or [rows, 1]"
        )
    if (tensor.datatype == BYTES) == (each.kind in NUMERIC):
        taken = ", ".join(NUMBERS) if each.kind in NUMERIC else BYTES
        raise _fault(served, each.name, f"a {tensor.datatype} tensor", f"{each.allowed}, as {taken}", "type")
    if isinstance(tensor.values, list):
        return [text or None for text in tensor.values]
    return tensor.values


def _check_dates(fields: dict[str, Field], columns: dict[str, Any]) -> None:
    """Refuse what Python reads as a date and the schema does not take, such as a week."""
    for name, values in columns.items():
        if fields[name].kind is Kind.DATE:
            for text in values:
                if text is not None and not ISO_DATE.fullmatch(text):
                    raise EncodingError(name, text, fields[name].allowed)


def _of_features(served: Served, tensors: Sequence[Tensor], max_rows: int) -> Matrix:
    encoder = served.artifact.encoder
    fields, (tensor, *others) = encoder.schema.fields, tensors
    if others:
        raise RequestError(
            f"{FEATURES!r} is not the only input tensor", "it holds every field; give it alone"
        )
    if tensor.datatype not in FLOATS:
        raise _fault(
            served, FEATURES, f"a {tensor.datatype} tensor", f"a tensor of {' or '.join(FLOATS)}", "type"
        )
    if tensor.shape[1:] != (len(fields),):
        allowed = f"it takes [rows, {len(fields)}]: {', '.join(encoder.schema.field_names)}"
        raise RequestError(f"tensor {FEATURES!r} has shape {list(tensor.shape)}", allowed)
    rows = _check_rows(served, tensor, max_rows)
    matrix = np.empty((rows, len(encoder.schema.names)), dtype=np.float32)
    matrix[:, : len(fields)] = np.asarray(tensor.values).reshape(tensor.shape)
    for column, each in enumerate(fields):
        _check_codes(served, each, matrix[:, column])
    encoder.derive(matrix)
    return matrix


def _check_codes(served: Served, each: Field, values: npt.NDArray[np.float32]) -> None:
    if each.kind in NUMERIC:
        return
    if each.kind is Kind.CATEGORY:
        low, high, reason = 0, len(each.levels) - 1, "level"
        allowed = f"the index of {each.allowed}: from 0 to {high}"
    else:
        low, high, reason = days(date.min), days(date.max), "type"
        allowed = "a date as whole days since 1970-01-01"
    good = (values >= low) & (values <= high) & (np.floor(values) == values) | np.isnan(values)
    if not good.all():
        row = int(np.argmin(good))
        raise _fault(served, each.name, float(str(values[row])), allowed, reason, row)
