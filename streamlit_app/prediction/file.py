"""A CSV file of records: upload, answers, and what is wrong with the other rows."""

from typing import Any

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import Schema
from streamlit_app.client.transport import Fault, Refused, Unreachable
from streamlit_app.prediction.scoring import Scoring
from streamlit_app.prediction.table import MOST_ROWS, Table, Unreadable, read, template
from streamlit_app.prediction.words import hint, plain
from streamlit_app.text import t, told

MEGABYTES = 32
"""As much as Streamlit is set to take."""
SHOWN_ROWS = 1000
CSV = "text/csv"


def draw(schema: Schema) -> None:
    """Draw the upload, and what became of the last file."""
    model = schema.model
    st.caption(
        t(
            "A CSV with a column for each field, named as in the template; cells parted by comma, semicolon "
            "or tab; an empty cell is missing. At most {rows} rows; `servicio-ml score` takes more.",
            rows=plain(MOST_ROWS),
        )
    )
    st.download_button(
        t("Template"), template(schema), f"{model}.csv", CSV, key=f"template:{model}", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip
    file = st.file_uploader(t("CSV file"), ["csv", "txt"], key=f"file:{model}", max_upload_size=MEGABYTES)
    if file is not None:
        _uploaded(schema, file.name, file.getvalue())
    scoring: Scoring | None = st.session_state.get(_key(model))
    if scoring is not None:
        _draw_scoring(schema, scoring)


def _key(model: str) -> str:
    return f"scoring:{model}"


def _uploaded(schema: Schema, name: str, raw: bytes) -> None:
    """Tell what is in the file; score it when the reader asks for it."""
    try:
        table = read(raw, schema)
    except Unreadable as error:
        st.error(_unreadable(error))
        return
    _notes(table)
    if st.button(
        t("Score {count} rows", count=plain(len(table.records))), type="primary", key=f"score:{schema.model}",
        help=t("Each row is logged as a prediction, once each time you press this."),
    ):  # fmt: skip
        scoring = Scoring(name=name, table=table)
        st.session_state[_key(schema.model)] = scoring
        _go_on(schema, scoring)


def _go_on(schema: Schema, scoring: Scoring) -> None:
    bar = st.progress(0.0, t("Scoring"))
    scoring.go_on(lambda records: session.ask(client.predict_many, schema.model, records), bar.progress)
    bar.empty()


def _notes(table: Table) -> None:
    for name, meant in table.unknown.items():
        if meant:
            st.warning(
                t("Column `{name}` is no field and is not sent; is `{meant}` meant?", name=name, meant=meant)
            )
        else:
            st.warning(t("Column `{name}` is no field and is not sent.", name=name))
    if table.absent:
        st.info(t("Without a column, and so missing in every row: {names}.", names=_code(table.absent)))


def _unreadable(error: Unreadable) -> str:
    names = _code(error.names)
    return {
        "empty": t("The file is empty."),
        "none": t("The file has a header and no rows."),
        "many": t(
            "The file has more than {rows} rows. Score it with `servicio-ml score`.", rows=plain(MOST_ROWS)
        ),
        "twice": t("A column is there twice: {names}.", names=names),
        "lacking": t(
            "Needed columns are lacking: {names}. The first line must name the columns.", names=names
        ),
        "broken": t("The file is no CSV. Line {names}", names=names),
    }[error.reason]


def _code(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _draw_scoring(schema: Schema, scoring: Scoring) -> None:
    st.subheader(t("Answers to {name}", name=f"`{scoring.name}`"))
    total, left = len(scoring.table.records), len(scoring.left)
    columns = st.columns(3)
    columns[0].metric(t("Rows answered"), plain(len(scoring.answers)))
    columns[1].metric(t("Rows refused"), plain(len(scoring.refusals)))
    columns[2].metric(t("Version"), ", ".join(map(str, scoring.versions)) or "–")
    if left:
        st.warning(
            t(
                "{left} of {total} rows are not scored: {why}",
                left=left,
                total=total,
                why=_why(scoring.problem),
            )
        )
        if st.button(t("Score the rest"), key=f"rest:{schema.model}"):
            _go_on(schema, scoring)
            st.rerun()
    if scoring.refusals:
        _draw_refusals(schema, scoring)
    if scoring.answers:
        found = joined(schema, scoring)
        st.markdown(f"**{t('Answers')}**")
        st.dataframe(found.head(SHOWN_ROWS), hide_index=True, key=f"answers:{schema.model}")
        if len(found) > SHOWN_ROWS:
            st.caption(t("The first {count} rows; the file has all.", count=plain(SHOWN_ROWS)))
    st.download_button(
        t("Download the rows with their answers"), joined(schema, scoring, refused=True).to_csv(index=False),
        f"{schema.model}-answers.csv", CSV, key=f"answered:{schema.model}", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip


def _why(problem: Exception | None) -> str:
    if isinstance(problem, Refused):
        return problem.detail
    if isinstance(problem, Unreachable):
        return t("The server at {url} does not answer.", url=problem.url)
    return t("scoring was interrupted")


def _draw_refusals(schema: Schema, scoring: Scoring) -> None:
    st.markdown(f"**{t('Refused rows')}**")
    rows = [
        {
            t("Line"): scoring.table.lines[place],
            t("Field"): fault.field or "–",
            t("Value"): "" if fault.value is None else str(fault.value),
            t("What is allowed"): allowed(schema, fault),
        }
        for place, faults in sorted(scoring.refusals.items())
        for fault in faults
    ]
    st.dataframe(pd.DataFrame(rows).head(SHOWN_ROWS), hide_index=True, key=f"refusals:{schema.model}")


def allowed(schema: Schema, fault: Fault) -> str:
    """What a row that was refused should have been."""
    if fault.reason == "long":
        return t("as many cells as the header has names")
    if fault.reason == "unasked":
        return t("not asked for: too many other rows were refused")
    known = next((each for each in schema.fields if each.name == fault.field), None)
    if known is None:
        return fault.allowed
    return ", ".join(map(told, known.levels)) if known.levels else hint(known).replace("`", "")


def joined(schema: Schema, scoring: Scoring, *, refused: bool = False) -> pd.DataFrame:
    """The rows of the file with their answers beside them.

    Args:
        schema: Of the use case.
        scoring: The rows.
        refused: Whether the rows without an answer are there too, with what is wrong with them.
    """
    table = scoring.table
    places = range(len(table.records)) if refused else sorted(scoring.answers)
    rows = [[*table.cells[place], *_columns(schema, scoring, place).values()] for place in places]
    made = _columns(schema, scoring, 0)
    names = [*table.header, *(f"answer_{name}" if name in table.header else name for name in made)]
    frame = pd.DataFrame(rows, columns=names)
    return frame if refused else frame.drop(columns=names[-1])


def _columns(schema: Schema, scoring: Scoring, place: int) -> dict[str, object]:
    """The answer to a row, empty without one; what is wrong with it comes last."""
    answer = scoring.answers.get(place)
    columns: dict[str, object] = {"prediction": answer.prediction if answer else None}
    if schema.labels:
        columns = {"label": answer.label if answer else None}
    if schema.task == client.BINARY:
        columns["probability"] = answer.probability if answer else None
    elif schema.labels:
        for label in schema.labels:
            columns[f"probability_{label}"] = answer.probabilities.get(label) if answer else None
    columns |= {
        "version": answer.version if answer else None,
        "prediction_id": answer.prediction_id if answer else None,
    }
    faults = scoring.refusals.get(place, [])
    columns["refused"] = "; ".join(
        f"{fault.field or '-'}={fault.value}: {allowed(schema, fault)}" for fault in faults
    )
    return columns
