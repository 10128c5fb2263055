"""Predictions for a CSV file: upload, progress, results and refused rows."""

from collections.abc import Iterable

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import ModelSchema
from streamlit_app.client.transport import RefusedError, UnreachableError
from streamlit_app.predict.csv_table import MAX_ROWS, CsvError, CsvTable, build_template, read_csv
from streamlit_app.predict.file_results import describe_allowed, join_results
from streamlit_app.predict.file_scoring import FileScoring
from streamlit_app.predict.labels import format_number
from streamlit_app.translation import t, t_plural

MAX_MEGABYTES = 32
"""Upload limit, the same as in Streamlit's configuration."""
MAX_SHOWN_ROWS = 1000
CSV = "text/csv"


def draw(schema: ModelSchema) -> None:
    """Draw the upload and the results of the last file."""
    model = schema.model
    st.caption(
        t(
            "A CSV file with one column per field, named as in the template. The delimiter is a comma, a "
            "semicolon or a tab; an empty cell is a missing value. Maximum: {rows} rows. For larger files "
            "use `servicio-ml score`.",
            rows=format_number(MAX_ROWS),
        )
    )
    st.download_button(
        t("Template"), build_template(schema), f"{model}.csv", CSV, key=f"template:{model}",
        on_click="ignore", icon=":material/download:",
    )  # fmt: skip
    upload = st.file_uploader(
        t("CSV file"), ["csv", "txt"], key=f"file:{model}", max_upload_size=MAX_MEGABYTES
    )
    if upload is not None:
        _draw_upload(schema, upload.name, upload.getvalue())
    scoring: FileScoring | None = st.session_state.get(_build_key(model))
    if scoring is not None:
        _draw_scoring(schema, scoring)


def _build_key(model: str) -> str:
    return f"scoring:{model}"


def _draw_upload(schema: ModelSchema, name: str, raw: bytes) -> None:
    """Report what the file holds; score it when the reader presses the button."""
    try:
        table = read_csv(raw, schema)
    except CsvError as error:
        st.error(_explain_unreadable(error))
        return
    _report_columns(table)
    count = len(table.records)
    if st.button(
        t_plural("Score {rows} row", "Score {rows} rows", count, rows=format_number(count)), type="primary",
        key=f"score:{schema.model}",
        help=t("The server logs each row as a prediction, again each time the button is pressed."),
    ):  # fmt: skip
        scoring = FileScoring(name=name, table=table)
        st.session_state[_build_key(schema.model)] = scoring
        _score_pending(schema, scoring)


def _score_pending(schema: ModelSchema, scoring: FileScoring) -> None:
    bar = st.progress(0.0, t("Scoring"))
    scoring.score_pending(
        lambda records: session.send(client.predict_batch, schema.model, records), bar.progress
    )
    bar.empty()


def _report_columns(table: CsvTable) -> None:
    for name, suggestion in table.unknown_columns.items():
        message = t("Column `{name}` is not a field and is ignored.", name=name)
        if suggestion:
            message += " " + t("Did you mean `{field}`?", field=suggestion)
        st.warning(message)
    if table.ambiguous_numbers:
        line, number = next(iter(table.ambiguous_numbers.items()))
        st.warning(
            t(
                "Rows with a number such as `{number}` (line {line}) are refused: its separator may mark"
                " decimals or thousands. Separate the columns by commas and the decimals by points.",
                number=number,
                line=line,
            )
        )
    if table.missing_fields:
        st.info(
            t(
                "Fields without a column, which are missing in every row: {names}.",
                names=_format_names(table.missing_fields),
            )
        )


def _explain_unreadable(error: CsvError) -> str:
    names = _format_names(error.names)
    return {
        "foreign": t(
            "The file is no CSV, its format is {format}. Unpack it, or save the table as CSV (UTF-8). "
            "`servicio-ml score` also reads gzip, zip, Parquet, JSON lines and Excel.",
            format=", ".join(error.names),
        ),
        "mark": t(
            "The file has a mark at its start or end that is no data: {names}. Delete it.", names=names
        ),
        "empty": t("The file is empty."),
        "no_rows": t("The file has a header but no rows."),
        "too_many_rows": t(
            "The file has more than {rows} rows. Use `servicio-ml score`.", rows=format_number(MAX_ROWS)
        ),
        "duplicate_columns": t("These columns occur twice: {names}.", names=names),
        "missing_columns": t(
            "Required columns are missing: {names}. The first line must name the columns.", names=names
        ),
        "invalid": t("The file is not a valid CSV. Line {names}", names=names),
    }[error.reason]


def _format_names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _draw_scoring(schema: ModelSchema, scoring: FileScoring) -> None:
    st.subheader(t("Predictions for {name}", name=f"`{scoring.name}`"))
    scored_metric, refused_metric, version_metric = st.columns(3)
    scored_metric.metric(t("Rows scored"), format_number(len(scoring.results)))
    refused_metric.metric(t("Rows refused"), format_number(len(scoring.refused)))
    version_metric.metric(t("Version"), ", ".join(map(str, scoring.versions)) or "–")
    if scoring.pending:
        _draw_pending(schema, scoring)
    if scoring.refused:
        _draw_refused_rows(schema, scoring)
    if scoring.results:
        _draw_results(schema, scoring)
    st.download_button(
        t("Download the rows with their predictions"),
        join_results(schema, scoring, refused=True).to_csv(index=False),
        f"{schema.model}-predictions.csv", CSV, key=f"download:{schema.model}", on_click="ignore",
        icon=":material/download:",
    )  # fmt: skip


def _draw_pending(schema: ModelSchema, scoring: FileScoring) -> None:
    st.warning(
        t(
            "{pending} of {total} rows are not scored: {reason}",
            pending=format_number(len(scoring.pending)),
            total=format_number(len(scoring.table.records)),
            reason=_explain_stop(scoring.error),
        )
    )
    if st.button(t("Score the remaining rows"), key=f"remaining:{schema.model}"):
        _score_pending(schema, scoring)
        st.rerun()


def _explain_stop(error: Exception | None) -> str:
    if isinstance(error, RefusedError):
        return error.detail
    if isinstance(error, UnreachableError):
        return t("The server at {url} does not respond.", url=error.url)
    return t("scoring was interrupted")


def _draw_results(schema: ModelSchema, scoring: FileScoring) -> None:
    rows = join_results(schema, scoring)
    st.markdown("**" + t("Predictions") + "**")
    st.dataframe(rows.head(MAX_SHOWN_ROWS), hide_index=True, key=f"results:{schema.model}")
    if len(rows) > MAX_SHOWN_ROWS:
        st.caption(t("First {rows} rows; the download has all.", rows=format_number(MAX_SHOWN_ROWS)))


def _draw_refused_rows(schema: ModelSchema, scoring: FileScoring) -> None:
    st.markdown("**" + t("Refused rows") + "**")
    rows = [
        {
            t("Line"): scoring.table.lines[index],
            t("Field"): error.field or "–",
            t("Value"): "" if error.value is None else str(error.value),
            t("Allowed"): describe_allowed(schema, error),
        }
        for index, errors in sorted(scoring.refused.items())
        for error in errors
    ]
    st.dataframe(pd.DataFrame(rows).head(MAX_SHOWN_ROWS), hide_index=True, key=f"refused:{schema.model}")
