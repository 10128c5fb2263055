"""The page Predict: a form for one record, a file of records, and the ground truth."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import ModelSchema
from streamlit_app.client.transport import RefusedError
from streamlit_app.errors import report_errors
from streamlit_app.predict import feedback, file, form, result, what_if
from streamlit_app.predict.labels import explain_refusal
from streamlit_app.translation import t, translate


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Predict"))
    with report_errors():
        schema = session.read(client.fetch_schema, session.get_use_case())
        if schema.description:
            st.caption(translate(schema.description))
        record_tab, file_tab, truth_tab = st.tabs([t("One record"), t("File"), t("Ground truth")])
        with record_tab, report_errors():
            _draw_record_tab(schema)
        with file_tab, report_errors():
            file.draw(schema)
        with truth_tab, report_errors():
            feedback.draw(schema)


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
