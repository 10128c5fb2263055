"""Client of Prometheus' HTTP API, with the queries that Grafana sends."""

import json
import math
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

TIMEOUT_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class QueriedSeries:
    """Series of a query's result.

    Attributes:
        labels: Labels, with the name of the metric, if it has one, as `__name__`.
        times: Times in seconds since 1970.
        values: Values, one per time; never NaN.
    """

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]

    @property
    def latest(self) -> float:
        return self.values[-1]


class PrometheusError(Exception):
    """Prometheus fails to answer a query."""

    def __init__(self, query: str, problem: str) -> None:
        super().__init__(f"Prometheus does not answer {query}: {problem}")


class PrometheusClient:
    """Client of the Prometheus at a URL.

    Each method raises `PrometheusError` if Prometheus refuses the query or does not respond.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def query_instant(self, query: str, time: float) -> list[QueriedSeries]:
        """Query an expression at one time, in seconds since 1970."""
        result = self._get("query", query=query, time=f"{time:.3f}")["result"]
        return [_parse_series(each["metric"], [each["value"]]) for each in result]

    def query_range(self, query: str, start: float, end: float, step: float) -> list[QueriedSeries]:
        """Query an expression from `start` to `end`, in seconds since 1970, every `step` seconds."""
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        result = self._get("query_range", query=query, **span)["result"]
        return [_parse_series(each["metric"], each["values"]) for each in result]

    def list_label_values(self, label: str, selector: str) -> list[str]:
        """List the values of a label in the series of a selector."""
        found: list[str] = self._get(f"label/{label}/values", **{"match[]": selector})
        return found

    def _get(self, what: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        asked = parameters.get("query", what)
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310  the user's Prometheus
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise PrometheusError(asked, refused.read().decode(errors="replace")) from refused
        except OSError as error:
            raise PrometheusError(asked, str(error)) from error


def _parse_series(labels: Mapping[str, str], pairs: Sequence[Sequence[Any]]) -> QueriedSeries:
    known = [(float(at), float(value)) for at, value in pairs if not math.isnan(float(value))]
    return QueriedSeries(labels=labels, times=[at for at, _ in known], values=[value for _, value in known])
