"""The pages of servicio-ml: `streamlit run streamlit_app/app.py`."""

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import streamlit as st

ROOT = str(Path(__file__).parents[1])
if ROOT not in sys.path:  # Streamlit puts only the script's own folder there
    sys.path.insert(0, ROOT)

from streamlit_app import session  # noqa: E402
from streamlit_app.client import service  # noqa: E402
from streamlit_app.errors import report_errors  # noqa: E402
from streamlit_app.new_use_case.state import LANDING  # noqa: E402
from streamlit_app.translation import LANGUAGE, LANGUAGES, t  # noqa: E402

HOME, PREDICT, DATA, NEW_USE_CASE = "all_models", "predict", "data", "new_use_case"
"""Folders of pages with a rule of their own."""
WITHOUT_MODEL = frozenset({"", NEW_USE_CASE})
"""Paths of pages that need no model; that of the default page, Home, is empty."""
ICON = str(Path(__file__).with_name("icon.svg"))


def list_titles() -> dict[str, str]:
    """Map the folder of each page to its title.

    The pages have no icons: the browser would load them from outside as the icon of its tab.
    """
    return {
        HOME: t("Home"), PREDICT: t("Predict"), DATA: t("Data"), "models": t("Models"), "drift": t("Drift"),
        "live": t("Live"), NEW_USE_CASE: t("New use case"),
    }  # fmt: skip


def restore_choice(key: str, options: Sequence[str], default: str) -> None:
    """Take a choice from the URL where the session has none: the default where the URL's is no option.

    Streamlit's own binding would write the reader's words to the URL instead of the option's name.
    """
    if st.session_state.get(key) not in options:
        choice = st.query_params.get(key, default)
        st.session_state[key] = choice if choice in options else default


def save_choice(key: str) -> None:
    """Write a choice to the URL, which a change of page clears."""
    if st.query_params.get(key) != st.session_state[key]:
        st.query_params[key] = st.session_state[key]


def select_use_case(page: str) -> str:
    """Draw the selection of the use case and return its title; empty where there is none for the page."""
    with report_errors():
        server = session.read(service.fetch_server_info)
        # data are published before there is a model of them
        names = sorted({*server.models, *server.titles}) if page == DATA else server.models
        if names:
            default = server.default_model if server.default_model in names else names[0]
            if (landing := st.session_state.get(LANDING)) in names:
                st.session_state[session.USE_CASE] = landing
            restore_choice(session.USE_CASE, names, default)
            label = partial(session.label_use_case, titles=server.titles)
            st.selectbox(t("Use case"), names, format_func=label, key=session.USE_CASE)
            save_choice(session.USE_CASE)
            return label(session.get_use_case())
        if page not in WITHOUT_MODEL:
            st.warning(t("The server has no model yet. The page Home shows the first steps."))
    return ""


def draw_key_field() -> None:
    """Draw the field for an API key."""
    hint = t("Needed for administration only. The key stays in this browser session.")
    st.text_input(t("API key"), type="password", key=session.KEY, autocomplete="off", help=hint)


def select_language() -> None:
    """Draw the choice of the language."""
    st.segmented_control(
        "Language / Idioma", list(LANGUAGES), format_func=LANGUAGES.__getitem__, key=LANGUAGE, required=True
    )
    save_choice(LANGUAGE)


def main() -> None:
    """Draw the sidebar and the chosen page."""
    restore_choice(LANGUAGE, list(LANGUAGES), "en")
    pages = {
        folder: st.Page(f"{folder}/page.py", title=title, url_path=folder, default=folder == HOME)
        for folder, title in list_titles().items()
    }
    page = st.navigation([*pages.values()])
    st.set_page_config(page_title=f"{page.title} · servicio-ml", page_icon=ICON, layout="wide")
    with st.sidebar:
        title = select_use_case(page.url_path)
        draw_key_field()
        select_language()
    if st.session_state.pop(LANDING, None) is not None:
        st.switch_page(pages[PREDICT])
    if title:
        # added to the configuration above, which a server without models needs, too
        st.set_page_config(page_title=f"{title}: {page.title} · servicio-ml")
    if title or page.url_path in WITHOUT_MODEL:
        page.run()


main()
