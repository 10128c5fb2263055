"""A metrics history in memory that answers plain selectors."""

import re
from bisect import bisect_right
from collections.abc import Iterable

from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, TimeSpan
from servicio_ml.errors import ProgramError

SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<matchers>[^{}]*)\})?")
MATCHER = re.compile(r'\s*(?P<label>\w+)\s*=\s*"(?P<value>[^"\\]*)"\s*')
LOOKBACK_SECONDS = 300.0
"""Maximum age of a sample that a query still returns, as in Prometheus."""


class MemoryMetricsHistory:
    """MetricSeries that live as long as the object; queries are `name` or `name{label="value", …}`."""

    def __init__(self) -> None:
        self._series: list[MetricSeries] = []

    def add(self, series: Iterable[MetricSeries]) -> None:
        self._series.extend(series)

    def query_range(self, query: str, span: TimeSpan) -> list[MetricSeries]:
        wanted = _parse(query)
        times = [span.start + i * span.step for i in range(int((span.end - span.start) / span.step) + 1)]
        found = (_sample(each, times) for each in self._series if wanted.items() <= each.labels.items())
        return [each for each in found if each.times]


def _parse(query: str) -> dict[str, str]:
    """Parse a selector into the labels that it asks for."""
    selector = SELECTOR.fullmatch(query.strip())
    if selector is None:
        raise ProgramError("memory", f"parse error (in {query})")
    wanted = {NAME_LABEL: selector["name"]}
    for text in filter(None, (selector["matchers"] or "").split(",")):
        matcher = MATCHER.fullmatch(text)
        if matcher is None:
            raise ProgramError("memory", f"parse error (in {query})")
        wanted[matcher["label"]] = matcher["value"]
    return wanted


def _sample(series: MetricSeries, times: Iterable[float]) -> MetricSeries:
    """The newest value at each time, where it is not too old."""
    at = {time: bisect_right(series.times, time) - 1 for time in times}
    kept = {time: i for time, i in at.items() if i >= 0 and time - series.times[i] < LOOKBACK_SECONDS}
    return MetricSeries(
        labels=series.labels, times=list(kept), values=[series.values[i] for i in kept.values()]
    )
