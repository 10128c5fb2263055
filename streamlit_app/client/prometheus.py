"""What the pages ask Prometheus: expressions now and over time, and the alerts that fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from pydantic import BaseModel

from streamlit_app.client.transport import Transport


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One series at one time."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One series over time; times in seconds since 1970."""

    labels: Mapping[str, str]
    times: tuple[float, ...]
    values: tuple[float, ...]


class Alert(BaseModel):
    """An alert that is pending or fires."""

    labels: dict[str, str]
    annotations: dict[str, str]
    state: str
    activeAt: datetime  # noqa: N815  Prometheus' own spelling


class _Found(BaseModel):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Result(BaseModel):
    result: list[_Found]


class _Queried(BaseModel):
    data: _Result


class _Alerts(BaseModel):
    alerts: list[Alert]


class _Alerted(BaseModel):
    data: _Alerts


def now(prometheus: Transport, query: str) -> list[Sample]:
    """What an expression is now, of the series of which it is a number: 0 / 0 is none.

    Raises:
        Unreachable: Prometheus does not answer.
        Refused: It does not take the expression.
    """
    found = prometheus.ask(_Queried, "GET", "/api/v1/query", params={"query": query})
    return [
        Sample(labels=each.metric, value=float(each.value[1]))
        for each in found.data.result
        if each.value is not None and isfinite(float(each.value[1]))
    ]


def over(prometheus: Transport, query: str, *, start: float, end: float, step: float) -> list[Line]:
    """What an expression is from `start` to `end`, in seconds since 1970, `step` seconds apart.

    Where it is no number, there is no point.

    Raises:
        Unreachable: Prometheus does not answer.
        Refused: It does not take the expression.
    """
    wanted = {"query": query, "start": start, "end": end, "step": step}
    found = prometheus.ask(_Queried, "GET", "/api/v1/query_range", params=wanted)
    return [line for each in found.data.result if (line := _line(each)).times]


def _line(each: _Found) -> Line:
    points = [(at, float(value)) for at, value in each.values if isfinite(float(value))]
    return Line(
        labels=each.metric, times=tuple(at for at, _ in points), values=tuple(value for _, value in points)
    )


def alerts(prometheus: Transport) -> list[Alert]:
    """The alerts that are pending or fire.

    Raises:
        Unreachable: Prometheus does not answer.
    """
    return prometheus.ask(_Alerted, "GET", "/api/v1/alerts").data.alerts
