"""Dialogs that confirm the actions of administrators; one is open at a time."""

from collections.abc import Callable

import streamlit as st

from streamlit_app import session
from streamlit_app.translation import t

MESSAGE_KEY, REASON_KEY = "models_message", "models_reason"
DIALOG_KEY = "models_dialog"
"""Session key of the open dialog: the model and the action."""
MAX_REASON_CHARACTERS = 500


def open_dialog(model: str, action: str) -> None:
    """Open the dialog of an action at the next run of the page."""
    st.session_state[DIALOG_KEY] = model, action


def close_dialog() -> None:
    """Close the open dialog."""
    st.session_state.pop(DIALOG_KEY, None)


def draw_dialog(model: str, action: str, title: str, body: Callable[[], None]) -> None:
    """Draw the dialog of an action if it is open."""
    if st.session_state.get(DIALOG_KEY) == (model, action):
        st.dialog(title, on_dismiss=close_dialog)(body)()


def draw_reason() -> str:
    """Draw the field for a reason; return what is typed in it."""
    return st.text_area(t("Reason"), max_chars=MAX_REASON_CHARACTERS, key=REASON_KEY).strip()


def draw_buttons(action: str) -> bool:
    """Draw the buttons of a dialog: whether the reader confirmed; the other button closes the dialog."""
    confirm, cancel = st.columns(2)
    if cancel.button(t("Cancel"), key="models_cancel", width="stretch"):
        close_dialog()
        st.rerun()
    return confirm.button(action, key="models_confirm", type="primary", width="stretch")


def show_result(message: str) -> None:
    """Close the dialog, and show the message of a finished action on the page."""
    session.clear_cache()
    close_dialog()
    st.session_state[MESSAGE_KEY] = message
    st.rerun()
