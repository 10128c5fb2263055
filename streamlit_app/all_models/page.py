"""The page Home: all models at a glance, and the first steps where there is none."""

import streamlit as st

from streamlit_app import session
from streamlit_app.all_models import first_steps, measurements, table
from streamlit_app.all_models.measurements import ModelMeasurements
from streamlit_app.client import service
from streamlit_app.errors import report_errors
from streamlit_app.translation import t


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Home"))
    with report_errors():
        server = session.read(service.fetch_server_info)
        if not server.models:
            first_steps.draw()
            return
        models = [session.read(service.fetch_model, name) for name in server.models]
        measured: dict[str, ModelMeasurements] = {}
        # the rest of the table does not need Prometheus
        with report_errors():
            measured = measurements.fetch(server.models)
        table.draw(server, models, measured)


draw_page()
