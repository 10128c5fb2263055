"""Records whose numbers are too high, as a drift for demonstrations."""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from servicio_ml.domain.schema import Field, Kind

SHIFTED_SHARE = 0.1
"""Share of a field's range by which shifted values are too high."""
NUMBERS = (Kind.NUMBER, Kind.INTEGER)


def shift_numbers(record: Mapping[str, Any], fields: Sequence[Field]) -> dict[str, Any]:
    """Copy a record with every number a tenth of its range higher, at most its maximum.

    Numbers without a range, and missing ones, stay as they are.
    """
    shifted = dict(record)
    for each in fields:
        bounds, value = (each.minimum, each.maximum), record.get(each.name)
        if each.kind in NUMBERS and value is not None and None not in bounds:
            shifted[each.name] = _shift(each, value)
    return shifted


def _shift(field: Field, value: float) -> float:
    low, high = field.limits
    amount = SHIFTED_SHARE * (high - low)
    # an integer with a fraction would be refused
    return min(value + (ceil(amount) if field.kind is Kind.INTEGER else amount), high)
