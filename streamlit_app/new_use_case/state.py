"""State of the page New use case in the reader's session."""

from dataclasses import dataclass

import streamlit as st

COLUMNS, DRAFT, SAVED, CORRECTIONS, LANDING = (
    "new_use_case_columns",
    "new_use_case_draft",
    "new_use_case_saved",
    "new_use_case_corrections",
    "new_use_case_landing",
)
"""Session keys: columns by file, draft, what was saved, editor, and the use case that Predict opens next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUseCase:
    """Name of the use case, and of its raw file on the server."""

    name: str
    file: str


def get_saved() -> NewUseCase | None:
    """Return what was saved last, and was not drafted again since."""
    saved: NewUseCase | None = st.session_state.get(SAVED)
    return saved


def set_saved(made: NewUseCase | None) -> None:
    """Remember what was saved."""
    st.session_state[SAVED] = made
