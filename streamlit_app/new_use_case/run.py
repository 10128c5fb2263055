"""The first training: start, log and state; it goes on when the page is left."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import service
from streamlit_app.client import use_cases as client
from streamlit_app.errors import report_errors
from streamlit_app.new_use_case.state import LANDING, NewUseCase
from streamlit_app.translation import t

POLL_SECONDS = 2
WAS_RUNNING = "new_use_case_was_running"
"""Session key of a run that this reader watched."""
RUNNING, FINISHED, FAILED = "running", "finished", "failed"


def draw(made: NewUseCase) -> None:
    """Draw the start and the progress of the run."""
    st.subheader(t("3. The first model"))
    st.caption(
        t(
            "The ETL and a training of 60 seconds run on the server, also when this page is closed. The "
            "model is served once it passes the gates of promotion."
        )
    )
    if st.button(t("Train"), type="primary", key="new_use_case_train"):
        with report_errors():
            session.send(client.start_run, made.name, made.file)
    _draw_progress(made)


@st.fragment(run_every=POLL_SECONDS)
def _draw_progress(made: NewUseCase) -> None:
    with report_errors():
        run = session.send(client.fetch_run, made.name)
        if run.lines:
            st.code("\n".join(run.lines), language=None, wrap_lines=True)
        if run.state == RUNNING:
            st.session_state[WAS_RUNNING] = True
            st.info(t("The run goes on."))
        elif run.state == FAILED:
            st.error(t("The run failed. The last lines of its log say why."))
        elif run.state == FINISHED:
            _show_outcome(made)


def _show_outcome(made: NewUseCase) -> None:
    """Open the page Predict as soon as the server has the model; that of a run before by a button."""
    if not session.send(service.is_served, made.name):
        st.info(
            t(
                "The run has ended, and the server has no model of {name} yet. It looks for new models every "
                "few seconds; if its log shows that the model was rejected, or the server has a fixed list "
                "of models (`SERVICIO_ML_MODELS`), none will appear.",
                name=made.name,
            )
        )
        return
    if not st.session_state.get(WAS_RUNNING):
        st.success(t("The model of {name} is served.", name=made.name))
        if not st.button(t("Open the page Predict"), type="primary", key="new_use_case_open"):
            return
    session.clear_cache()
    st.session_state[WAS_RUNNING], st.session_state[LANDING] = False, made.name
    st.rerun()
