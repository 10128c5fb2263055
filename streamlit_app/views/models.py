"""The page Models."""

import streamlit as st

from streamlit_app.session import use_case
from streamlit_app.text import t


def page() -> None:
    """Draw the page."""
    st.title(t("Models"))
    st.caption(use_case())


page()
