"""Charts with a title, colours that colour-blind readers can distinguish, and their numbers as a table."""

from typing import Final

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app.translation import t

BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
"""Colours of Okabe and Ito (2008), Color Universal Design."""
PALETTE = (BLUE, ORANGE, GREEN, PINK, AMBER, SKY, BLACK)
DIVERGING: Final = "purpleorange"
"""Vega's colour scheme for values around zero, safe for colour-blind readers too."""


def show(
    chart: alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart,
    title: str,
    description: str,
    table: pd.DataFrame,
    *,
    key: str,
) -> None:
    """Draw a chart over the whole width, with its numbers in a table that opens below.

    Args:
        chart: Chart with titles and units on its axes.
        title: Title above the chart.
        description: Sentence with the main figures, for screen readers.
        table: Numbers that the chart draws.
        key: Key of the chart on the page.
    """
    st.markdown(f"**{title}**")
    st.altair_chart(chart, width="stretch", key=key, alt=f"{title}. {description}")
    with st.expander(t("As a table")):
        st.dataframe(table, width="stretch", hide_index=True)
