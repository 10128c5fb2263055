"""The page New use case: a raw file becomes a draft, a use case and a first model; for administrators."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import use_cases as client
from streamlit_app.client.use_cases import RawColumns
from streamlit_app.errors import report_errors
from streamlit_app.new_use_case import draft, run
from streamlit_app.new_use_case.state import COLUMNS, DRAFT, NewUseCase, get_saved
from streamlit_app.translation import t

MEBIBYTE = 1 << 20
TYPES = ["csv", "tsv", "txt", "gz", "zip", "jsonl", "ndjson", "parquet", "xlsx", "xz", "bz2"]


def draw_page() -> None:
    """Draw the page."""
    st.title(t("New use case"))
    st.caption(
        t(
            "A raw file becomes a use case: a draft with a reason for each decision, your corrections, and a "
            "first model. The server needs a key with the scope `admin`, if it has keys."
        )
    )
    with report_errors():
        files = session.send(client.fetch_files)
        _draw_upload(files.max_bytes)
        _draw_request(session.send(client.fetch_files).files)
        if DRAFT in st.session_state:
            made, answers, found = st.session_state[DRAFT]
            draft.draw(made, answers, found)
            if get_saved() == made:
                run.draw(made)


def _draw_upload(max_bytes: int) -> None:
    st.subheader(t("1. The raw file"))
    upload = st.file_uploader(
        t("Upload a file (CSV, JSON lines, Excel or Parquet)"), TYPES, key="new_use_case_upload",
        max_upload_size=max(1, max_bytes // MEBIBYTE),
    )  # fmt: skip
    # each file once: the page is drawn anew with every click
    if upload is not None and st.session_state.get("new_use_case_uploaded") != upload.file_id:
        with report_errors():
            session.send(client.save_file, upload.name, upload.getvalue())
            st.session_state["new_use_case_uploaded"] = upload.file_id
            st.session_state["new_use_case_file"] = upload.name


def _draw_request(files: list[str]) -> None:
    if not files:
        st.info(t("The server has no raw file yet."))
        return
    # outside of the form: another file has other columns
    file = st.selectbox(t("Raw file on the server"), files, key="new_use_case_file")
    raw = _find_columns(file)
    if raw is None:
        return
    with st.form("new_use_case_request"):
        name = st.text_input(t("Name of the use case, such as flat_rent"), key="new_use_case_name")
        target = st.selectbox(
            t("Column to predict"), raw.columns, raw.columns.index(raw.target),
            key=f"new_use_case_target:{file}",
        )  # fmt: skip
        asked = st.form_submit_button(t("Draft"), type="primary")
    if asked:
        draft.request_draft(NewUseCase(name=name.strip(), file=file), {"target": target})


def _find_columns(file: str) -> RawColumns | None:
    """Find the columns of a file, which the server reads once; None where it cannot, which is shown."""
    known: dict[str, RawColumns] = st.session_state.setdefault(COLUMNS, {})
    if file not in known:
        with report_errors(), st.spinner(t("The server reads the file…")):
            known[file] = session.send(client.fetch_columns, file)
    return known.get(file)


draw_page()
