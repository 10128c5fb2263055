"""Columns of tables and tensors as float64 values, each checked against the kind of its field."""

from collections.abc import Callable, Sequence
from typing import Any

import narwhals as nw
import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import LevelFinder
from servicio_ml.errors import EncodingError
from servicio_ml.features.kinds.dated_columns import build_dated_reader, read_moments
from servicio_ml.features.kinds.text_columns import TextReader

Column = npt.NDArray[np.float64]
ReadValue = Callable[[Any], float]
OnFault = Callable[[EncodingError], None]
"""Called with the fault of one value; the value counts as missing if it returns."""
NAN = float("nan")
# exact types: `bool` is a subclass of `int` and must not pass as a number
NUMBERS = (float, int)
NUMERIC = (Kind.NUMBER, Kind.INTEGER)
TEXTS = (nw.String, nw.Categorical, nw.Enum)


def raise_fault(fault: EncodingError) -> None:
    """Raise a fault: the first one ends the reading."""
    raise fault


def build_reader(each: Field) -> ReadValue:
    """Build the function that reads one value of a field; it raises `EncodingError`."""
    if each.has_levels:
        return _build_level_reader(each)
    if each.kind is Kind.TEXT:
        reader = TextReader(each)
        return lambda value: reader.read(value)[0]
    return build_dated_reader(each) if each.is_dated else _build_number_reader(each)


def read_series(series: nw.Series[Any], each: Field, on_fault: OnFault = raise_fault) -> Column:
    """Read a column of a table.

    Args:
        series: Column.
        each: Field of the values.
        on_fault: Called for each value that is no day or no level.

    Raises:
        EncodingError: The column has the wrong type.
    """
    # a column of nulls has the type Null or Object, which does not cast everywhere
    if series.null_count() == len(series):
        return np.full(len(series), np.nan)
    if each.has_levels:
        return _read_levels(series, each, on_fault)
    if each.is_dated:
        days = read_moments(series, each, on_fault)
        return read_one_by_one(series.to_list(), build_reader(each), on_fault) if days is None else days
    if not series.dtype.is_numeric():
        raise EncodingError(each.name, series.drop_nulls()[0], each.allowed, _find_row(series))
    # NumPy has no null for integers, float64 has NaN
    values = np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    return restore_limits(values, each) if series.dtype in {nw.Float32, nw.Float16} else values


def read_list(
    values: Sequence[Any] | npt.NDArray[Any], each: Field, read: ReadValue, on_fault: OnFault
) -> Column:
    """Read a list of values, with None for missing ones.

    Args:
        values: Numbers of a numeric field; otherwise values that `read` takes.
        each: Field of the values.
        read: Reader of the field.
        on_fault: Called for each value that is no day or no level.
    """
    if each.kind in NUMERIC:
        # NumPy reads None as NaN
        return np.array(values, dtype=np.float64)
    return read_one_by_one(values, read, on_fault)


def restore_limits(values: npt.NDArray[Any], each: Field) -> Column:
    """Widen values of float32, so that one that is equal to a limit of its field in float32 is that limit.

    Without it, a float32 of 0.1 would be beyond a maximum of 0.1.

    Args:
        values: Values in float32, or in float64 where those that float32 cannot represent stay unchanged.
        each: Field of the values.
    """
    wide = values.astype(np.float64)
    with np.errstate(over="ignore"):
        single = wide.astype(np.float32)
    for limit in each.limits:
        wide[(single == np.float32(limit)) & (single == wide)] = limit
    return wide


def _build_number_reader(each: Field) -> ReadValue:
    def read(value: Any) -> float:
        if type(value) in NUMBERS:
            return value  # type: ignore[no-any-return]  # NumPy narrows int and float alike
        if value is None:
            return NAN
        if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
            return float(value)
        raise EncodingError(each.name, value, each.allowed)

    return read


def _build_level_reader(each: Field) -> ReadValue:
    # one dictionary lookup per value; None has an entry of its own
    codes: dict[Any, float] = {level: float(code) for code, level in enumerate(each.levels)} | {None: NAN}
    finder, allowed = LevelFinder(each.levels, learned=each.learned_levels is not None), each.allowed

    def read(value: Any) -> float:
        # numbers and lists are looked up by the finder: 1 and True are one key of a dictionary
        if (type(value) is str and value in codes) or value is None:
            return codes[value]
        if isinstance(value, float) and np.isnan(value):
            return NAN
        level = finder.find(value)
        if level is None:
            raise EncodingError(each.name, value, allowed)
        return codes[level]

    return read


def _read_levels(series: nw.Series[Any], each: Field, on_fault: OnFault) -> Column:
    if series.dtype == nw.Boolean and each.kind is Kind.BOOLEAN:
        return np.asarray(series.cast(nw.Float64).to_numpy(), dtype=np.float64)
    if series.dtype in TEXTS:
        text = series.cast(nw.String)
        # checked first: `replace_strict` with a default would turn an unknown level into a missing value
        if (text.is_in(each.levels) | text.is_null()).all():
            codes = [float(code) for code in range(len(each.levels))]
            found = text.replace_strict([*each.levels], codes, default=None, return_dtype=nw.Float64)
            return np.asarray(found.to_numpy(), dtype=np.float64)
    # a float32 code as its shortest text: 0.1, not 0.10000000149
    values = [*series.to_numpy()] if series.dtype == nw.Float32 else series.to_list()
    return read_one_by_one(values, _build_level_reader(each), on_fault)


def read_one_by_one(
    values: Sequence[Any] | npt.NDArray[Any], read: Callable[[Any], Any], on_fault: OnFault, *width: int
) -> Column:
    """Read values by a function, each text once: `[n]`, or `[n, width]`; a fault is missing in its row."""
    column = np.empty((len(values), *width))
    known: dict[Any, Any] = {}
    for row, value in enumerate(values):
        try:
            # a column has far fewer texts than rows, so each is read once
            column[row] = known[value] if type(value) is str and value in known else read(value)
        except EncodingError as error:
            error.row, column[row] = row, NAN
            on_fault(error)
            continue
        if type(value) is str:
            known[value] = column[row]
    return column


def _find_row(series: nw.Series[Any]) -> int:
    return int(np.argmin(np.asarray(series.is_null().to_numpy(), dtype=bool)))
