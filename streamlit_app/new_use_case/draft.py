"""The draft of a use case: its table to correct, its questions, and saving it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from streamlit_app import session
from streamlit_app.client import use_cases as client
from streamlit_app.client.use_cases import DraftAnswer
from streamlit_app.data.labels import label_kind
from streamlit_app.errors import report_errors
from streamlit_app.new_use_case import target
from streamlit_app.new_use_case.reasons import label_decision, translate_quarantine, translate_reason
from streamlit_app.new_use_case.state import CORRECTIONS, DRAFT, NewUseCase, get_saved, set_saved
from streamlit_app.new_use_case.table import build_table, list_kinds, merge_corrections, read_corrections
from streamlit_app.translation import escape_markdown, format_count, t, t_plural

KIND_WIDTH, BOUND_WIDTH = 130, 100
"""Widths of columns of the table, in pixels: that of the longest kind, and of the heading of a bound."""


def request_draft(made: NewUseCase, answers: Mapping[str, Any]) -> None:
    """Ask the server for a draft and keep it; the page reads the file, which takes seconds to a minute."""
    with report_errors(), st.spinner(t("The server reads the file…")):
        found = session.send(client.build_draft, made.name, made.file, answers)
        st.session_state[DRAFT] = made, answers, found
        set_saved(None)


def draw(made: NewUseCase, answers: Mapping[str, Any], found: DraftAnswer) -> None:
    """Draw the draft."""
    draft = found.draft
    st.subheader(t("2. What becomes of each column"))
    key = _build_key(made, answers)
    target_range = target.draw(draft, key)
    rows = t_plural("{rows} row", "{rows} rows", found.check.rows, rows=format_count(found.check.rows))
    hint = t(
        "Kinds, ranges and levels can be corrected in the table; what is empty stays as it was found. Then "
        "draft again: the server checks the corrections on every row."
    )
    st.caption(f"{rows} · {hint}")
    edited = st.data_editor(
        build_table(draft), hide_index=True, width="stretch", key=key,
        disabled=("column", "reason"), column_config=_build_columns(list_kinds(draft)), placeholder="",
    )  # fmt: skip
    for sentence in map(translate_quarantine, found.check.quarantine):
        st.warning(t("Quarantine: {sentence}", sentence=escape_markdown(sentence)))
    _draw_decisions(draft.reasons)
    corrections = target_range | read_corrections(draft, edited)
    changed = _merge(answers, corrections, _draw_questions(made, draft.questions))
    with st.expander(t("The file of the use case")):
        st.code(draft.source, language="python")
    _draw_buttons(made, answers, changed)


def _draw_decisions(reasons: Mapping[str, str]) -> None:
    """Draw what was decided of the file as a whole."""
    with st.expander(t("What was decided of the file as a whole")):
        for name, reason in reasons.items():
            st.markdown(f"**{label_decision(name)}:** {escape_markdown(translate_reason(reason))}")


def _build_key(made: NewUseCase, answers: Mapping[str, Any]) -> str:
    # the edits of one draft are not those of the next
    return f"{CORRECTIONS}:{made}:{answers}"


def _build_columns(kinds: list[str]) -> dict[str, Any]:
    config = st.column_config
    return {
        "column": config.TextColumn(t("Column")),
        "kind": config.SelectboxColumn(
            t("Kind"), options=kinds, required=True, format_func=label_kind, width=KIND_WIDTH
        ),
        "minimum": config.NumberColumn(t("Minimum"), width=BOUND_WIDTH),
        "maximum": config.NumberColumn(t("Maximum"), width=BOUND_WIDTH),
        "levels": config.ListColumn(t("Levels"), width="medium"),
        "reason": config.TextColumn(t("Reason"), width="large"),
    }


def _draw_questions(made: NewUseCase, questions: list[client.OpenQuestion]) -> dict[str, str]:
    """Draw what was guessed; return the answers that differ from the guesses."""
    labels = {
        "positive": t("Class whose probability is predicted"),
        "time": t("Date by which the rows are split"),
    }
    chosen = {
        each.answer: st.selectbox(
            labels.get(each.answer, each.text), each.choices, each.choices.index(each.guess),
            key=f"{each.answer}:{made}",
        )
        for each in questions
    }  # fmt: skip
    return {each.answer: chosen[each.answer] for each in questions if chosen[each.answer] != each.guess}


def _merge(
    answers: Mapping[str, Any], corrections: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, str]
) -> dict[str, Any]:
    """Merge new corrections and answers into those that the draft has already."""
    columns = merge_corrections(answers.get("columns", {}), corrections)
    return {**answers, **chosen, **({"columns": columns} if columns else {})}


def _draw_buttons(made: NewUseCase, answers: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    replace = st.checkbox(t("Replace a use case of this name"), key="new_use_case_replace")
    again, save = st.columns(2)
    if again.button(t("Draft again with these corrections"), disabled=changed == answers, width="stretch"):
        request_draft(made, changed)
        st.rerun()
    if save.button(t("Save the use case"), type="primary", width="stretch", key="new_use_case_save"):
        with report_errors(), st.spinner(t("The server writes the file…")):
            session.send(client.write_draft, made.name, made.file, changed, replace=replace)
            set_saved(made)
    if get_saved() == made:
        st.success(t("The use case {name} is saved.", name=made.name))
