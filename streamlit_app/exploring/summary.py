"""How much data there is, where its rows went, and what is predicted."""

from pathlib import PurePath

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import Data
from streamlit_app.exploring.words import PERCENT, count, share, title
from streamlit_app.text import t, told

BAR_PIXELS, FRAME_PIXELS = 34, 60


def draw(data: Data) -> None:
    """Draw it."""
    counts, overview = data.counts, data.overview
    read, kept, columns, missing = st.columns(4)
    read.metric(t("Rows read"), count(counts.read))
    kept.metric(t("Rows kept"), count(overview.rows))
    columns.metric(t("Columns"), len(overview.columns))
    cells = overview.rows * len(overview.columns)
    missing.metric(t("Missing values"), share(sum(each.missing for each in overview.columns), cells))
    st.markdown(
        t(
            "From `{source}` (spelling: {dialect}); {train} rows teach, {test} rows test.",
            source=PurePath(data.source).name, dialect=overview.dialect,
            train=count(counts.train), test=count(counts.test),
        )
    )  # fmt: skip
    _fates(data)
    if data.twins:
        st.caption(t("{number} test rows are equal to a training row in all features.", number=data.twins))
    for name, reason in data.dropped.items():
        st.caption(t("Left out: {name} ({reason}).", name=name, reason=told(reason)))
    if overview.classes:
        _classes(data)


def _fates(data: Data) -> None:
    counts = data.counts
    fates = {
        t("kept"): counts.train + counts.test,
        t("duplicate"): counts.duplicates,
        t("later than the period"): counts.later,
        t("without a label"): counts.unlabelled,
        t("in quarantine"): counts.quarantined,
    }
    fate, rows = t("What became of it"), t("Rows")
    table = pd.DataFrame({fate: fates.keys(), rows: fates.values()})
    table[t("Share")] = [share(each, counts.read) for each in fates.values()]
    described = "; ".join(f"{name}: {count(number)}" for name, number in fates.items())
    charts.show(
        _bars(table, fate, rows), t("What became of each row"), described, table, key="data_fates"
    )  # fmt: skip


def _classes(data: Data) -> None:
    target = data.overview.target
    counts = {label: sum(rows) for label, rows in target.histogram.counts.items()}
    label, percent = title(target), t("Share of the rows (%)")
    shares = [PERCENT * rows / max(data.overview.rows, 1) for rows in counts.values()]
    table = pd.DataFrame({label: map(told, counts), t("Rows"): counts.values(), percent: shares}).round(2)
    described = "; ".join(f"{told(name)}: {each:.1f} %" for name, each in zip(counts, shares, strict=True))
    charts.show(
        _bars(table, label, percent),
        t("Classes: {target}", target=label),
        described,
        table,
        key="data_classes",
    )


def _bars(table: pd.DataFrame, name: str, value: str) -> alt.Chart:
    drawn = table[[name, value]].set_axis(["name", "value"], axis=1)
    bars: alt.Chart = (
        alt.Chart(drawn)
        .mark_bar(color=charts.BLUE)
        .encode(
            x=alt.X("value:Q", title=value),
            y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=190)),
            tooltip=[alt.Tooltip("name:N", title=name), alt.Tooltip("value:Q", title=value, format=",.6~g")],
        )
        .properties(height=BAR_PIXELS * len(drawn) + FRAME_PIXELS)
    )
    return bars
