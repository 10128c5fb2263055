"""Typical values of the fields of a model: initial values of a form and the grid of a curve."""

from collections.abc import Sequence
from datetime import timedelta
from math import floor, log10

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.fields.date_time import parse_datetime, write_date
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.domain.values import FIRST_DAY, LAST_DAY
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.bins import MIN_LABEL_DIGITS, ColumnBins
from servicio_ml.features.kinds.dated_columns import count_days
from servicio_ml.features.profile import ALL

Value = float | int | str | bool | None
# an odd number has the middle of the range as a point
GRID_POINTS = 41
"""Number of points of the curve of a number: enough to show the steps of a tree within milliseconds."""
GRID_DAYS, GRID_STEP_DAYS = 182, 7
"""Range and step of the curve of a date: half a year back and ahead by weeks, which covers all seasons."""
GRID_HOURS = 84
"""Range of the curve of a date-time, by hours: half a week back and ahead, to cover all weekdays."""


def compute_typical_record(artifact: Artifact) -> dict[str, Value]:
    """Compute a typical value of each field.

    The most frequent level of a category or boolean; for a number or date the value of a golden row in the
    bin of the median of the training rows. None where most training rows have no value.
    """
    shares = artifact.reference.seasons[ALL].shares
    return {
        each.name: _find_typical_value(each, bins, np.asarray(share), _list_golden_values(artifact, each))
        for each, bins, share in zip(
            artifact.encoder.schema.fields, artifact.reference.features, shares, strict=False
        )
    }


def build_grid(artifact: Artifact, each: Field, value: Value) -> list[Value]:
    """Build the grid of a field's curve, ascending; all levels of a category or boolean.

    Args:
        artifact: Model of the field.
        each: Field.
        value: Value of the record, which is included in the grid.
    """
    if each.has_levels:
        return [*each.choices]
    if each.kind is Kind.TEXT:
        return [*dict.fromkeys([*each.words, str(value or each.example)])]
    if each.is_dated:
        return _build_dated_grid(artifact, each, value)
    bins = artifact.reference.features[artifact.encoder.schema.field_names.index(each.name)]
    mine = [float(value)] if isinstance(value, (int, float)) else []
    golden = [
        float(known) for known in _list_golden_values(artifact, each) if isinstance(known, (int, float))
    ]
    found = [*golden, *map(_round_edge, bins.edges), *mine] or [float(each.example)]
    return [*sorted({*_build_steps(each, min(found), max(found)), *_round_numbers(each, mine)})]


def _build_dated_grid(artifact: Artifact, each: Field, value: Value) -> list[Value]:
    middle = str(value or _find_median(_list_golden_values(artifact, each)) or each.example)
    return _build_weeks(middle) if each.kind is Kind.DATE else _build_hours(middle)


def _find_typical_value(
    each: Field, bins: ColumnBins, shares: npt.NDArray[np.float64], golden: Sequence[Value]
) -> Value:
    known, missing = shares[:-1], shares[-1]
    if each.nullable and missing > known.sum():
        return None
    if each.has_levels:
        return each.choices[int(known.argmax())]
    if each.kind is Kind.TEXT:
        return _find_median(golden) or each.example
    place = int(np.searchsorted(known.cumsum(), known.sum() / 2))
    inside = [value for value in golden if _find_bin(bins, each, value) == place]
    return _find_median(inside) if inside else _build_value_in_bin(each, bins, place)


def _find_bin(bins: ColumnBins, each: Field, value: Value) -> int:
    # all dates and date-times are in one bin
    number = np.float32(0 if each.is_dated else value or 0)
    return int(np.searchsorted(np.asarray(bins.edges), number, side="right"))


def _build_value_in_bin(each: Field, bins: ColumnBins, place: int) -> Value:
    """Build a value of a bin without any golden row: the middle of its edges, or the edge of an open bin."""
    if not bins.edges:
        return each.example
    low, high = bins.edges[max(place - 1, 0)], bins.edges[min(place, len(bins.edges) - 1)]
    middle = _round_edge((low + high) / 2)
    return round(middle) if each.kind is Kind.INTEGER else middle


def _list_golden_values(artifact: Artifact, each: Field) -> list[Value]:
    return [record[each.name] for record in artifact.golden["records"] if record.get(each.name) is not None]


def _find_median(values: Sequence[Value]) -> Value:
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    return ordered[len(ordered) // 2] if ordered else None


def _round_edge(bound: float) -> float:
    """Round an edge to the digits that people read: 12.1, not 12.100000381."""
    # the end of the bin of a frequent 0
    return 0.0 if abs(bound) <= np.finfo(np.float32).tiny else float(f"{bound:.{MIN_LABEL_DIGITS}g}")


def _build_steps(each: Field, low: float, high: float) -> list[float | int]:
    minimum, maximum = each.limits
    decimals = (
        0 if each.kind is Kind.INTEGER or high <= low else _count_decimals((high - low) / (GRID_POINTS - 1))
    )
    numbers = np.clip(np.round(np.linspace(low, high, GRID_POINTS), decimals), minimum, maximum)
    return _round_numbers(each, numbers.tolist())


def _count_decimals(step: float) -> int:
    """Count the decimals with which a step keeps two digits."""
    return 1 - floor(log10(step))


def _round_numbers(each: Field, numbers: Sequence[float]) -> list[float | int]:
    return [int(number) for number in numbers] if each.kind is Kind.INTEGER else [*numbers]


def _build_hours(middle: str) -> list[Value]:
    center = parse_datetime(middle, "")
    around = (center + timedelta(hours=shift) for shift in range(-GRID_HOURS, GRID_HOURS + 1))
    return [each.isoformat() for each in around if FIRST_DAY <= each.date() <= LAST_DAY]


def _build_weeks(middle: str) -> list[Value]:
    first, last = count_days(FIRST_DAY), count_days(LAST_DAY)
    around = (count_days(middle) + shift for shift in range(-GRID_DAYS, GRID_DAYS + 1, GRID_STEP_DAYS))
    return [write_date(day) for day in around if first <= day <= last]
