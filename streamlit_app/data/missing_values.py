"""Missing values by column, and by level of the category that structures the rows."""

from collections.abc import Mapping

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import ColumnOverview, DataOverview, MissingByLevel
from streamlit_app.data.labels import PERCENT, label_column, shorten_name
from streamlit_app.translation import t, t_plural, translate

BAR_PIXELS, FRAME_PIXELS, CELL_PIXELS, LABELS_PIXELS = 20, 60, 20, 130
NAMED_COLUMNS = 3


def draw(overview: DataOverview) -> None:
    """Draw the share of missing values of each column, then by level."""
    columns = sorted((each for each in overview.columns if each.missing), key=lambda each: -each.missing)
    if not columns:
        st.success(t("The published rows have no missing values."))
        return
    shares = [PERCENT * each.missing / overview.rows for each in columns]
    labels = [label_column(each) for each in columns]
    table = pd.DataFrame(
        {
            t("Column"): labels,
            _build_share_title(): shares,
            t("Rows"): [each.missing for each in columns],
        }
    ).round(2)
    top = [f"{label}: {share:.1f} %" for label, share in zip(labels, shares, strict=True)][:NAMED_COLUMNS]
    description = t_plural(
        "{number} column has missing values: {columns}.",
        "{number} columns have missing values; the largest shares: {columns}.",
        len(columns),
        columns="; ".join(top),
    )
    charts.show(
        _build_bars(columns, shares), t("Missing values by column"), description, table, key="data_missing"
    )
    if overview.gaps is not None:
        _draw_levels(overview, overview.gaps)


def _build_share_title() -> str:
    return t("Missing (% of the rows)")


def _build_bars(columns: list[ColumnOverview], shares: list[float]) -> alt.Chart:
    table = pd.DataFrame(
        {
            "column": [shorten_name(each.name) for each in columns],
            "share": shares,
            "title": [label_column(each) for each in columns],
        }
    )
    bars: alt.Chart = (
        alt.Chart(table)
        .mark_bar(color=charts.BLUE)
        .encode(
            x=alt.X("share:Q", title=_build_share_title(), scale=alt.Scale(domain=[0, PERCENT])),
            y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False)),
            tooltip=[
                alt.Tooltip("title:N", title=t("Column")),
                alt.Tooltip("share:Q", title=_build_share_title(), format=".1f"),
            ],
        )
        .properties(height=BAR_PIXELS * len(columns) + FRAME_PIXELS)
    )
    return bars


def _draw_levels(overview: DataOverview, gaps: MissingByLevel) -> None:
    labels = {each.name: label_column(each) for each in overview.columns}
    field = labels[gaps.field]
    shares = pd.DataFrame(
        {labels[name]: values for name, values in gaps.shares.items()},
        index=[translate(each) for each in gaps.levels],
    )
    percentages = shares * PERCENT
    short_names = {labels[name]: shorten_name(name) for name in gaps.shares}
    charts.show(
        _build_heatmap(percentages, short_names, field),
        t("Missing values by column and level: {field}", field=field),
        _describe_levels(percentages),
        percentages.round(1).rename_axis(field).reset_index(),
        key="data_missing_levels",
    )


def _describe_levels(percentages: pd.DataFrame) -> str:
    empty_levels = {label: int((percentages[label] == PERCENT).sum()) for label in percentages}
    columns = "; ".join(f"{label}: {number}" for label, number in empty_levels.items() if number)
    if not columns:
        return t("No column is missing in all rows of a level.")
    return t("Number of levels in which a column is missing in all rows: {columns}.", columns=columns)


def _build_heatmap(percentages: pd.DataFrame, short_names: Mapping[str, str], field: str) -> alt.Chart:
    levels = list(percentages.index)
    cells = percentages.rename_axis("level").reset_index()
    cells = cells.melt(id_vars="level", var_name="title", value_name="share")
    cells["column"] = cells["title"].map(short_names)
    heatmap: alt.Chart = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            # the levels, the longer list, are on the vertical axis, where their labels are readable
            y=alt.Y("level:N", sort=levels, title=field, axis=alt.Axis(labelOverlap=False)),
            x=alt.X(
                "column:N", sort=list(short_names.values()), title=None,
                axis=alt.Axis(labelAngle=-60, labelLimit=LABELS_PIXELS, orient="top", labelOverlap=False),
            ),
            color=alt.Color(
                "share:Q", title=_build_share_title(),
                scale=alt.Scale(scheme="cividis", domain=[0, PERCENT], reverse=True),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("level:N", title=field),
                alt.Tooltip("title:N", title=t("Column")),
                alt.Tooltip("share:Q", title=_build_share_title(), format=".1f"),
            ],
        )
        .properties(height=CELL_PIXELS * len(levels) + LABELS_PIXELS + FRAME_PIXELS)
    )  # fmt: skip
    return heatmap
