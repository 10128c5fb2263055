"""The page Data: what the models learn from, as the ETL has published it."""

from collections.abc import Callable

import streamlit as st

from streamlit_app import session
from streamlit_app.client import data as client
from streamlit_app.exploring import columns, distribution, gaps, pairs, rows, summary
from streamlit_app.text import t
from streamlit_app.trouble import explained

PERIOD = "data_period"


def page() -> None:
    """Draw the page."""
    st.title(t("Data"))
    with explained():
        _page(session.use_case())


def _page(model: str) -> None:
    latest = session.read(client.data, model)
    if st.session_state.get(PERIOD) not in latest.periods:
        st.session_state[PERIOD] = latest.period
    narrow, _ = st.columns([1, 3])
    period = narrow.selectbox(t("Period"), latest.periods[::-1], key=PERIOD)
    data = latest if period == latest.period else session.read(client.data, model, period)
    overview = data.overview
    parts: dict[str, Callable[[], None]] = {
        t("Overview"): lambda: summary.draw(data),
        t("Columns"): lambda: columns.draw(overview),
        t("Missing values"): lambda: gaps.draw(overview),
        t("Distributions"): lambda: distribution.draw(overview),
        t("Correlations"): lambda: pairs.draw(overview),
        t("First rows"): lambda: rows.sample(overview),
        t("Quarantine"): lambda: rows.quarantine(overview),
    }
    for tab, draw in zip(st.tabs(list(parts)), parts.values(), strict=True):
        with tab:
            draw()


page()
