"""What a field is usually like, by the reference of a model: values to begin a form and a curve with."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import floor, log10

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.schema import Field, Kind
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.check import bounds_of
from servicio_ml.features.encoder import EPOCH, days
from servicio_ml.features.profile import ALL, Bins

Value = float | int | str | None
GRID_POINTS = 41
"""Of the curve of a number: enough to see each step of a tree, few enough for milliseconds."""
GRID_DAYS, GRID_STEP_DAYS = 182, 7
"""The curve of a date goes half a year back and half a year on, week by week: all seasons are there."""


def typical(artifact: Artifact) -> dict[str, Value]:
    """A usual value of each field.

    The most frequent level; of a number or a date a golden row's in the bin that holds the median of the
    training rows. None where most of the training rows miss the value.
    """
    shares = artifact.reference.seasons[ALL].shares
    return {
        each.name: _usual(each, bins, np.asarray(share), _golden(artifact, each))
        for each, bins, share in zip(
            artifact.encoder.schema.fields, artifact.reference.features, shares, strict=False
        )
    }


def grid(artifact: Artifact, each: Field, value: Value) -> list[Value]:
    """Values over which a field's curve is drawn, ascending; all levels of a category.

    Args:
        artifact: Of the field's model.
        each: The field.
        value: That the record has; it is among them.
    """
    if each.kind is Kind.CATEGORY:
        return [*each.levels]
    if each.kind is Kind.DATE:
        middle = str(value or _middle(_golden(artifact, each)) or each.example)
        return _weeks(middle)
    bins = artifact.reference.features[artifact.encoder.schema.field_names.index(each.name)]
    mine = [float(value)] if isinstance(value, (int, float)) else []
    golden = [float(known) for known in _golden(artifact, each) if isinstance(known, (int, float))]
    found = [*golden, *map(_short, bins.edges), *mine] or [float(each.example)]
    return [*sorted({*_steps(each, min(found), max(found)), *_exact(each, mine)})]


def _usual(each: Field, bins: Bins, shares: npt.NDArray[np.float64], golden: Sequence[Value]) -> Value:
    known, missing = shares[:-1], shares[-1]
    if each.nullable and missing > known.sum():
        return None
    if each.kind is Kind.CATEGORY:
        return each.levels[int(known.argmax())]
    place = int(np.searchsorted(known.cumsum(), known.sum() / 2))
    inside = [value for value in golden if _place(bins, each, value) == place]
    return _middle(inside) if inside else _edge(each, bins, place)


def _place(bins: Bins, each: Field, value: Value) -> int:
    number = days(str(value)) if each.kind is Kind.DATE else np.float32(value or 0)
    return int(np.searchsorted(np.asarray(bins.edges), number, side="right"))


def _edge(each: Field, bins: Bins, place: int) -> Value:
    """A value beside a bin of which no golden row has one."""
    if not bins.edges:
        return each.example
    edge = _short(bins.edges[max(place - 1, 0)])
    return int(edge) if each.kind is Kind.INTEGER else edge


def _golden(artifact: Artifact, each: Field) -> list[Value]:
    return [record[each.name] for record in artifact.golden["records"] if record.get(each.name) is not None]


def _middle(values: Sequence[Value]) -> Value:
    ordered = sorted(values, key=lambda value: (isinstance(value, str), value))
    return ordered[len(ordered) // 2] if ordered else None


def _short(edge: float) -> float:
    """An edge by the shortest text that names the float32: 12.1, not 12.100000381."""
    return float(str(np.float32(edge)))


def _steps(each: Field, low: float, high: float) -> list[float | int]:
    least, greatest = bounds_of(each)
    decimals = 0 if each.kind is Kind.INTEGER or high <= low else _decimals((high - low) / (GRID_POINTS - 1))
    numbers = np.clip(np.round(np.linspace(low, high, GRID_POINTS), decimals), least, greatest)
    return _exact(each, numbers.tolist())


def _decimals(step: float) -> int:
    """Such that a step keeps two digits."""
    return 1 - floor(log10(step))


def _exact(each: Field, numbers: Sequence[float]) -> list[float | int]:
    return [int(number) for number in numbers] if each.kind is Kind.INTEGER else [*numbers]


def _weeks(middle: str) -> list[Value]:
    first, last = days(date.min), days(date.max)
    around = (days(middle) + moved for moved in range(-GRID_DAYS, GRID_DAYS + 1, GRID_STEP_DAYS))
    return [(EPOCH + timedelta(days=day)).isoformat() for day in around if first <= day <= last]
