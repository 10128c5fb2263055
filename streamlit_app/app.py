"""The pages of servicio-ml: `streamlit run streamlit_app/app.py`."""

import sys
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # Streamlit puts only the script's own folder there
    sys.path.insert(0, ROOT)

from streamlit_app import session  # noqa: E402
from streamlit_app.client import service  # noqa: E402
from streamlit_app.text import LANGUAGE, LANGUAGES, t, told  # noqa: E402
from streamlit_app.trouble import explained  # noqa: E402

PAGES = (
    ("predict", "Predict", ":material/online_prediction:"),
    ("data", "Data", ":material/table_chart:"),
    ("models", "Models", ":material/model_training:"),
    ("drift", "Drift", ":material/trending_up:"),
    ("live", "Live", ":material/monitor_heart:"),
)
"""File in views/, title and icon. A folder named pages/ would be read by Streamlit itself, past this file."""


def titled(name: str) -> str:
    """A use case's name for people."""
    readable = told(name)
    return readable.replace("_", " ").capitalize() if readable == name else readable


def choices() -> bool:
    """What the reader chooses on every page; False where there is nothing to choose from."""
    with st.sidebar, explained():
        found = session.read(service.index)
        if not found.models:
            st.warning(
                t(
                    "The server serves no model yet. Make one: `servicio-ml etl USE_CASE` and "
                    "`servicio-ml train USE_CASE`, or `make up`."
                )
            )
            return False
        default = found.models.index(found.default_model) if found.default_model in found.models else 0
        st.selectbox(t("Use case"), found.models, default, titled, key=session.USE_CASE, bind="query-params")
        st.text_input(
            t("API key"), type="password", key=session.KEY, autocomplete="off",
            help=t("For what only administrators may do. It stays in this browser session."),
        )  # fmt: skip
        return True
    return False


def main() -> None:
    """Draw the chosen page."""
    st.set_page_config(page_title="servicio-ml", page_icon=":material/insights:", layout="wide")
    pages = [
        st.Page(f"views/{file}.py", title=t(title), icon=icon, url_path=file, default=file == PAGES[0][0])
        for file, title, icon in PAGES
    ]
    chosen = st.navigation(pages)
    ready = choices()
    with st.sidebar:
        st.segmented_control(
            "Language / Idioma", list(LANGUAGES), format_func=LANGUAGES.__getitem__, default="en",
            key=LANGUAGE, bind="query-params", required=True,
        )  # fmt: skip
    if ready:
        chosen.run()


main()
