"""Candidates and their search spaces."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number from `low` to `high`, both inclusive; `log` samples orders of magnitude evenly."""

    low: int
    high: int
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A number from `low` to `high`; `log` samples orders of magnitude evenly."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One of a few values."""

    options: tuple[str | int | float | bool | None, ...]


Range = Integer | Real | Choice
Parameter = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model family with its search space.

    Attributes:
        name: Also its alias in the registry: lower case.
        family: A key of `pipeline.families`.
        space: Parameter to its range.
        start: The first trial's parameters; what it lacks is the family's default.
        fixed: Parameters that are never varied.
        tuning_rows: Trials see at most this many rows (0: all); the final fit sees all.
        max_latency_seconds: Greatest median time of one row, above which it is not eligible.
    """

    name: str
    family: str
    space: Mapping[str, Range] = field(default_factory=dict)
    start: Mapping[str, Parameter] = field(default_factory=dict)
    fixed: Mapping[str, Parameter] = field(default_factory=dict)
    tuning_rows: int = 0
    max_latency_seconds: float = 0.02
