"""The page Live: what the server says of itself, and what Prometheus has seen of it."""

import time

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.service import Model
from streamlit_app.text import t
from streamlit_app.trouble import explained
from streamlit_app.watching import alerts, freshness, performance, server, traffic
from streamlit_app.watching.lines import Range

RANGES = {"1h": (3600, "1h"), "6h": (6 * 3600, "1d"), "24h": (86400, "1d"), "7d": (7 * 86400, "7d")}
"""Seconds, and the window of the records that are about a window of about that length."""
RANGE, AGAIN = "live_range", "live_again"
AGAIN_SECONDS = 15
SCRAPED = 'up{job="servicio-ml"}'


def page() -> None:
    """Draw the page."""
    st.title(t("Live"))
    if st.session_state.get(RANGE) not in RANGES:
        st.session_state[RANGE] = "1h"
    left, right = st.columns(2, vertical_alignment="bottom")
    span = left.segmented_control(t("Range"), list(RANGES), format_func=_titled, key=RANGE, required=True)
    words = t("Look again every {seconds} seconds", seconds=AGAIN_SECONDS)
    again = right.toggle(words, value=True, key=AGAIN)
    st.fragment(_draw, run_every=AGAIN_SECONDS if again else None)(session.use_case(), span or "1h")


def _titled(name: str) -> str:
    titles = {"1h": t("1 hour"), "6h": t("6 hours"), "24h": t("24 hours"), "7d": t("7 days")}
    return titles[name]


def _draw(model: str, chosen: str) -> None:
    seconds, window = RANGES[chosen]
    span = Range(end=time.time(), seconds=seconds, window=window)
    known = None
    with explained():
        known = server.draw(model)
    with explained():
        _measured(model, known, span)
    with explained():
        server.retrainings(model)


def _measured(model: str, known: Model | None, span: Range) -> None:
    if not session.measured(prometheus.now, SCRAPED):
        st.warning(
            t(
                "Prometheus has never seen this server: it must scrape it as the job `servicio-ml` and load "
                "the rules of `monitoring/prometheus`. `docs/monitoring.md` tells how."
            )
        )
        return
    alerts.draw(model)
    traffic.draw_now(model)
    traffic.draw_over(model, span)
    if known is not None and known.champion is not None:
        performance.draw_over(model, known.champion, span)
    freshness.draw(model)


page()
