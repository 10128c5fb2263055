"""The page Models: champion and challenger, candidates, pictures, card, history; and another champion."""

from collections.abc import Callable
from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client import service
from streamlit_app.client.service import Model
from streamlit_app.client.transport import Refused
from streamlit_app.succession import pair, pictures, story, table, throne
from streamlit_app.text import t
from streamlit_app.trouble import explained


def page() -> None:
    """Draw the page."""
    st.title(t("Models"))
    st.caption(t("Which version answers, which one wants to, and why it was decided so."))
    name = session.use_case()
    just_made = throne.told(name)
    with explained():
        model = just_made or session.read(service.model, name)
        history = session.read(client.history, name)
        pair.draw(model, history)
        _tabs(
            {
                t("Candidates"): lambda: _candidates(name),
                t("Pictures"): lambda: pictures.draw(model),
                t("Card"): lambda: _card(model),
                t("History"): lambda: story.draw(history),
                t("Administration"): lambda: throne.draw(model, history),
            }
        )


def _tabs(parts: dict[str, Callable[[], None]]) -> None:
    """Draw the part that is looked at, and no other."""
    # a key of its own in each language: the choice is kept under the words
    tabs = st.tabs(list(parts), on_change="rerun", key="_".join(["models", *parts]))
    for tab, draw in zip(tabs, parts.values(), strict=True):
        if tab.open:
            with tab, explained():
                draw()


def _candidates(name: str) -> None:
    try:
        found = session.read(client.candidates, name)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        st.info(t("No training has ended well yet. Start one: `servicio-ml train {model}`.", model=name))
        return
    table.draw(found)


def _card(model: Model) -> None:
    version = pictures.pick_version(model, "models_carded")
    if version is not None:
        # of a training of ours, and still no HTML of ours
        st.markdown(session.read(client.card, model.model, version), unsafe_allow_html=False)


page()
