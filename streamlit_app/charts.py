"""How a chart is shown: with a title, in safe colours, and with its numbers for who cannot see it."""

from typing import Final

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app.text import t

BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
"""The palette of Okabe and Ito (2008), which colour-blind readers can tell apart."""
PALETTE = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
DIVERGING: Final = "purpleorange"
"""Of Vega: for shares and correlations around zero, safe as well."""


def show(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart,
    title: str,
    description: str,
    table: pd.DataFrame,
    *,
    key: str,
) -> None:
    """Draw a chart over the whole width, with its numbers as a table that can be opened.

    Args:
        chart: With titles and units on its axes.
        title: Of the chart.
        description: What it shows, in a sentence with its main figures: what a screen reader says.
        table: The numbers that are drawn.
        key: Of the chart on the page.
    """
    st.markdown(f"**{title}**")
    st.altair_chart(chart, width="stretch", key=key, alt=f"{title}. {description}")
    with st.expander(t("As a table")):
        st.dataframe(table, width="stretch", hide_index=True)
