"""Port of a metrics history: series with past times, and PromQL queries over them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

NAME_LABEL = "__name__"
"""Label that holds the name of a metric."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSeries:
    """Series of a metric.

    Attributes:
        labels: Labels, with the name of the metric under `NAME_LABEL` if it has one.
        times: Seconds since 1970, ascending.
        values: One value for each time.
    """

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSpan:
    """Times of evaluation from `start` to `end` in seconds since 1970, `step` seconds apart."""

    start: float
    end: float
    step: float


class MetricsHistory(Protocol):
    """Storage of series with PromQL queries; added series are visible to the next query.

    ::

        history.add(series)
        history.query_range("sum by (model) (increase(rows_total[1d]))", span)

    Both methods raise `ProgramError` when the programs behind it fail.
    """

    def add(self, series: Iterable[MetricSeries]) -> None:
        """Add complete series, each once."""
        ...

    def query_range(self, query: str, span: TimeSpan) -> list[MetricSeries]:
        """Evaluate an expression at each time of a span; times without a value are left out."""
        ...
