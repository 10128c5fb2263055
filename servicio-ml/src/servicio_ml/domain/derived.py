"""Derived columns: declared once, computed by the same code in training and in serving."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A number for each level of a category; a missing level gives a missing number."""

    name: str
    source: str
    table: Mapping[str, float]

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cyclic:
    """`wave(2π · source / period)`: for a date, `source` is in days since 1970-01-01."""

    name: str
    source: str
    period: float
    wave: Literal["sin", "cos"]

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """`minuend − subtrahend`; of two dates, in days."""

    name: str
    minuend: str
    subtrahend: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.minuend, self.subtrahend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """`numerator / denominator`; a denominator of 0 gives a missing number."""

    name: str
    numerator: str
    denominator: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.numerator, self.denominator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """1 where the source is missing, else 0."""

    name: str
    source: str

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.source,)


Derived = Lookup | Cyclic | Difference | Ratio | Missing

_OPERATIONS: Mapping[str, type[Derived]] = {
    "lookup": Lookup,
    "cyclic": Cyclic,
    "difference": Difference,
    "ratio": Ratio,
    "missing": Missing,
}
_NAMES = {operation: name for name, operation in _OPERATIONS.items()}


def derived_to_json(column: Derived) -> dict[str, Any]:
    return {"operation": _NAMES[type(column)], **asdict(column)}


def derived_from_json(document: Mapping[str, Any]) -> Derived:
    parts = {**document}
    return _OPERATIONS[parts.pop("operation")](**parts)
