"""The page Drift: comparison of the logged rows with the training rows, and the latest report."""

from functools import partial

import streamlit as st

from streamlit_app import session
from streamlit_app.client import drift as client
from streamlit_app.client.drift import DriftState
from streamlit_app.drift import acknowledgements, columns, report
from streamlit_app.errors import report_errors
from streamlit_app.translation import format_count, t, translate

WINDOWS = ("1h", "24h", "7d", "30d")
DEFAULT_WINDOW = "24h"
WINDOW_KEY = "drift_window"


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Drift"))
    st.caption(t("Comparison of the rows of recent predictions with the training rows of the model."))
    model = session.get_use_case()
    if st.session_state.get(WINDOW_KEY) not in WINDOWS:
        st.session_state[WINDOW_KEY] = DEFAULT_WINDOW
    window = st.segmented_control(
        t("Window"), WINDOWS, format_func=_label_window, key=WINDOW_KEY, required=True
    )
    with report_errors():
        _draw_window(model, window or DEFAULT_WINDOW)
    with report_errors():
        report.draw(model)


def _draw_window(model: str, window: str) -> None:
    state = session.read(client.fetch_state, model, window)
    _draw_summary(state)
    descriptions = {
        name: translate(text) for name, text in session.read(client.fetch_descriptions, model).items()
    }
    if state.rows:
        columns.draw(state, descriptions)
    else:
        _report_empty_window(state)
    acknowledgements.draw(state, partial(columns.label_column, descriptions))


def _report_empty_window(state: DriftState) -> None:
    st.info(
        t(
            "Version {version} has scored no rows in this window. Choose a longer window, or make a "
            "prediction on the page Predict.",
            version=state.version,
        )
    )


def _label_window(window: str) -> str:
    labels = {"1h": t("1 hour"), "24h": t("24 hours"), "7d": t("7 days"), "30d": t("30 days")}
    return labels[window]


def _draw_summary(state: DriftState) -> None:
    rows, share, prediction, version = st.columns(4)
    rows.metric(t("Rows in the window"), format_count(state.rows))
    share.metric(t("Drifted features"), f"{100 * state.drifted_share:.0f} %" if state.rows else "–")
    verdict = t("drifted") if state.prediction.drifted else t("not drifted")
    prediction.metric(t("Prediction"), verdict if state.rows else "–")
    version.metric(t("Version"), state.version)


draw_page()
