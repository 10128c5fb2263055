"""Validation of a matrix against its schema, vectorised by column."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import FeatureSchema, Kind
from servicio_ml.errors import FieldError

Values = npt.NDArray[np.float32] | npt.NDArray[np.float64]
MAX_SHOWN_FAULTS = 100
"""Maximum number of reported errors: one is enough to refuse a request."""


class SchemaChecker:
    """Validates a matrix: missing values, ranges and integers.

    It takes values in float64, before they are rounded, or the float32 matrix. The encoder finds wrong types,
    days and levels before.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._fields = schema.fields
        limits = np.array([each.limits for each in self._fields], dtype=np.float64)
        # float32 like the matrix: in float64 a value equal to its limit could compare as outside
        self._limits = {np.dtype(kind): limits.T.astype(kind) for kind in (np.float32, np.float64)}
        # described once: a category may have thousands of levels, and a batch as many faults as values
        self._allowed = [each.allowed for each in self._fields]
        self._required = np.array([not each.nullable for each in self._fields])
        self._integers = _list_integer_columns(schema)

    def mark_invalid(self, matrix: Values) -> npt.NDArray[np.bool_]:
        """Return a mask of the values that do not fit the schema, `[n, fields]`."""
        values = matrix[:, : len(self._fields)]
        low, high = self._limits[values.dtype]
        # NaN compares false with both limits, so a missing value is only an error where it is required
        bad = (values < low) | (values > high) | (np.isnan(values) & self._required)
        integers = values[:, self._integers]
        bad[:, self._integers] |= (np.floor(integers) != integers) & ~np.isnan(integers)
        return bad  # type: ignore[no-any-return]  # NumPy's operators on booleans

    def find_faults(self, matrix: Values) -> list[FieldError]:
        """Find the first `MAX_SHOWN_FAULTS` errors of a matrix `[n, features]`, row by row."""
        return [*islice(self.iterate_faults(matrix), MAX_SHOWN_FAULTS)]

    def iterate_faults(self, matrix: Values) -> Iterator[FieldError]:
        """Iterate over the errors of a matrix `[n, features]`, row by row."""
        bad = self.mark_invalid(matrix)
        # the usual case ends here, before any Python loop over rows
        if not bad.any():
            return
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(bad)), strict=True):
            yield self._build_fault(matrix, row, column)

    def _build_fault(self, matrix: Values, row: int, column: int) -> FieldError:
        each, value, allowed = (
            self._fields[column],
            shorten_number(matrix[row, column]),
            self._allowed[column],
        )
        if np.isnan(value):
            return FieldError(row=row, field=each.name, value=None, allowed=allowed, reason="missing")
        reason = "type" if each.kind is Kind.INTEGER and value % 1 else "range"
        return FieldError(row=row, field=each.name, value=value, allowed=allowed, reason=reason)


def shorten_number(value: Any) -> float:
    """Return the number with the shortest text that is rounded to a value: 12.1, not 12.100000381.

    Args:
        value: A float32, or a float64 that may have been one.
    """
    with np.errstate(over="ignore"):
        single = np.float32(value)
    # the shortest text of the float32 is the number that the client sent
    return float(str(single)) if single == value else float(value)


def _list_integer_columns(schema: FeatureSchema) -> npt.NDArray[np.intp]:
    return np.array([i for i, each in enumerate(schema.fields) if each.kind is Kind.INTEGER], dtype=np.intp)
