"""What the pages ask Prometheus: expressions now and over time, and the alerts that fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
    """What an expression is now.

    Raises:
        Unreachable: Prometheus does not answer.
        Refused: It does not take the expression.
    """
    found = prometheus.ask(_Queried, "GET", "/api/v1/query", params={"query": query})
    return [
        Sample(labels=each.metric, value=float(each.value[1]))
        for each in found.data.result
        if each.value is not None
    ]


def over(prometheus: Transport, query: str, *, start: float, end: float, step: float) -> list[Line]:
    """What an expression is from `start` to `end`, in seconds since 1970, `step` seconds apart.

    Raises:
        Unreachable: Prometheus does not answer.
        Refused: It does not take the expression.
    """
    wanted = {"query": query, "start": start, "end": end, "step": step}
    found = prometheus.ask(_Queried, "GET", "/api/v1/query_range", params=wanted)
    return [
        Line(
            labels=each.metric,
            times=tuple(at for at, _ in each.values),
            values=tuple(float(value) for _, value in each.values),
        )
        for each in found.data.result
    ]


def alerts(prometheus: Transport) -> list[Alert]:
    """The alerts that are pending or fire.

    Raises:
        Unreachable: Prometheus does not answer.
    """
    return prometheus.ask(_Alerted, "GET", "/api/v1/alerts").data.alerts
