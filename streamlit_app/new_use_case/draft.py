"""The draft of a use case: its table to correct, its questions, and saving it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from streamlit_app import session
from streamlit_app.client import use_cases as client
from streamlit_app.client.use_cases import DraftAnswer
from streamlit_app.errors import report_errors
from streamlit_app.new_use_case.state import CORRECTIONS, DRAFT, NewUseCase, get_saved, set_saved
from streamlit_app.new_use_case.table import build_table, list_kinds, read_corrections
from streamlit_app.translation import escape_markdown, format_count, t, t_plural


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
    st.markdown(
        t(
            "The target is **{column}**: {reason}.",
            column=escape_markdown(draft.target.column), reason=escape_markdown(draft.target.reason),
        )
    )  # fmt: skip
    rows = t_plural("{rows} row", "{rows} rows", found.check.rows, rows=format_count(found.check.rows))
    hint = t("Levels are separated by |. Kinds, ranges and levels can be corrected.")
    st.caption(f"{rows} · {hint}")
    edited = st.data_editor(
        build_table(draft), hide_index=True, width="stretch", key=_build_key(made, answers),
        disabled=("column", "reason"), column_config=_build_columns(list_kinds(draft)),
    )  # fmt: skip
    for sentence in found.check.quarantine:
        st.warning(t("Quarantine: {sentence}", sentence=escape_markdown(sentence)))
    changed = _merge(answers, read_corrections(draft, edited), _draw_questions(made, draft.questions))
    with st.expander(t("The file of the use case")):
        st.code(draft.source, language="python")
    _draw_buttons(made, answers, changed)


def _build_key(made: NewUseCase, answers: Mapping[str, Any]) -> str:
    # the edits of one draft are not those of the next
    return f"{CORRECTIONS}:{made}:{answers}"


def _build_columns(kinds: list[str]) -> dict[str, Any]:
    config = st.column_config
    return {
        "column": config.TextColumn(t("Column")),
        "kind": config.SelectboxColumn(t("Kind"), options=kinds, required=True),
        "minimum": config.NumberColumn(t("Minimum")),
        "maximum": config.NumberColumn(t("Maximum")),
        "levels": config.TextColumn(t("Levels")),
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
    """Merge new corrections into those that the draft has already."""
    columns = {name: {**each} for name, each in answers.get("columns", {}).items()}
    for name, changes in corrections.items():
        columns[name] = {**columns.get(name, {}), **changes}
    return {**answers, **chosen, **({"columns": columns} if columns else {})}


def _draw_buttons(made: NewUseCase, answers: Mapping[str, Any], changed: Mapping[str, Any]) -> None:
    again, save = st.columns(2)
    if again.button(t("Draft again with these corrections"), disabled=changed == answers, width="stretch"):
        request_draft(made, changed)
        st.rerun()
    replace = save.checkbox(t("Replace a use case of this name"), key="new_use_case_replace")
    if save.button(t("Save the use case"), type="primary", width="stretch", key="new_use_case_save"):
        with report_errors(), st.spinner(t("The server writes the file…")):
            session.send(client.write_draft, made.name, made.file, changed, replace=replace)
            set_saved(made)
    if get_saved() == made:
        st.success(t("The use case {name} is saved.", name=made.name))
