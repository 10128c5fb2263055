"""Whether a matrix keeps to its schema, for whole columns at once."""

from itertools import islice
from math import ceil, floor

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.errors import Fault
from servicio_ml.features.encoder import Matrix

GREATEST, GREATEST_WHOLE = float(np.finfo(np.float32).max), 2**53
"""What the matrix can hold; the whole numbers up to which every reader of JSON counts one by one."""
SHOWN_FAULTS = 100
"""Faults that are looked up at the most: one is enough to refuse a request."""


class Checker:
    """Finds what is missing, out of range or no whole number.

    Types and levels are the encoder's to find.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._fields = schema.fields
        bounds = np.array([bounds_of(each) for each in self._fields], dtype=np.float32)
        self._low, self._high = bounds.T
        self._required = np.array([not each.nullable for each in self._fields])
        self._whole = _whole(schema)

    def bad(self, matrix: Matrix) -> npt.NDArray[np.bool_]:
        """Which values do not keep to the schema, `[n, fields]`."""
        values = matrix[:, : len(self._fields)]
        bad = (values < self._low) | (values > self._high) | (np.isnan(values) & self._required)
        whole = values[:, self._whole]
        bad[:, self._whole] |= (np.floor(whole) != whole) & ~np.isnan(whole)
        return bad  # type: ignore[no-any-return]  # NumPy's operators on booleans

    def faults(self, matrix: Matrix) -> list[Fault]:
        """The first `SHOWN_FAULTS` faults of a matrix `[n, features]`, row by row; none when it fits."""
        bad = self.bad(matrix)
        if not bad.any():
            return []
        places = zip(*(axis.tolist() for axis in np.nonzero(bad)), strict=True)
        return [self._fault(matrix, row, column) for row, column in islice(places, SHOWN_FAULTS)]

    def _fault(self, matrix: Matrix, row: int, column: int) -> Fault:
        each, value = self._fields[column], float(str(matrix[row, column]))
        if np.isnan(value):
            return Fault(row=row, field=each.name, value=None, allowed=each.allowed, reason="missing")
        reason = "type" if each.kind is Kind.INTEGER and value % 1 else "range"
        return Fault(row=row, field=each.name, value=value, allowed=each.allowed, reason=reason)


def bounds_of(each: Field) -> tuple[float, float]:
    """Least and greatest value of a field, inclusive; whole ones of an integer."""
    least, greatest = each.minimum, each.maximum
    if each.kind is Kind.INTEGER:
        lowest = -GREATEST_WHOLE if least is None else ceil(least)
        return lowest, GREATEST_WHOLE if greatest is None else floor(greatest)
    return -GREATEST if least is None else least, GREATEST if greatest is None else greatest


def _whole(schema: FeatureSchema) -> npt.NDArray[np.intp]:
    return np.array([i for i, each in enumerate(schema.fields) if each.kind is Kind.INTEGER], dtype=np.intp)
