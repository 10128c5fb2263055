"""How the values of a column are distributed, by class."""

from itertools import pairwise

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import NUMBERS, Column, Histogram, Overview
from streamlit_app.exploring.words import PERCENT, count, measured, title
from streamlit_app.text import t, told

PICKED, SCALE = "data_column", "data_scale"
ROWS, SHARES = "rows", "shares"
BAR_PIXELS, FRAME_PIXELS, HEIGHT_PIXELS = 20, 60, 340
EDGE = ".12g"
"""How an edge is written: no two edges of large numbers alike."""
Axes = dict[str, alt.X | alt.Y | alt.XOffset | alt.YOffset]


def draw(overview: Overview) -> None:
    """Let the reader pick a column and draw it."""
    by_name = {each.name: each for each in overview.columns}
    if st.session_state.get(PICKED) not in by_name:
        numbers = [each.name for each in overview.columns if each.kind in NUMBERS]
        st.session_state[PICKED] = next(iter(numbers), overview.columns[0].name)
    if st.session_state.get(SCALE) not in {ROWS, SHARES}:
        st.session_state[SCALE] = ROWS
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    name = left.selectbox(
        t("Column"), list(by_name), format_func=lambda each: measured(by_name[each]), key=PICKED
    )
    scales = {ROWS: t("Rows"), SHARES: t("Share of each class")}
    chosen = right.segmented_control(
        t("Height of the bars"), list(scales), format_func=scales.__getitem__, key=SCALE, required=True
    )
    _histogram(by_name[name or st.session_state[PICKED]], overview, shares=chosen == SHARES)


def bins(histogram: Histogram, *, whole: bool) -> list[str]:
    """What the bins are called."""
    if not histogram.edges:
        return [told(each) for each in histogram.labels]
    return [_bin(low, high, whole=whole) for low, high in pairwise(histogram.edges)]


def _bin(low: float | None, high: float | None, *, whole: bool) -> str:
    if low is None:
        return f"< {high:{EDGE}}"
    if high is None:
        return f"≥ {low:{EDGE}}"
    if whole and high == low + 1:
        return f"{low:{EDGE}}"
    last = high - 1 if whole else high
    return t("{low} to {high}", low=f"{low:{EDGE}}", high=f"{last:{EDGE}}")


def _histogram(column: Column, overview: Overview, *, shares: bool) -> None:
    histogram = column.histogram
    names = bins(histogram, whole=column.kind == "integer")
    if not names:
        st.info(t("This column holds no value."))
        return
    classes = {told(label) or t("all rows"): counts for label, counts in histogram.counts.items()}
    wide = pd.DataFrame(classes, index=names)
    height = t("Rows")
    if shares:
        wide, height = PERCENT * wide / wide.sum().clip(lower=1), t("Share of the class (%)")
    drawn = wide.rename_axis("bin").reset_index().melt(id_vars="bin", var_name="class", value_name="height")
    by = title(overview.target) if overview.classes else None
    lying = not histogram.edges and column.kind == "category"
    chart = (
        alt.Chart(drawn)
        .mark_bar()
        .encode(
            **_axes(measured(column), height, names, lying=lying, beside=shares),
            color=alt.Color(
                "class:N", title=by, sort=list(classes),
                scale=alt.Scale(domain=list(classes), range=list(charts.PALETTE[: len(classes)])),
                legend=alt.Legend(orient="top") if by else None,
            ),
            tooltip=[
                alt.Tooltip("bin:N", title=title(column)),
                alt.Tooltip("class:N", title=by or t("Rows")),
                alt.Tooltip("height:Q", title=height, format=",.4~g"),
            ],
        )
        .properties(height=BAR_PIXELS * len(names) + FRAME_PIXELS if lying else HEIGHT_PIXELS)
    )  # fmt: skip
    described = _described(column, wide)
    charts.show(
        chart, t("Distribution: {column}", column=title(column)), described,
        wide.round(2).rename_axis(measured(column)).reset_index(), key="data_distribution",
    )  # fmt: skip
    if histogram.hidden:
        st.caption(t("{number} less frequent values are not shown.", number=histogram.hidden))


def _axes(name: str, height: str, names: list[str], *, lying: bool, beside: bool) -> Axes:
    if lying:
        axes: Axes = {
            "y": alt.Y("bin:N", sort=names, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=190)),
            "x": alt.X("height:Q", title=height, stack=not beside),
        }
        return {**axes, "yOffset": alt.YOffset("class:N")} if beside else axes
    axes = {
        "x": alt.X("bin:N", sort=names, title=name, axis=alt.Axis(labelAngle=-45, labelOverlap="greedy")),
        "y": alt.Y("height:Q", title=height, stack=not beside),
    }
    return {**axes, "xOffset": alt.XOffset("class:N")} if beside else axes


def _described(column: Column, wide: pd.DataFrame) -> str:
    most = wide.sum(axis=1).idxmax()
    return t(
        "{count} values, {missing} missing, {unique} different; the fullest bar is {bin}.",
        count=count(column.count), missing=count(column.missing), unique=count(column.unique), bin=most,
    )  # fmt: skip
