"""The pages of servicio-ml: `streamlit run streamlit_app/app.py`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # Streamlit puts only the script's own folder there
    sys.path.insert(0, ROOT)

from streamlit_app import session  # noqa: E402
from streamlit_app.client import service  # noqa: E402
from streamlit_app.text import LANGUAGE, LANGUAGES, t, told  # noqa: E402
from streamlit_app.trouble import explained  # noqa: E402

ICON = str(Path(__file__).with_name("icon.svg"))
PAGES = {"predict": "Predict", "data": "Data", "models": "Models", "drift": "Drift", "live": "Live"}
"""File in views/ to title. A folder named pages/ would be read by Streamlit itself, past this file.

They have no icons: Streamlit would have the browser fetch them as the tab's picture from elsewhere.
"""


def titled(name: str) -> str:
    """A use case's name for people."""
    readable = told(name)
    return readable.replace("_", " ").title() if readable == name else readable


def chosen(key: str, known: Sequence[str], default: str) -> None:
    """Have a choice that is not made yet be the URL's where it is known, else the default.

    The URL names a choice itself; Streamlit's own binding would put the words there that the reader sees.
    """
    if st.session_state.get(key) not in known:
        named = st.query_params.get(key, default)
        st.session_state[key] = named if named in known else default


def kept(key: str) -> None:
    """Have the URL name a choice; going to another page empties it."""
    if st.query_params.get(key) != st.session_state[key]:
        st.query_params[key] = st.session_state[key]


def pick_use_case() -> bool:
    """The picker of all pages; False where there is nothing to pick."""
    with explained():
        found = session.read(service.index)
        if found.models:
            known = found.models
            default = found.default_model if found.default_model in known else known[0]
            chosen(session.USE_CASE, known, default)
            st.selectbox(t("Use case"), known, format_func=titled, key=session.USE_CASE)
            kept(session.USE_CASE)
            return True
        st.warning(
            t(
                "The server serves no model yet. Make one: `servicio-ml etl USE_CASE` and "
                "`servicio-ml train USE_CASE`, or `make up`."
            )
        )
    return False


def type_key() -> None:
    """The field for an API key."""
    hint = t("For what only administrators may do. It stays in this browser session.")
    st.text_input(t("API key"), type="password", key=session.KEY, autocomplete="off", help=hint)


def pick_language() -> None:
    """The choice of the language."""
    st.segmented_control(
        "Language / Idioma", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key=LANGUAGE, required=True
    )
    kept(LANGUAGE)


def main() -> None:
    """Draw the chosen page."""
    chosen(LANGUAGE, list(LANGUAGES), "en")
    pages = [
        st.Page(f"views/{file}.py", title=told(title), url_path=file, default=file == "predict")
        for file, title in PAGES.items()
    ]
    page = st.navigation(pages)
    st.set_page_config(page_title=f"{page.title} · servicio-ml", page_icon=ICON, layout="wide")
    with st.sidebar:
        ready = pick_use_case()
        type_key()
        pick_language()
    if ready:
        page.run()


main()
