"""Requests to Prometheus: queries at one time and over a range, and active alerts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from pydantic import BaseModel

from streamlit_app.client.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSample:
    """Value of one series at one time."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries:
    """Values of one series over time; times in seconds since 1970."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


class ActiveAlert(BaseModel):
    """Pending or firing alert."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    activeAt: datetime  # noqa: N815  the name in Prometheus' JSON


class _FoundSeries(BaseModel):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _QueryResult(BaseModel):
    result: list[_FoundSeries]


class _QueryResponse(BaseModel):
    data: _QueryResult


class _ActiveAlerts(BaseModel):
    alerts: list[ActiveAlert]


class _AlertsResponse(BaseModel):
    data: _ActiveAlerts


def query_now(prometheus: Transport, query: str) -> list[MetricSample]:
    """Query the present values of an expression; series whose value is not finite are left out.

    Raises:
        UnreachableError: Prometheus does not respond.
        RefusedError: Prometheus refuses the expression.
    """
    response = prometheus.fetch(_QueryResponse, "GET", "/api/v1/query", params={"query": query})
    return [
        MetricSample(labels=each.metric, value=float(each.value[1]))
        for each in response.data.result
        if each.value is not None and isfinite(float(each.value[1]))
    ]


def query_range(
    prometheus: Transport, query: str, *, start: float, end: float, step: float
) -> list[TimeSeries]:
    """Query the values of an expression from `start` to `end`, in seconds since 1970, `step` seconds apart.

    Values that are not finite are left out.

    Raises:
        UnreachableError: Prometheus does not respond.
        RefusedError: Prometheus refuses the expression.
    """
    params = {"query": query, "start": start, "end": end, "step": step}
    response = prometheus.fetch(_QueryResponse, "GET", "/api/v1/query_range", params=params)
    return [line for each in response.data.result if (line := _parse_series(each)).times]


def _parse_series(each: _FoundSeries) -> TimeSeries:
    points = [(at, float(value)) for at, value in each.values if isfinite(float(value))]
    return TimeSeries(
        labels=each.metric, times=tuple(at for at, _ in points), values=tuple(value for _, value in points)
    )


def fetch_alerts(prometheus: Transport) -> list[ActiveAlert]:
    """Fetch the pending and firing alerts.

    Raises:
        UnreachableError: Prometheus does not respond.
    """
    return prometheus.fetch(_AlertsResponse, "GET", "/api/v1/alerts").data.alerts
