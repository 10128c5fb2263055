"""The page Data: the data that the ETL has published."""

from collections.abc import Callable

import streamlit as st

from streamlit_app import session
from streamlit_app.client import data as client
from streamlit_app.data import (
    columns,
    correlations,
    distribution,
    missing_values,
    relevance,
    rows,
    summary,
)
from streamlit_app.errors import report_errors
from streamlit_app.translation import t

PERIOD_KEY = "data_period"


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Data"))
    with report_errors():
        _draw_period(session.get_use_case())


def _draw_period(model: str) -> None:
    latest = session.read(client.fetch_data, model)
    if st.session_state.get(PERIOD_KEY) not in latest.periods:
        st.session_state[PERIOD_KEY] = latest.period
    left, _ = st.columns([1, 3])
    period = left.selectbox(t("Period"), latest.periods[::-1], key=PERIOD_KEY)
    data = latest if period == latest.period else session.read(client.fetch_data, model, period)
    overview = data.overview
    tabs: dict[str, Callable[[], None]] = {
        t("Overview"): lambda: summary.draw(data),
        t("Columns"): lambda: columns.draw(overview),
        t("Missing values"): lambda: missing_values.draw(overview),
        t("Distributions"): lambda: distribution.draw(overview),
        t("Relation to the target"): lambda: relevance.draw(overview),
        t("Correlations"): lambda: correlations.draw(overview),
        t("First rows"): lambda: rows.draw_sample(overview),
        t("Quarantine"): lambda: rows.draw_quarantine(overview),
    }
    for tab, draw in zip(st.tabs(list(tabs)), tabs.values(), strict=True):
        with tab:
            draw()


draw_page()
