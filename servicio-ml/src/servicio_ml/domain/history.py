"""Metrics with a past: series that are put in at their own times, and queries over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

NAME = "__name__"
"""The label that holds a metric's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One series.

    Attributes:
        labels: With the metric's name under `NAME`, where it has one.
        times: Seconds since 1970, ascending.
        values: One a time.
    """

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The times at which an expression is evaluated, in seconds since 1970: `start`, `end` and all between.

    `step` seconds apart.
    """

    start: float
    end: float
    step: float


class History(Protocol):
    """Where series are kept, and asked for in PromQL.

    What was added is found by the queries that come after::

        history.add(series)
        history.over("sum by (model) (increase(rows_total[1d]))", span)

    Both methods raise `ProgramError` when the programs behind it fail.
    """

    def add(self, series: Iterable[Series]) -> None:
        """Put series in, each of them once and whole."""
        ...

    def over(self, query: str, span: Span) -> list[Series]:
        """What an expression is at each time of a span; times at which it has no value are left out."""
        ...
