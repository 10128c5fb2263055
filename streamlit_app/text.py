"""The words on the pages: written in English, shown in the reader's language."""

import re

import streamlit as st

from streamlit_app.spanish import SPANISH

LANGUAGES = {"en": "English", "es": "Español"}
LANGUAGE = "lang"
"""Key of the choice, in the session and in the URL."""
MARKS = re.compile(r"[!-/:-@\[-`{-~]")
"""What Markdown may take for its own."""


def language() -> str:
    """The code of the reader's language."""
    chosen: str = st.session_state.get(LANGUAGE, "en")
    return chosen


def t(english: str, **values: object) -> str:
    """A text of the pages in the reader's language.

    Args:
        english: The text as written, with places such as `{model}`.
        values: For the places.
    """
    return told(english).format(**values) if values else told(english)


def told(english: str) -> str:
    """A text that the server gave, in the reader's language where it is known."""
    return SPANISH.get(english, english) if language() == "es" else english


def verbatim(text: str) -> str:
    """A text that somebody gave, with no link and no picture that Markdown would make of it."""
    return MARKS.sub(r"\\\g<0>", text)
