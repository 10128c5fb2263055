"""The page Live: the state of the server, and the metrics that Prometheus has of it."""

import time

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.service import ModelInfo
from streamlit_app.errors import report_errors
from streamlit_app.live import alerts, freshness, performance, segments, server, traffic
from streamlit_app.live.time_series import TimeRange
from streamlit_app.translation import t

RANGES = {"1h": (3600, "1h"), "6h": (6 * 3600, "1d"), "24h": (86400, "1d"), "7d": (7 * 86400, "7d")}
"""Length of each range in seconds, and the window of the performance metrics that fits it."""
RANGE_KEY, REFRESH_KEY = "live_range", "live_refresh"
REFRESH_SECONDS = 15
UP_QUERY = 'up{job="servicio-ml"}'


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Live"))
    if st.session_state.get(RANGE_KEY) not in RANGES:
        st.session_state[RANGE_KEY] = "1h"
    left, right = st.columns(2, vertical_alignment="bottom")
    name = left.segmented_control(
        t("Range"), list(RANGES), format_func=_label_range, key=RANGE_KEY, required=True
    )
    label = t("Refresh every {seconds} s", seconds=REFRESH_SECONDS)
    refresh = right.toggle(label, value=True, key=REFRESH_KEY)
    draw = st.fragment(_draw_range, run_every=REFRESH_SECONDS if refresh else None)
    draw(session.get_use_case(), name or "1h")
    if url := session.get_settings().grafana_url:
        st.link_button(t("Dashboards in Grafana"), url)


def _label_range(name: str) -> str:
    labels = {"1h": t("1 hour"), "6h": t("6 hours"), "24h": t("24 hours"), "7d": t("7 days")}
    return labels[name]


def _draw_range(model: str, name: str) -> None:
    seconds, window = RANGES[name]
    time_range = TimeRange(end=time.time(), seconds=seconds, window=window)
    info = None
    with report_errors():
        info = server.draw(model)
    with report_errors():
        _draw_metrics(model, info, time_range)
    with report_errors():
        server.draw_retrainings(model)


def _draw_metrics(model: str, info: ModelInfo | None, time_range: TimeRange) -> None:
    if not session.query_prometheus(prometheus.query_now, UP_QUERY):
        st.warning(
            t(
                "Prometheus has no metrics of this server. Configure the scrape job `servicio-ml` and load "
                "the rules of `monitoring/prometheus`, as `docs/monitoring.md` describes."
            )
        )
        return
    alerts.draw(model)
    traffic.draw_now(model)
    traffic.draw_history(model, time_range)
    if info is not None and info.champion is not None:
        performance.draw_history(model, info.champion, time_range)
        segments.draw_segments(model, info.champion)
    freshness.draw(model)


draw_page()
