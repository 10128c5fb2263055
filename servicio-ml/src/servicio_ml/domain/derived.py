"""Derived columns: declared once and computed by the same code in training and in serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from servicio_ml.domain.checks.attributes import Limits, Name, check_attributes
from servicio_ml.domain.values import MAX_NUMBER

Period = Annotated[float, Limits(minimum=1e-6, maximum=1e9)]
"""Within it, the phase of every value of a field is a number."""
Float32 = Annotated[float, Limits(minimum=-MAX_NUMBER, maximum=MAX_NUMBER)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """Number by level of a category; a missing level gives a missing number."""

    name: Name
    source: str
    table: Mapping[str, Float32]

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
# sine and cosine together place the last day of a period beside its first
class Cyclic:
    """`wave(2π · source / period)`: for a date, `source` is in days since 1970-01-01."""

    name: Name
    source: str
    period: Period
    wave: Literal["sin", "cos"]

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
# only the two dates' distance is a feature: their absolute values lie beyond the training rows later
class Difference:
    """`minuend − subtrahend`; of two dates, in days."""

    name: Name
    minuend: str
    subtrahend: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.minuend, self.subtrahend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """`numerator / denominator`; a denominator of 0 gives a missing number."""

    name: Name
    numerator: str
    denominator: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
# a column of its own, because the missing value itself stays NaN in the matrix
class Missing:
    """Indicator of a missing source: 1 where it is missing, else 0."""

    name: Name
    source: str

    def __post_init__(self) -> None:
        _check_column(self)

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


Derived = Lookup | Cyclic | Difference | Ratio | Missing

# these names stand in the schema.json of every exported model: an operation cannot be renamed
_OPERATIONS: Mapping[str, type[Derived]] = {
    "lookup": Lookup,
    "cyclic": Cyclic,
    "difference": Difference,
    "ratio": Ratio,
    "missing": Missing,
}
_NAMES = {operation: name for name, operation in _OPERATIONS.items()}


def _check_column(column: Derived) -> None:
    check_attributes(column, f"derived column {column.name!r}")


def convert_derived_to_json(column: Derived) -> dict[str, Any]:
    return {"operation": _NAMES[type(column)], **asdict(column)}


def build_derived_from_json(document: Mapping[str, Any]) -> Derived:
    # a copy: `pop` must not change the caller's document
    attributes = {**document}
    return _OPERATIONS[attributes.pop("operation")](**attributes)
