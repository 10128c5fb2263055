"""Conversion of tensors to the matrix of a model, and of its results to tensors.

A request has a tensor for each field, or one named `features` that holds the matrix's values of all fields in
their order: categories as the index of their level, dates as days since 1970-01-01, date-times as such days
with a fraction, NaN for missing values. The tensor `identifier` may stand beside them.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.identifier import ALLOWED_IDENTIFIER, IDENTIFIER
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from servicio_ml.errors import FieldError, InvalidError, RequestError
from servicio_ml.features.check import shorten_number
from servicio_ml.features.column_values import restore_limits
from servicio_ml.features.kinds.dated_columns import count_days
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.features.output import POSITIVE
from servicio_ml.features.uncertainty.documents import list_label_sets
from servicio_ml.features.uncertainty.uncertainty import LABEL_SET
from servicio_ml.serving.models.loaded_model import LoadedModel, PartialResult, PredictionResult
from servicio_ml.serving.models.row_faults import OnError, RequestRows, RowFaults, RowRefusals
from servicio_ml.serving.oip.tensor import (
    BOOL,
    BYTES,
    FLOATS,
    FP32,
    FP64,
    INT64,
    NUMBER_DTYPES,
    Tensor,
    truncate_text,
)

FEATURES = "features"
PREDICTION, PREDICTION_ID = "prediction", "prediction_id"
ERROR = "error"
"""Output of a request whose refused rows are answered."""
PROBABILITY, PROBABILITIES = "probability", "probabilities"
NUMERIC = (Kind.NUMBER, Kind.INTEGER)
INTEGERS = tuple(name for name in NUMBER_DTYPES if name not in FLOATS)
ANY_ROWS = -1
Signature = tuple[str, str, list[int]]
"""Name, datatype and shape of an input or output; `ANY_ROWS` replaces the number of rows."""


def to_rows(
    loaded_model: LoadedModel, tensors: Sequence[Tensor], max_rows: int, on_error: OnError = OnError.REFUSE
) -> RequestRows:
    """Convert the tensors of a request to its rows.

    Raises:
        InvalidError: A tensor is no field, or a value does not fit its field and refuses the request.
        RequestError: The tensors do not fit together.
    """
    names = [tensor.name for tensor in tensors]
    if not names:
        raise RequestError("no input tensor was given", f"give one for each field, or {FEATURES!r}")
    if twice := sorted({truncate_text(name) for name in names if names.count(name) > 1}):
        raise RequestError(f"input tensor {twice[0]!r} stands twice", "give each once")
    fields = loaded_model.artifact.encoder.schema.field_names
    tensors = _rename_tensors(loaded_model, tensors)
    # a model may have a field of that name, which then wins
    if FEATURES in names and FEATURES not in fields:
        return _read_features(loaded_model, tensors, max_rows, on_error)
    return _read_fields(loaded_model, tensors, max_rows, on_error)


def describe_inputs(loaded_model: LoadedModel) -> list[Signature]:
    """Describe the inputs of a model: one for each field, of a datatype that holds all its values.

    The identifier of rows is the last one, where they have one.
    """
    inputs = [
        (each.name, _choose_datatype(each), [ANY_ROWS])
        for each in loaded_model.artifact.encoder.schema.fields
    ]
    return [*inputs, (IDENTIFIER, BYTES, [ANY_ROWS])] if loaded_model.decoder.identifier else inputs


def _choose_datatype(each: Field) -> str:
    # BOOL has no value for missing
    if each.kind is Kind.BOOLEAN and not each.nullable:
        return BOOL
    if each.kind not in NUMERIC:
        return BYTES
    # INT64 has no value for missing, unlike NaN of FP64
    return INT64 if each.kind is Kind.INTEGER and not each.nullable else FP64


def describe_outputs(loaded_model: LoadedModel) -> list[Signature]:
    """Describe the outputs of a model."""
    labels, named = loaded_model.labels, (PREDICTION_ID, BYTES, [ANY_ROWS])
    if not labels:
        return [(PREDICTION, FP64, [ANY_ROWS]), named]
    if loaded_model.artifact.output.task == "binary":
        return [(PREDICTION, BYTES, [ANY_ROWS]), (PROBABILITY, FP64, [ANY_ROWS]), named]
    return [(PREDICTION, BYTES, [ANY_ROWS]), (PROBABILITIES, FP64, [ANY_ROWS, len(labels)]), named]


def describe_detail_outputs(loaded_model: LoadedModel, details: AnswerDetails) -> list[Signature]:
    """Describe the outputs that a request has beside the others."""
    names = loaded_model.artifact.list_detail_columns(details)
    return [(name, BYTES if name == LABEL_SET else FP64, [ANY_ROWS]) for name in names]


def check_outputs(
    loaded_model: LoadedModel,
    names: Sequence[str],
    on_error: OnError,
    details: AnswerDetails = NO_DETAILS,
) -> None:
    """Check the names of requested outputs.

    Args:
        loaded_model: Model of the request.
        names: Requested names.
        on_error: `error` is an output where refused rows are answered.
        details: What the request asks for beside the predictions.

    Raises:
        RequestError: The model has no such output, or a name is repeated.
    """
    # a list, since the message shows the names in the order of the outputs
    more = describe_detail_outputs(loaded_model, details)
    known = [name for name, *_ in (*describe_outputs(loaded_model), *more)]
    if on_error is OnError.PARTIAL:
        known.append(ERROR)
    for name in names:
        if name not in known:
            raise RequestError(
                f"output {truncate_text(name)!r} is not there", f"outputs are {', '.join(known)}"
            )
    if len(set(names)) != len(names):
        raise RequestError("an output is requested twice", "name each once")


def from_result(result: PredictionResult, names: Sequence[str]) -> list[Tensor]:
    """Build the requested output tensors, in that order; all outputs when none is named."""
    signatures = {name: (datatype, shape) for name, datatype, shape in describe_outputs(result.loaded_model)}
    columns, labels = result.compute_details(), result.loaded_model.labels
    tensors = {
        name: _build_detail_output(name, columns[name], labels)
        if name in columns
        else _build_output(result, name, *signatures[name])
        for name in names or [*signatures, *columns]
        if name != ERROR
    }
    if not isinstance(result, PartialResult):
        return [*tensors.values()]
    tensors = {name: _add_refused_rows(tensor, result.refusals) for name, tensor in tensors.items()}
    tensors[ERROR] = _build_errors(result.refusals)
    return [tensors[name] for name in names or tensors]


def _build_detail_output(name: str, values: npt.NDArray[Any], labels: Sequence[str]) -> Tensor:
    if name != LABEL_SET:
        return Tensor(name=name, datatype=FP64, shape=(len(values),), values=values)
    # sets differ in size, which no tensor can
    sets = list_label_sets({LABEL_SET: values}, labels)
    texts: list[str | None] = [json.dumps(each, ensure_ascii=False) for each in sets]
    return Tensor(name=name, datatype=BYTES, shape=(len(texts),), values=texts)


def _build_errors(refusals: RowRefusals) -> Tensor:
    return Tensor(name=ERROR, datatype=BYTES, shape=(refusals.row_count,), values=refusals.errors)


def _add_refused_rows(tensor: Tensor, refusals: RowRefusals) -> Tensor:
    """Add the refused rows to the output of the scored ones: NaN, or a missing text."""
    shape = (refusals.row_count, *tensor.shape[1:])
    if isinstance(tensor.values, list):
        return replace(tensor, shape=shape, values=refusals.fill(tensor.values, None))
    values = np.full(shape, np.nan)
    values[refusals.scored_rows] = tensor.values.reshape(tensor.shape)
    return replace(tensor, shape=shape, values=values.reshape(-1))


def _build_output(result: PredictionResult, name: str, datatype: str, shape: list[int]) -> Tensor:
    labels, predictions = result.loaded_model.labels, result.predictions
    values: npt.NDArray[Any] | list[str | None]
    if name == PREDICTION_ID:
        values = [*result.ids]
    elif name == PREDICTION:
        outcomes = predictions.outcomes
        values = [labels[int(code)] for code in outcomes.tolist()] if labels else outcomes
    elif predictions.probabilities is not None and name == PROBABILITY:
        # a copy: the raw bytes must be contiguous
        values = predictions.probabilities[:, POSITIVE].copy()
    else:
        values = np.asarray(predictions.probabilities).reshape(-1)
    return Tensor(name=name, datatype=datatype, shape=(result.row_count, *shape[1:]), values=values)


def _build_error(
    loaded_model: LoadedModel, field: str, value: object, allowed: str, reason: str
) -> InvalidError:
    fault = FieldError(row=0, field=truncate_text(field), value=value, allowed=allowed, reason=reason)
    return InvalidError(loaded_model.model, [fault])


def _count_rows(loaded_model: LoadedModel, tensors: Sequence[Tensor], max_rows: int) -> int:
    rows = {_check_rows(loaded_model, tensor, max_rows) for tensor in tensors}
    if len(rows) > 1:
        lengths = ", ".join(f"{tensor.name} {tensor.shape[0]}" for tensor in tensors)
        raise RequestError(
            f"input tensors differ in rows: {lengths}", "give each field a value for every row"
        )
    return rows.pop()


def _check_rows(loaded_model: LoadedModel, tensor: Tensor, max_rows: int) -> int:
    rows = tensor.shape[0]
    if not 1 <= rows <= max_rows:
        raise _build_error(loaded_model, tensor.name, f"{rows} rows", f"1 to {max_rows} rows", "range")
    return rows


def _read_fields(
    loaded_model: LoadedModel, tensors: Sequence[Tensor], max_rows: int, on_error: OnError
) -> RequestRows:
    encoder = loaded_model.artifact.encoder
    fields = {each.name: each for each in encoder.schema.fields}
    columns: dict[str, Any] = {}
    for tensor in tensors:
        if _is_identifier(loaded_model, tensor):
            continue
        each = fields.get(tensor.name)
        if each is None:
            inputs = ", ".join(name for name, *_ in describe_inputs(loaded_model))
            allowed = f"no such input; inputs are {inputs}, or {FEATURES} alone"
            raise _build_error(
                loaded_model, tensor.name, f"a {tensor.datatype} tensor", allowed, "unknown_field"
            )
        columns[each.name] = _convert_column(loaded_model, tensor, each)
    identifiers = _read_identifiers(loaded_model, tensors)
    # after all columns: a wrong field name is the likelier mistake
    number = _count_rows(loaded_model, tensors, max_rows)
    faults = loaded_model.decoder.create_faults(columns, on_error)
    return loaded_model.decoder.encode_rows(
        lambda on_fault: encoder.read_columns(columns, number, on_fault), faults, identifiers
    )


def _is_identifier(loaded_model: LoadedModel, tensor: Tensor) -> bool:
    return bool(loaded_model.decoder.identifier) and tensor.name == IDENTIFIER


def _read_identifiers(loaded_model: LoadedModel, tensors: Sequence[Tensor]) -> Sequence[object]:
    """Read the identifiers of the rows, not parsed yet; none where no tensor has them."""
    for tensor in tensors:
        if _is_identifier(loaded_model, tensor):
            _check_column(loaded_model, tensor, ALLOWED_IDENTIFIER, [BYTES, *INTEGERS])
            # an empty text is missing, as everywhere
            return tensor.values if isinstance(tensor.values, list) else tensor.values.tolist()
    return ()


def _rename_tensors(loaded_model: LoadedModel, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    names, given = loaded_model.decoder.names, [tensor.name for tensor in tensors]
    if not names.has_raw(given):
        return tensors
    if fault := names.find_fault(given):
        raise InvalidError(loaded_model.model, [fault])
    return [replace(tensor, name=names.rename(tensor.name)) for tensor in tensors]


def _convert_column(loaded_model: LoadedModel, tensor: Tensor, each: Field) -> npt.NDArray[Any] | list[Any]:
    _check_column(loaded_model, tensor, each.allowed, _list_datatypes(each))
    # an empty text is missing: BYTES has no other value for it
    if isinstance(tensor.values, list):
        return [text or None for text in tensor.values]
    # booleans of Python, which stand for levels
    if tensor.datatype == BOOL:
        return [*tensor.values.tolist()]
    return restore_limits(tensor.values, each) if tensor.datatype == FP32 else tensor.values


def _check_column(loaded_model: LoadedModel, tensor: Tensor, allowed: str, datatypes: Sequence[str]) -> None:
    if tensor.shape[1:] not in {(), (1,)}:
        raise RequestError(
            f"tensor {tensor.name!r} has shape {list(tensor.shape)}", "a field takes [rows] or [rows, 1]"
        )
    if tensor.datatype not in datatypes:
        raise _build_error(
            loaded_model,
            tensor.name,
            f"a {tensor.datatype} tensor",
            f"{allowed}, as {', '.join(datatypes)}",
            "type",
        )


def _list_datatypes(each: Field) -> Sequence[str]:
    if each.kind in NUMERIC:
        return [*NUMBER_DTYPES]
    # the levels of a category may be true and false
    return [BYTES, BOOL] if each.has_levels else [BYTES]


def _read_features(
    loaded_model: LoadedModel, tensors: Sequence[Tensor], max_rows: int, on_error: OnError
) -> RequestRows:
    fields = loaded_model.artifact.encoder.schema.fields
    tensor = _find_features(loaded_model, tensors)
    identifiers = _read_identifiers(loaded_model, tensors)
    _count_rows(loaded_model, tensors, max_rows)
    values = np.array(tensor.values, dtype=np.float64).reshape(tensor.shape)
    faults = loaded_model.decoder.create_faults([each.name for each in fields], on_error)
    for column, each in enumerate(fields):
        if each.kind not in NUMERIC:
            _check_codes(each, values[:, column], faults)
        elif tensor.datatype == FP32:
            values[:, column] = restore_limits(values[:, column], each)
    return loaded_model.decoder.encode_rows(lambda _: values, faults, identifiers)


def _find_features(loaded_model: LoadedModel, tensors: Sequence[Tensor]) -> Tensor:
    """Find the tensor with the values of all fields, and check its type and shape."""
    schema = loaded_model.artifact.encoder.schema
    tensor, *others = (each for each in tensors if not _is_identifier(loaded_model, each))
    if others:
        beside = f", or with {IDENTIFIER!r}" if loaded_model.decoder.identifier else ""
        raise RequestError(
            f"{FEATURES!r} is not the only input tensor", f"it holds every field; give it alone{beside}"
        )
    if tensor.datatype not in FLOATS:
        raise _build_error(
            loaded_model,
            FEATURES,
            f"a {tensor.datatype} tensor",
            f"a tensor of {' or '.join(FLOATS)}",
            "type",
        )
    if tensor.shape[1:] != (len(schema.fields),):
        allowed = f"it takes [rows, {len(schema.fields)}]: {', '.join(schema.field_names)}"
        raise RequestError(f"tensor {FEATURES!r} has shape {list(tensor.shape)}", allowed)
    if schema.words:
        allowed = f"a tensor for each field, since {schema.fields[min(schema.words)].name!r} is a text"
        raise _build_error(loaded_model, FEATURES, f"a {tensor.datatype} tensor", allowed, "type")
    if tensor.datatype == FP32 and schema.seconds:
        # 24 bits hold days to some minutes
        allowed = f"a tensor of {FP64}, since the model reads date-times to the second"
        raise _build_error(loaded_model, FEATURES, f"a {FP32} tensor", allowed, "type")
    return tensor


def _check_codes(each: Field, values: npt.NDArray[np.float64], faults: RowFaults) -> None:
    if each.has_levels:
        low, high, reason = 0, len(each.levels) - 1, "level" if each.kind is Kind.CATEGORY else "type"
        allowed = f"the index of {each.allowed}: from 0 to {high}"
    else:
        low, high, reason = count_days(FIRST_DAY), count_days(LAST_DAY), "type"
        allowed = f"a date as whole days since 1970-01-01: from {low} to {high}"
    whole = np.floor(values)
    good = (whole >= low) & (whole <= high)
    if each.kind is Kind.DATETIME:
        allowed = f"a date-time as days since 1970-01-01 with a fraction: from {low} to below {high + 1}"
    else:
        good &= whole == values
    # NaN is missing, which the decoder checks against the field
    good |= np.isnan(values)
    for row in np.flatnonzero(~good).tolist():
        value = shorten_number(values[row])
        faults.add(FieldError(row=row, field=each.name, value=value, allowed=allowed, reason=reason))
