"""The page Predict: one record, what if, a file, and what really happened."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import Schema
from streamlit_app.client.transport import Refused
from streamlit_app.prediction import feedback, file, form, outcome, what_if
from streamlit_app.prediction.words import refused
from streamlit_app.text import t, told
from streamlit_app.trouble import explained


def page() -> None:
    """Draw the page."""
    st.title(t("Predict"))
    with explained():
        schema = session.read(client.schema, session.use_case())
        if schema.description:
            st.caption(told(schema.description))
        one, many, truth = st.tabs([t("One record"), t("A file"), t("What really happened")])
        with one, explained():
            _one(schema)
        with many, explained():
            file.draw(schema)
        with truth, explained():
            feedback.draw(schema)


def _one(schema: Schema) -> None:
    record = form.filled(schema)
    if record is not None:
        try:
            outcome.asked(schema, record)
        except Refused as error:
            if not error.faults:
                raise
            for fault in error.faults:
                st.error(refused(schema, fault))
    latest = outcome.latest(schema.model)
    if latest is not None:
        st.divider()
        with explained():
            outcome.draw(latest)
        st.divider()
        what_if.draw(latest)


page()
