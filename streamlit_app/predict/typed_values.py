"""Values that a reader typed into the form, kept while another page or language is shown."""

from collections.abc import Callable
from typing import Any

import streamlit as st


def restore(model: str, name: str, key: str, default: Any, is_valid: Callable[[Any], bool]) -> None:
    """Put the typed value of a field, else its default, into the session before its widget is drawn.

    Streamlit forgets a widget that a page does not draw, and one whose label changes with the language. A
    widget that takes its value from the session only may be emptied: it has no initial value to return to.

    Args:
        model: Name of the model.
        name: Name of the field.
        key: Session key of the widget.
        default: Value of a field that the reader has not touched.
        is_valid: Whether the widget takes a value; a new champion may have another schema.
    """
    value = st.session_state.get(key, _get_kept(model).get(name, default))
    st.session_state[key] = value if is_valid(value) else default


def keep(model: str, name: str, value: Any) -> None:
    """Keep the value of a field for the next time that the page is drawn."""
    _get_kept(model)[name] = value


def _get_kept(model: str) -> dict[str, Any]:
    kept: dict[str, Any] = st.session_state.setdefault(f"typed:{model}", {})
    return kept
