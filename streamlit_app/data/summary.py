"""Number of rows by status, the split, and the classes of the target."""

from pathlib import PurePath

import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import PublishedData, PublishedOrigin
from streamlit_app.data.bars import build_bars
from streamlit_app.data.labels import PERCENT, format_share, label_column
from streamlit_app.translation import escape_markdown, format_count, t, t_plural, translate


def draw(data: PublishedData) -> None:
    """Draw the summary."""
    _draw_origin(data.overview.origin)
    _draw_totals(data)
    counts = data.counts
    st.markdown(
        t(
            "Source: `{source}` (format: {dialect}). Training rows: {train}; test rows: {test}.",
            source=PurePath(data.source).name, dialect=data.overview.dialect,
            train=format_count(counts.train), test=format_count(counts.test),
        )
    )  # fmt: skip
    _draw_row_status(data)
    if data.train_test_duplicates:
        st.caption(
            t_plural(
                "{number} test row equals a training row in all features.",
                "{number} test rows equal a training row in all features.",
                data.train_test_duplicates,
            )
        )
    for name, reason in data.dropped.items():
        st.caption(t("Column {name} is left out: {reason}.", name=name, reason=translate(reason)))
    if data.overview.classes:
        _draw_classes(data)


def _draw_origin(origin: PublishedOrigin) -> None:
    st.markdown(f"**{escape_markdown(translate(origin.title))}**")
    if origin.description:
        st.markdown(escape_markdown(translate(origin.description)))
    publisher = t("Publisher: {page}.", page=origin.page) if origin.page else ""
    licence = (
        t("Licence: {licence}.", licence=escape_markdown(translate(origin.licence))) if origin.licence else ""
    )
    st.caption(f"{publisher} {licence}".strip() or t("The use case names no publisher."))


def _draw_totals(data: PublishedData) -> None:
    overview = data.overview
    read, published, columns, missing = st.columns(4)
    read.metric(t("Rows read"), format_count(data.counts.read))
    published.metric(t("Rows published"), format_count(overview.rows))
    columns.metric(t("Columns"), len(overview.columns))
    cells = overview.rows * len(overview.columns)
    missing.metric(t("Missing values"), format_share(sum(each.missing for each in overview.columns), cells))


def _draw_row_status(data: PublishedData) -> None:
    counts = data.counts
    status_counts = {
        t("published"): counts.train + counts.test,
        t("duplicate"): counts.duplicates,
        t("after the period"): counts.later,
        t("without a label"): counts.unlabelled,
        t("in quarantine"): counts.quarantined,
    }
    status, rows = t("Status"), t("Rows")
    table = pd.DataFrame({status: status_counts.keys(), rows: status_counts.values()})
    table[t("Share")] = [format_share(each, counts.read) for each in status_counts.values()]
    description = "; ".join(f"{name}: {format_count(number)}" for name, number in status_counts.items())
    charts.show(
        build_bars(table, status, rows), t("Rows by status"), description, table, key="data_row_status"
    )


def _draw_classes(data: PublishedData) -> None:
    target = data.overview.target
    counts = {label: sum(rows) for label, rows in target.histogram.counts.items()}
    label, percent = label_column(target), t("Share of the rows (%)")
    shares = [PERCENT * rows / max(data.overview.rows, 1) for rows in counts.values()]
    table = pd.DataFrame({label: map(translate, counts), t("Rows"): counts.values(), percent: shares})
    description = "; ".join(
        f"{translate(name)}: {share:.1f} %" for name, share in zip(counts, shares, strict=True)
    )
    charts.show(
        build_bars(table.round(2), label, percent),
        t("Classes: {target}", target=label),
        description,
        table.round(2),
        key="data_classes",
    )
