"""Requests and predictions: how many, how many fail, how long they take."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import Line
from streamlit_app.text import t
from streamlit_app.watching.lines import Range, asked, draw

REQUESTS = "sum by (route) (route:http_requests:rate5m)"
ERRORS = "max by (route) (route:http_errors:ratio_rate5m)"
LATENCY = "max by (route) (route:http_request_duration_seconds:p{share}_rate5m)"
PREDICTIONS = 'sum by (protocol) (model:predictions:rate5m{{model="{model}"}})'
NOW = (
    "service:http_requests:rate5m",
    "service:http_errors:ratio_rate5m",
    'sum(model:predictions:rate5m{{model="{model}", protocol!="shadow"}})',
    "service:prediction_log_pending:sum",
)
MILLISECONDS = 1000
SHOWN_ROUTES = 5
"""The busiest; more lines than that are not told apart."""


def draw_now(model: str) -> None:
    """The last five minutes in four numbers."""
    found = [session.measured(prometheus.now, query.format(model=model)) for query in NOW]
    requests, errors, predictions, pending = (each[0].value if each else None for each in found)
    cells = st.columns(4)
    cells[0].metric(t("Requests per second"), _number(requests, "{:.1f}"))
    cells[1].metric(t("Requests that fail"), _number(errors, "{:.2%}"))
    cells[2].metric(t("Predictions per second"), _number(predictions, "{:.1f}"))
    cells[3].metric(t("Rows not yet logged"), _number(pending, "{:,.0f}"))


def draw_over(model: str, span: Range) -> None:
    """The same over time, by route and protocol."""
    requests = sorted(_named(REQUESTS, "route", span), key=lambda each: max(each[1].values), reverse=True)
    busiest = {name for name, _ in requests[:SHOWN_ROUTES]}
    durations = [
        (f"{name} p{share}", _scaled(line, MILLISECONDS))
        for share in (50, 99)
        for name, line in _named(LATENCY.format(share=share), "route", span)
        if name in busiest
    ]
    errors = [(name, _scaled(line, 100)) for name, line in _named(ERRORS, "route", span) if name in busiest]
    rows = _named(PREDICTIONS.format(model=model), "protocol", span)
    left, right = st.columns(2)
    with left:
        title = t("Requests by route, the busiest")
        draw(requests[:SHOWN_ROUTES], title, t("Requests per second"), span, key="rate")
        title = t("Duration by route: the middle (p50) and the slowest of a hundred (p99)")
        middle = [name for name, _ in durations if name.endswith("p50")]
        draw(durations, title, t("Milliseconds"), span, key="latency", dashed=middle)
    with right:
        draw(errors, t("Requests that the server failed"), t("Share of the requests (%)"), span, key="errors")
        draw(rows, t("Rows scored by protocol"), t("Rows per second"), span, key="predictions")


def _named(query: str, label: str, span: Range) -> list[tuple[str, Line]]:
    return [(line.labels.get(label, ""), line) for line in asked(query, span)]


def _scaled(line: Line, factor: float) -> Line:
    return Line(labels=line.labels, times=line.times, values=tuple(factor * each for each in line.values))


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
