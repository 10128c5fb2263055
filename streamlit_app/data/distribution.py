"""Distribution of the values of a column by class."""

from itertools import pairwise

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import NUMERIC_KINDS, ColumnOverview, DataOverview, Histogram
from streamlit_app.data.labels import PERCENT, label_column, label_with_unit
from streamlit_app.translation import format_count, t, t_plural, translate

COLUMN_KEY, SCALE_KEY = "data_column", "data_scale"
ROWS, SHARES = "rows", "shares"
BAR_PIXELS, FRAME_PIXELS, HEIGHT_PIXELS = 20, 60, 340
EDGE_FORMAT = ".12g"
"""Format of a bin's edge, with enough digits to distinguish the edges of large numbers."""
Axes = dict[str, alt.X | alt.Y | alt.XOffset | alt.YOffset]


def draw(overview: DataOverview) -> None:
    """Draw the choice of a column and of the scale, and the histogram."""
    by_name = {each.name: each for each in overview.columns}
    if st.session_state.get(COLUMN_KEY) not in by_name:
        numeric = [each.name for each in overview.columns if each.kind in NUMERIC_KINDS]
        st.session_state[COLUMN_KEY] = next(iter(numeric), overview.columns[0].name)
    if st.session_state.get(SCALE_KEY) not in {ROWS, SHARES}:
        st.session_state[SCALE_KEY] = ROWS
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    name = left.selectbox(
        t("Column"), list(by_name), format_func=lambda each: label_with_unit(by_name[each]), key=COLUMN_KEY
    )
    scales = {ROWS: t("Rows"), SHARES: t("Share of each class")}
    scale = right.segmented_control(
        t("Height of the bars"), list(scales), format_func=scales.__getitem__, key=SCALE_KEY, required=True
    )
    _draw_histogram(by_name[name or st.session_state[COLUMN_KEY]], overview, shares=scale == SHARES)


def label_bins(histogram: Histogram, *, integer: bool) -> list[str]:
    """Label the bins of a histogram.

    Args:
        histogram: Histogram of levels, or of numbers with edges.
        integer: Whether the values are integers: the upper edge is then not part of the label.
    """
    if not histogram.edges:
        return [translate(each) for each in histogram.labels]
    return [_label_bin(low, high, integer=integer) for low, high in pairwise(histogram.edges)]


def _label_bin(low: float | None, high: float | None, *, integer: bool) -> str:
    if low is None:
        return f"< {high:{EDGE_FORMAT}}"
    if high is None:
        return f"≥ {low:{EDGE_FORMAT}}"
    if integer and high == low + 1:
        return f"{low:{EDGE_FORMAT}}"
    last = high - 1 if integer else high
    return t("{low} to {high}", low=f"{low:{EDGE_FORMAT}}", high=f"{last:{EDGE_FORMAT}}")


def _draw_histogram(column: ColumnOverview, overview: DataOverview, *, shares: bool) -> None:
    histogram = column.histogram
    bins = label_bins(histogram, integer=column.kind == "integer")
    if not bins:
        st.info(t("This column has no values."))
        return
    classes = {translate(label) or t("all rows"): counts for label, counts in histogram.counts.items()}
    heights = pd.DataFrame(classes, index=bins)
    if shares:
        heights = PERCENT * heights / heights.sum().clip(lower=1)
    class_title = label_column(overview.target) if overview.classes else None
    charts.show(
        _build_chart(column, heights, class_title, shares=shares),
        t("Distribution: {column}", column=label_column(column)), _describe(column, heights),
        heights.round(2).rename_axis(label_with_unit(column)).reset_index(), key="data_distribution",
    )  # fmt: skip
    if histogram.hidden:
        st.caption(
            t_plural(
                "{number} less frequent value is not shown.",
                "{number} less frequent values are not shown.",
                histogram.hidden,
            )
        )


def _build_chart(
    column: ColumnOverview, heights: pd.DataFrame, class_title: str | None, *, shares: bool
) -> alt.Chart:
    bins, classes = list(heights.index), list(heights.columns)
    height_title = t("Share of the class (%)") if shares else t("Rows")
    horizontal = not column.histogram.edges and column.kind in {"category", "boolean"}
    bars = heights.rename_axis("bin").reset_index().melt(id_vars="bin", var_name="class", value_name="height")
    chart: alt.Chart = (
        alt.Chart(bars)
        .mark_bar()
        .encode(
            **_build_axes(
                label_with_unit(column), height_title, bins, horizontal=horizontal, grouped=shares
            ),
            color=alt.Color(
                "class:N", title=class_title, sort=classes,
                scale=alt.Scale(domain=classes, range=list(charts.PALETTE[: len(classes)])),
                legend=alt.Legend(orient="top") if class_title else None,
            ),
            tooltip=[
                alt.Tooltip("bin:N", title=label_column(column)),
                alt.Tooltip("class:N", title=class_title or t("Rows")),
                alt.Tooltip("height:Q", title=height_title, format=",.4~g"),
            ],
        )
        .properties(height=BAR_PIXELS * len(bins) + FRAME_PIXELS if horizontal else HEIGHT_PIXELS)
    )  # fmt: skip
    return chart


def _build_axes(
    bin_title: str, height_title: str, bins: list[str], *, horizontal: bool, grouped: bool
) -> Axes:
    if horizontal:
        axes: Axes = {
            "y": alt.Y("bin:N", sort=bins, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=190)),
            "x": alt.X("height:Q", title=height_title, stack=not grouped),
        }
        return {**axes, "yOffset": alt.YOffset("class:N")} if grouped else axes
    axes = {
        "x": alt.X("bin:N", sort=bins, title=bin_title, axis=alt.Axis(labelAngle=-45, labelOverlap="greedy")),
        "y": alt.Y("height:Q", title=height_title, stack=not grouped),
    }
    return {**axes, "xOffset": alt.XOffset("class:N")} if grouped else axes


def _describe(column: ColumnOverview, heights: pd.DataFrame) -> str:
    return t(
        "{count} values, {missing} missing, {unique} different; the highest bar is {bin}.",
        count=format_count(column.count),
        missing=format_count(column.missing),
        unique=format_count(column.unique),
        bin=heights.sum(axis=1).idxmax(),
    )
