"""Requests and predictions: rates, errors and latency."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import TimeSeries
from streamlit_app.live.time_series import TimeRange, draw, query_series
from streamlit_app.translation import t

REQUESTS = "sum by (route) (route:http_requests:rate5m)"
ERRORS = "max by (route) (route:http_errors:ratio_rate5m)"
LATENCY = "max by (route) (route:http_request_duration_seconds:p{percentile}_rate5m)"
PREDICTIONS = 'sum by (protocol) (model:predictions:rate5m{{model="{model}"}})'
NOW_QUERIES = (
    "service:http_requests:rate5m",
    "service:http_errors:ratio_rate5m",
    'sum(model:predictions:rate5m{{model="{model}", protocol!="shadow"}})',
    "service:prediction_log_pending:sum",
)
MILLISECONDS, PERCENT = 1000, 100
MAX_SHOWN_ROUTES = 5
"""Number of routes in a chart, those with the most requests: more lines cannot be distinguished."""
Lines = list[tuple[str, TimeSeries]]


def draw_now(model: str) -> None:
    """Draw the rates of the last five minutes, and the rows that are not logged yet."""
    samples = [
        session.query_prometheus(prometheus.query_now, query.format(model=model)) for query in NOW_QUERIES
    ]
    requests, errors, predictions, pending = (each[0].value if each else None for each in samples)
    cells = st.columns(4)
    cells[0].metric(t("Requests per second"), _format_number(requests, "{:.1f}"))
    cells[1].metric(t("Failed requests"), _format_number(errors, "{:.2%}"))
    cells[2].metric(t("Predictions per second"), _format_number(predictions, "{:.1f}"))
    cells[3].metric(t("Rows not yet logged"), _format_number(pending, "{:,.0f}"))


def draw_history(model: str, time_range: TimeRange) -> None:
    """Draw requests, latency and errors by route, and predictions by protocol."""
    requests = sorted(
        _query_by_label(REQUESTS, "route", time_range), key=lambda line: max(line[1].values), reverse=True
    )[:MAX_SHOWN_ROUTES]
    routes = {name for name, _ in requests}
    medians, tails = (_query_latency(percentile, routes, time_range) for percentile in (50, 99))
    errors = [
        (name, _scale(series, PERCENT))
        for name, series in _query_by_label(ERRORS, "route", time_range)
        if name in routes
    ]
    rows = _query_by_label(PREDICTIONS.format(model=model), "protocol", time_range)
    left, right = st.columns(2)
    with left:
        draw(requests, t("Busiest routes"), t("Requests per second"), time_range, key="rate")
        draw(
            [*medians, *tails],
            t("Latency by route: median (p50) and 99th percentile (p99)"),
            t("Milliseconds"),
            time_range,
            key="latency",
            dashed=[name for name, _ in medians],
        )
    with right:
        draw(errors, t("Server errors by route"), t("Share of the requests (%)"), time_range, key="errors")
        draw(rows, t("Predictions by protocol"), t("Rows per second"), time_range, key="predictions")


def _query_latency(percentile: int, routes: set[str], time_range: TimeRange) -> Lines:
    query = LATENCY.format(percentile=percentile)
    return [
        (f"{name} p{percentile}", _scale(series, MILLISECONDS))
        for name, series in _query_by_label(query, "route", time_range)
        if name in routes
    ]


def _query_by_label(query: str, label: str, time_range: TimeRange) -> Lines:
    return [(series.labels.get(label, ""), series) for series in query_series(query, time_range)]


def _scale(series: TimeSeries, factor: float) -> TimeSeries:
    values = tuple(factor * each for each in series.values)
    return TimeSeries(labels=series.labels, times=series.times, values=values)


def _format_number(value: float | None, template: str) -> str:
    return "–" if value is None else template.format(value)
