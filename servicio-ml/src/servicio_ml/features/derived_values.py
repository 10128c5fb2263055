"""Values of expressions, bins and parts of dates, from the values of their fields."""

import ast
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.checks.expression import parse_expression
from servicio_ml.domain.derived import Bins, DatePart, Expression
from servicio_ml.domain.fields.date_time import SECONDS_PER_DAY
from servicio_ml.domain.values import MAX_NUMBER

Values = npt.NDArray[np.float64]
Evaluate = Callable[[Values], Values]
"""Function from the sources of a column, `[n, sources]` in their order, to its values `[n]`."""
Moments = npt.NDArray[np.datetime64]

_OPERATIONS: Mapping[type[ast.AST], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.Pow: np.power,
    ast.USub: np.negative,
    ast.UAdd: np.positive,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "abs": np.abs,
    "log": np.log,
    "sqrt": np.sqrt,
    "min": np.minimum,
    "max": np.maximum,
}
_WEEKDAY_OF_EPOCH = 3
"""1970-01-01 was a Thursday: three days after a Monday."""


def build_expression(column: Expression) -> Evaluate:
    """Build the function that evaluates an expression."""
    compute = _build_node(parse_expression(column.text), column.sources)

    def evaluate(sources: Values) -> Values:
        with np.errstate(all="ignore"):
            values = compute(sources)
        # beyond float32, a value would become infinite
        return np.where(np.abs(values) <= MAX_NUMBER, values, np.nan)

    return evaluate


def _build_node(node: ast.AST, names: tuple[str, ...]) -> Callable[[Values], Any]:
    match node:
        case ast.Name(id=name):
            position = names.index(name)
            return lambda sources: sources[:, position]
        case ast.Constant(value=value):
            constant = np.float64(value)  # type: ignore[arg-type]  # `parse_expression` takes numbers only
            return lambda _: constant
        case ast.UnaryOp(op=operator, operand=operand):
            return _build_operation(_OPERATIONS[type(operator)], [operand], names)
        case ast.BinOp(left=left, op=operator, right=right):
            return _build_operation(_OPERATIONS[type(operator)], [left, right], names)
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            return _build_operation(_OPERATIONS[type(operator)], [left, right], names)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return _build_operation(_FUNCTIONS[name], arguments, names)
    raise AssertionError(node)


def _build_operation(
    operation: Callable[..., Any], nodes: list[ast.expr], names: tuple[str, ...]
) -> Callable[[Values], Any]:
    parts = [_build_node(node, names) for node in nodes]

    def compute(sources: Values) -> Any:
        operands = [part(sources) for part in parts]
        # `min` and `max` take more than two
        result = reduce(operation, operands) if len(operands) > 1 else operation(*operands)
        known = np.isfinite(result)
        # a comparison with NaN is False, and NaN ** 0 is 1: neither is known
        for operand in operands:
            known &= ~np.isnan(operand)
        return np.where(known, result, np.nan)

    return compute


def build_bins(column: Bins) -> Evaluate:
    """Build the function that finds the bin of a number."""
    # as float32, like the values: 0.7 of a request is then not below an edge of 0.7
    edges = np.array(column.edges, dtype=np.float32).astype(np.float64)

    def evaluate(sources: Values) -> Values:
        numbers = sources[:, 0]
        return np.where(np.isnan(numbers), np.nan, np.searchsorted(edges, numbers, side="right"))

    return evaluate


def build_date_part(column: DatePart) -> Evaluate:
    """Build the function that takes a part of a date or date-time, in days since 1970-01-01."""
    compute = _PARTS[column.part]

    def evaluate(sources: Values) -> Values:
        known = ~np.isnan(sources[:, 0])
        seconds = np.rint(np.where(known, sources[:, 0], 0) * SECONDS_PER_DAY)
        return np.where(known, compute(seconds.astype("datetime64[s]")), np.nan)

    return evaluate


def _count(moments: Moments, unit: str) -> npt.NDArray[np.int64]:
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


def _count_within(moments: Moments, unit: str) -> npt.NDArray[np.int64]:
    """Number of a day within its month or year, from 1."""
    days: Moments = moments.astype("datetime64[D]")
    start: Moments = days.astype(f"datetime64[{unit}]").astype("datetime64[D]")
    return np.asarray(days - start).astype(np.int64) + np.int64(1)


_PARTS: Mapping[str, Callable[[Moments], npt.NDArray[np.int64]]] = {
    "year": lambda moments: _count(moments, "Y") + 1970,
    "month": lambda moments: _count(moments, "M") % 12 + 1,
    "day": lambda moments: _count_within(moments, "M"),
    "weekday": lambda moments: (_count(moments, "D") + _WEEKDAY_OF_EPOCH) % 7 + 1,
    "day_of_year": lambda moments: _count_within(moments, "Y"),
    "hour": lambda moments: _count(moments, "h") % 24,
    "minute": lambda moments: _count(moments, "m") % 60,
}
