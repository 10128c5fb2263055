"""Asks a Prometheus as Grafana does."""

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
class Series:
    """A series of an answer.

    Attributes:
        labels: With the name of the metric, where it has one, as `__name__`.
        times: In seconds since 1970.
        values: One a time.
    """

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]

    @property
    def latest(self) -> float:
        return self.values[-1]


class PrometheusError(Exception):
    """A query that Prometheus does not answer."""

    def __init__(self, query: str, problem: str) -> None:
        super().__init__(f"Prometheus does not answer {query}: {problem}")


class Prometheus:
    """A Prometheus at an address.

    Each method raises `PrometheusError` when it does not answer.
    """

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")

    def at(self, query: str, time: float) -> list[Series]:
        """What an expression is at a time."""
        result = self._get("query", query=query, time=f"{time:.3f}")["result"]
        return [_series(each["metric"], [each["value"]]) for each in result]

    def over(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """What an expression is from start to end, each step seconds."""
        span = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        result = self._get("query_range", query=query, **span)["result"]
        return [_series(each["metric"], each["values"]) for each in result]

    def values(self, label: str, selector: str) -> list[str]:
        """The values that a label has in the series of a selector."""
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


def _series(labels: Mapping[str, str], pairs: Sequence[Sequence[Any]]) -> Series:
    known = [(float(at), float(value)) for at, value in pairs if not math.isnan(float(value))]
    return Series(labels=labels, times=[at for at, _ in known], values=[value for _, value in known])
