"""The page Models: champion and challenger, rollout, candidates, plots, card, history, administration."""

from collections.abc import Callable
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client import service
from streamlit_app.client.service import ModelInfo
from streamlit_app.client.transport import RefusedError
from streamlit_app.errors import report_errors
from streamlit_app.models import admin_actions, candidates, comparison, history, plots, rollout
from streamlit_app.translation import t


def draw_page() -> None:
    """Draw the page."""
    st.title(t("Models"))
    st.caption(t("The version that serves predictions, its challenger, and the decisions about them."))
    name = session.get_use_case()
    new_state = admin_actions.report_last_action(name)
    with report_errors():
        model = new_state or session.read(service.fetch_model, name)
        decisions = session.read(client.fetch_history, name)
        # without the store of the rollouts, the page shows the rest
        with report_errors():
            rollout.draw_notice(name)
        comparison.draw(model, decisions)
        _draw_tabs(
            {
                t("Candidates"): lambda: _draw_candidates(name),
                t("Plots"): lambda: plots.draw(model),
                t("Model card"): lambda: _draw_card(model),
                t("Rollout"): lambda: rollout.draw(model),
                t("History"): lambda: history.draw(decisions),
                t("Administration"): lambda: admin_actions.draw(model, decisions),
            }
        )


def _draw_tabs(tabs: dict[str, Callable[[], None]]) -> None:
    """Draw the open tab only."""
    # Streamlit keeps the choice by the titles, so each language needs a key of its own
    containers = st.tabs(list(tabs), on_change="rerun", key="_".join(["models", *tabs]))
    for container, draw in zip(containers, tabs.values(), strict=True):
        if container.open:
            with container, report_errors():
                draw()


def _draw_candidates(name: str) -> None:
    try:
        training = session.read(client.fetch_candidates, name)
    except RefusedError as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        st.info(t("No training has succeeded yet. Start one with `servicio-ml train {model}`.", model=name))
        return
    candidates.draw(training)


def _draw_card(model: ModelInfo) -> None:
    version = plots.select_version(model, "models_card_version")
    if version is not None:
        st.markdown(session.read(client.fetch_card, model.model, version), unsafe_allow_html=False)


draw_page()
