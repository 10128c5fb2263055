"""The page Predict: a form for one record, a file of records, and the ground truth."""

import time

import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client import service
from streamlit_app.client.predict import ModelSchema
from streamlit_app.client.transport import RefusedError
from streamlit_app.errors import report_errors
from streamlit_app.predict import feedback, file, form, result, what_if
from streamlit_app.predict.labels import explain_refusal
from streamlit_app.translation import t, translate

RETRY_SECONDS = 2


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Predict"))
    with report_errors():
        schema = _read_schema()
        if schema.description:
            st.caption(translate(schema.description))
        record_tab, file_tab, truth_tab = st.tabs([t("One record"), t("File"), t("Ground truth")])
        with record_tab, report_errors():
            _draw_record_tab(schema)
        with file_tab, report_errors():
            file.draw(schema)
        with truth_tab, report_errors():
            feedback.draw(schema)


def _read_schema() -> ModelSchema:
    try:
        return session.read(client.fetch_schema, session.get_use_case())
    except RefusedError as error:
        if error.status == service.NOT_READY:
            _wait_for_model(time.monotonic())
        raise


@st.fragment(run_every=RETRY_SECONDS)
def _wait_for_model(since: float) -> None:
    """Draw the page again once the server has the model; `since` is the time of the last attempt.

    It asks for the state of the model, since a refusal would count as a failed request.
    """
    if time.monotonic() < since + RETRY_SECONDS:
        return
    with report_errors():
        if session.send(service.is_served, session.get_use_case()):
            st.rerun()


def _draw_record_tab(schema: ModelSchema) -> None:
    record = form.draw_form(schema)
    if record is not None:
        try:
            result.predict_record(schema, record)
        except RefusedError as error:
            if not error.field_errors:
                raise
            for field_error in error.field_errors:
                st.error(explain_refusal(schema, field_error))
    latest = result.get_latest(schema.model)
    if latest is not None:
        st.divider()
        with report_errors():
            result.draw(latest)
        st.divider()
        what_if.draw(latest)


draw_page()
