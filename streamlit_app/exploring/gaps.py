"""Where values are missing: per column, and per level of the category that structures the rows."""

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import Gaps, Overview
from streamlit_app.exploring.words import PERCENT, short, title
from streamlit_app.text import t, told

BAR_PIXELS, FRAME_PIXELS, CELL_PIXELS, LABELS_PIXELS = 20, 60, 20, 130
NAMED = 3


def draw(overview: Overview) -> None:
    """Draw it."""
    lacking = sorted((each for each in overview.columns if each.missing), key=lambda each: -each.missing)
    if not lacking:
        st.success(t("No value is missing in the rows that are kept."))
        return
    column, percent = t("Column"), t("Missing (% of the rows)")
    shares = [PERCENT * each.missing / overview.rows for each in lacking]
    names = [title(each) for each in lacking]
    table = pd.DataFrame(
        {column: names, percent: shares, t("Rows"): [each.missing for each in lacking]}
    ).round(2)
    bars = (
        alt.Chart(
            pd.DataFrame({"column": [short(each.name) for each in lacking], "share": shares, "title": names})
        )
        .mark_bar(color=charts.BLUE)
        .encode(
            x=alt.X("share:Q", title=percent, scale=alt.Scale(domain=[0, PERCENT])),
            y=alt.Y("column:N", sort=None, title=None, axis=alt.Axis(labelLimit=190, labelOverlap=False)),
            tooltip=[
                alt.Tooltip("title:N", title=column),
                alt.Tooltip("share:Q", title=percent, format=".1f"),
            ],
        )
        .properties(height=BAR_PIXELS * len(lacking) + FRAME_PIXELS)
    )
    most = "; ".join(f"{name}: {each:.1f} %" for name, each in list(zip(names, shares, strict=True))[:NAMED])
    described = t("{number} columns miss values; most of all {most}.", number=len(lacking), most=most)
    charts.show(bars, t("Missing values of each column"), described, table, key="data_missing")
    if overview.gaps is not None:
        _structure(overview, overview.gaps)


def _structure(overview: Overview, gaps: Gaps) -> None:
    titles = {each.name: title(each) for each in overview.columns}
    level, column, percent = titles[gaps.field], t("Column"), t("Missing (% of the rows)")
    levels = [told(each) for each in gaps.levels]
    wide = (
        pd.DataFrame({titles[name]: shares for name, shares in gaps.shares.items()}, index=levels) * PERCENT
    )
    drawn = (
        wide.rename_axis("level").reset_index().melt(id_vars="level", var_name="title", value_name="share")
    )
    called = {titles[name]: short(name) for name in gaps.shares}
    drawn["column"] = drawn["title"].map(called)
    wholly = [
        t("{column}: {number}", column=name, number=int((wide[name] == PERCENT).sum()))
        for name in wide
        if (wide[name] == PERCENT).any()
    ]
    told_of = (
        t("Missing in all rows of a level, by how many levels: {columns}.", columns="; ".join(wholly))
        if wholly
        else t("No column is missing in all rows of any level.")
    )
    heat = (
        alt.Chart(drawn)
        .mark_rect()
        .encode(
            # the long list goes down, where its labels can be read
            y=alt.Y("level:N", sort=levels, title=level, axis=alt.Axis(labelOverlap=False)),
            x=alt.X(
                "column:N", sort=list(called.values()), title=None,
                axis=alt.Axis(labelAngle=-60, labelLimit=LABELS_PIXELS, orient="top", labelOverlap=False),
            ),
            color=alt.Color(
                "share:Q", title=percent,
                scale=alt.Scale(scheme="cividis", domain=[0, PERCENT], reverse=True),
                legend=alt.Legend(orient="bottom"),
            ),
            tooltip=[
                alt.Tooltip("level:N", title=level),
                alt.Tooltip("title:N", title=column),
                alt.Tooltip("share:Q", title=percent, format=".1f"),
            ],
        )
        .properties(height=CELL_PIXELS * len(levels) + LABELS_PIXELS + FRAME_PIXELS)
    )  # fmt: skip
    table = wide.round(1).rename_axis(level).reset_index()
    charts.show(
        heat, t("Missing values by column and level: {field}", field=level), told_of, table, key="data_gaps"
    )
