"""The page Drift: how logged rows compare with the training rows, and the latest report."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import drift as client
from streamlit_app.client.drift import State
from streamlit_app.drifting import columns, report
from streamlit_app.text import t, told
from streamlit_app.trouble import explained

WINDOWS = ("1h", "24h", "7d", "30d")
WINDOW = "drift_window"


def page() -> None:
    """Draw the page."""
    st.title(t("Drift"))
    st.caption(t("Do the rows that are asked today still look like those that the model learned from?"))
    model = session.use_case()
    if st.session_state.get(WINDOW) not in WINDOWS:
        st.session_state[WINDOW] = "24h"
    window = st.segmented_control(t("Window"), WINDOWS, format_func=_titled, key=WINDOW, required=True)
    with explained():
        state = session.read(client.state, model, window or WINDOWS[0])
        _summary(state)
        if state.rows:
            described = session.read(client.descriptions, model)
            columns.draw(state, {name: told(text) for name, text in described.items()})
        else:
            st.info(
                t(
                    "Version {version} has scored no rows in this window. Choose a longer one, or ask for a "
                    "prediction on the page Predict.",
                    version=state.version,
                )
            )
    with explained():
        report.draw(model)


def _titled(window: str) -> str:
    titles = {"1h": t("1 hour"), "24h": t("24 hours"), "7d": t("7 days"), "30d": t("30 days")}
    return titles[window]


def _summary(state: State) -> None:
    rows, share, prediction, version = st.columns(4)
    rows.metric(t("Rows in the window"), f"{state.rows:,}")
    share.metric(t("Drifted features"), f"{100 * state.drifted_share:.0f} %" if state.rows else "–")
    answer = t("drifted") if state.prediction.drifted else t("not drifted")
    prediction.metric(t("The prediction itself"), answer if state.rows else "–")
    version.metric(t("Version"), state.version)


page()
