"""Which columns have drifted, and how one of them is now beside the training rows."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.drift import Column, State
from streamlit_app.text import t, told

PICKED = "drift_column"
BAR_PIXELS, BAR_FRAME_PIXELS, SHARES_PIXELS = 22, 130, 360


def ranked(state: State) -> list[Column]:
    """The features and the prediction, the one that is farthest over its threshold first."""
    return sorted((*state.features, state.prediction), key=lambda each: each.excess, reverse=True)


def draw(state: State, titles: Mapping[str, str]) -> None:
    """All columns, then the one that the reader picks.

    Args:
        state: Of a window with rows.
        titles: What people call the columns, by name.
    """
    columns, shown = ranked(state), partial(_title, titles)
    _ranking(columns, shown)
    by_name = {each.name: each for each in columns}
    if st.session_state.get(PICKED) not in by_name:
        st.session_state[PICKED] = columns[0].name
    picked = st.selectbox(t("Column"), list(by_name), format_func=shown, key=PICKED)
    _shares(by_name[picked or columns[0].name], shown)


def _title(titles: Mapping[str, str], name: str) -> str:
    return t("Prediction") if name == "prediction" else titles.get(name, name)


def _ranking(columns: Sequence[Column], shown: Callable[[str], str]) -> None:
    yes, no = t("drifted"), t("not drifted")
    ratio, column, verdict = t("Index over threshold"), t("Column"), t("Verdict")
    table = pd.DataFrame(
        {
            column: [shown(each.name) for each in columns],
            ratio: [each.excess for each in columns],
            verdict: [yes if each.drifted else no for each in columns],
            t("Index (PSI)"): [each.psi for each in columns],
            t("Threshold"): [each.threshold for each in columns],
            t("Missing now"): [each.missing for each in columns],
            t("Missing in training"): [each.reference_missing for each in columns],
        }
    )
    drawn = table[[column, ratio, verdict]].set_axis(["column", "ratio", "verdict"], axis=1)
    bars = (
        alt.Chart(drawn)
        .mark_bar()
        .encode(
            x=alt.X("ratio:Q", title=ratio, axis=alt.Axis(tickCount=5)),
            y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False)),
            color=alt.Color(
                "verdict:N", title=None, legend=alt.Legend(orient="top", columns=1),
                scale=alt.Scale(domain=[yes, no], range=[charts.ORANGE, charts.BLUE]),
            ),
            tooltip=[
                alt.Tooltip("column:N", title=column),
                alt.Tooltip("ratio:Q", title=ratio, format=".2f"),
            ],
        )
    )  # fmt: skip
    line = alt.Chart(pd.DataFrame({"x": [1.0]})).mark_rule(strokeDash=[6, 4], size=2).encode(x="x:Q")
    height = BAR_PIXELS * len(columns) + BAR_FRAME_PIXELS
    gone = [shown(each.name) for each in columns if each.drifted]
    described = (
        t("Beyond the threshold: {names}.", names=", ".join(gone))
        if gone
        else t("No column is beyond its threshold; the closest is {name}.", name=shown(columns[0].name))
    )
    charts.show(
        (bars + line).properties(height=height),
        t("How far each column has moved"),
        described,
        table,
        key="drift_ranking",
    )
    st.caption(
        t(
            "The population stability index of each column over the threshold for so many rows. "
            "From 1 on, the dashed line, it is drift."
        )
    )


def _shares(column: Column, shown: Callable[[str], str]) -> None:
    then, now = t("Training rows of the same seasons"), t("Rows of the window")
    bin_title, share = t("Bin"), t("Share of the rows (%)")
    labels = list(column.reference)
    names = [t("missing") if label == "missing" else told(label) for label in labels]
    table = pd.DataFrame(
        {
            bin_title: names,
            then: [100 * column.reference[label] for label in labels],
            now: [100 * column.current.get(label, 0.0) for label in labels],
        }
    )
    long = table.melt(bin_title, var_name="which", value_name="share").rename(columns={bin_title: "bin"})
    bars = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            x=alt.X("bin:N", sort=names, title=bin_title, axis=alt.Axis(labelAngle=-40, labelLimit=120)),
            xOffset=alt.XOffset("which:N", sort=[then, now]),
            y=alt.Y("share:Q", title=share),
            color=alt.Color(
                "which:N", title=None, sort=[then, now],
                legend=alt.Legend(orient="top", columns=1, labelLimit=320),
                scale=alt.Scale(domain=[then, now], range=[charts.BLUE, charts.ORANGE]),
            ),
            tooltip=["bin:N", "which:N", alt.Tooltip("share:Q", format=".1f")],
        )
        .properties(height=SHARES_PIXELS)
    )  # fmt: skip
    moved = max(labels, key=lambda label: abs(column.current.get(label, 0.0) - column.reference[label]))
    described = t(
        "The greatest change: {bin}, from {then} % to {now} %.",
        bin=names[labels.index(moved)],
        then=f"{100 * column.reference[moved]:.1f}",
        now=f"{100 * column.current.get(moved, 0.0):.1f}",
    )
    title = t("{name}: reference and window", name=shown(column.name))
    charts.show(bars, title, described, table, key="drift_shares")
    index, limit, missing = st.columns(3)
    index.metric(t("Index (PSI)"), f"{column.psi:.3f}" if column.psi is not None else "–")
    limit.metric(t("Threshold"), f"{column.threshold:.3f}" if column.threshold is not None else "–")
    missing.metric(
        t("Missing"),
        f"{100 * (column.missing or 0):.1f} %",
        delta=t("{share} % in training", share=f"{100 * column.reference_missing:.1f}"),
        delta_color="off",
        delta_arrow="off",
    )
