"""The columns ranked by drift, and the distribution of one of them beside the training rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.drift import DriftColumn, DriftState
from streamlit_app.drift import distribution
from streamlit_app.translation import t

COLUMN_KEY = "drift_column"
BAR_PIXELS, BAR_FRAME_PIXELS = 22, 130


def rank_columns(state: DriftState) -> list[DriftColumn]:
    """Rank the features and the prediction by their index over its threshold, the largest first."""
    return sorted((*state.features, state.prediction), key=lambda each: each.threshold_ratio, reverse=True)


def draw(state: DriftState, descriptions: Mapping[str, str]) -> None:
    """Draw the ranking of the columns, and the distribution of the column that the reader picks.

    Args:
        state: State of a window with rows.
        descriptions: Description of each field by name.
    """
    columns, label = rank_columns(state), partial(label_column, descriptions)
    _draw_ranking(columns, label)
    by_name = {each.name: each for each in columns}
    if st.session_state.get(COLUMN_KEY) not in by_name:
        st.session_state[COLUMN_KEY] = columns[0].name
    name = st.selectbox(t("Column"), list(by_name), format_func=label, key=COLUMN_KEY)
    column = by_name[name or columns[0].name]
    distribution.draw(column, label(column.name))


def label_column(descriptions: Mapping[str, str], name: str) -> str:
    """Label a column by its description."""
    return t("Prediction") if name == "prediction" else descriptions.get(name, name)


def _draw_ranking(columns: Sequence[DriftColumn], label: Callable[[str], str]) -> None:
    table = _build_table(columns, label)
    description = _describe_ranking(columns, label)
    charts.show(_build_chart(table), t("Drift by column"), description, table, key="drift_ranking")
    st.caption(
        t(
            "Population stability index (PSI) of each column, divided by the threshold for this number of "
            "rows. A column has drifted from 1 on (dashed line)."
        )
    )


def _build_table(columns: Sequence[DriftColumn], label: Callable[[str], str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            t("Column"): [label(each.name) for each in columns],
            t("PSI / threshold"): [each.threshold_ratio for each in columns],
            t("Verdict"): [t("drifted") if each.drifted else t("not drifted") for each in columns],
            t("Population stability index (PSI)"): [each.psi for each in columns],
            t("Threshold"): [each.threshold for each in columns],
            t("Missing in the window"): [each.missing for each in columns],
            t("Missing in training"): [each.reference_missing for each in columns],
        }
    )


def _describe_ranking(columns: Sequence[DriftColumn], label: Callable[[str], str]) -> str:
    """Name the drifted columns; without one, the column with the largest ratio, which is the first."""
    drifted = [label(each.name) for each in columns if each.drifted]
    if drifted:
        return t("Above the threshold: {names}.", names=", ".join(drifted))
    return t("No column is above its threshold; the closest is {name}.", name=label(columns[0].name))


def _build_chart(table: pd.DataFrame) -> alt.LayerChart:
    column, ratio, verdict = table.columns[:3]
    rows = table[[column, ratio, verdict]].set_axis(["column", "ratio", "verdict"], axis=1)
    scale = alt.Scale(domain=[t("drifted"), t("not drifted")], range=[charts.ORANGE, charts.BLUE])
    bars = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("ratio:Q", title=ratio, axis=alt.Axis(tickCount=5)),
            y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False)),
            color=alt.Color("verdict:N", title=None, legend=alt.Legend(orient="top", columns=1), scale=scale),
            tooltip=[
                alt.Tooltip("column:N", title=column),
                alt.Tooltip("ratio:Q", title=ratio, format=".2f"),
            ],
        )
    )
    line = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_rule(strokeDash=[6, 4], size=2).encode(x="x:Q")
    chart: alt.LayerChart = (bars + line).properties(height=BAR_PIXELS * len(rows) + BAR_FRAME_PIXELS)
    return chart
