"""Distribution of a column in the window beside the training rows."""

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.drift import DriftColumn
from streamlit_app.translation import t, translate

HEIGHT_PIXELS = 360
PERCENT = 100


def draw(column: DriftColumn, label: str) -> None:
    """Draw the distribution, then the index, its threshold and the missing values.

    Args:
        column: Column with shares by bin.
        label: Title of the column.
    """
    table = _build_table(column)
    title = t("{name}: training and window", name=label)
    charts.show(_build_chart(table), title, _describe(column), table, key="drift_shares")
    index, threshold, missing = st.columns(3)
    index.metric(
        t("Population stability index (PSI)"), f"{column.psi:.3f}" if column.psi is not None else "–"
    )
    threshold.metric(t("Threshold"), f"{column.threshold:.3f}" if column.threshold is not None else "–")
    missing.metric(
        t("Missing"),
        f"{PERCENT * (column.missing or 0):.1f} %",
        delta=t("{share} % in training", share=f"{PERCENT * column.reference_missing:.1f}"),
        delta_color="off",
        delta_arrow="off",
    )


def _label_bin(name: str) -> str:
    return t("missing") if name == "missing" else translate(name)


def _build_table(column: DriftColumn) -> pd.DataFrame:
    return pd.DataFrame(
        {
            t("Bin"): [_label_bin(name) for name in column.reference],
            t("Training rows of the same seasons"): [PERCENT * each for each in column.reference.values()],
            t("Rows in the window"): [PERCENT * column.current.get(name, 0.0) for name in column.reference],
        }
    )


def _build_chart(table: pd.DataFrame) -> alt.Chart:
    bin_title, *sources = table.columns
    rows = table.melt(bin_title, var_name="source", value_name="share").rename(columns={bin_title: "bin"})
    bins = list(table[bin_title])
    chart: alt.Chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("bin:N", sort=bins, title=bin_title, axis=alt.Axis(labelAngle=-40, labelLimit=120)),
            xOffset=alt.XOffset("source:N", sort=sources),
            y=alt.Y("share:Q", title=t("Share of the rows (%)")),
            color=alt.Color(
                "source:N", title=None, sort=sources,
                legend=alt.Legend(orient="top", columns=1, labelLimit=320),
                scale=alt.Scale(domain=sources, range=[charts.BLUE, charts.ORANGE]),
            ),
            tooltip=["bin:N", "source:N", alt.Tooltip("share:Q", format=".1f")],
        )
        .properties(height=HEIGHT_PIXELS)
    )  # fmt: skip
    return chart


def _describe(column: DriftColumn) -> str:
    name = max(column.reference, key=lambda each: abs(column.current.get(each, 0.0) - column.reference[each]))
    return t(
        "Largest change: {bin}, from {training} % to {window} %.",
        bin=_label_bin(name),
        training=f"{PERCENT * column.reference[name]:.1f}",
        window=f"{PERCENT * column.current.get(name, 0.0):.1f}",
    )
