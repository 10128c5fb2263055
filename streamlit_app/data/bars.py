"""Horizontal bars of one number by name."""

import altair as alt
import pandas as pd

from streamlit_app import charts

FRAME_PIXELS = 60


def build_bars(
    table: pd.DataFrame, name: str, value: str, *, bar_pixels: int = 34, label_pixels: int = 190
) -> alt.Chart:
    """Build bars in the order of a table's rows.

    Args:
        table: Names and numbers.
        name: Column of the names.
        value: Column of the numbers.
        bar_pixels: Height of a bar.
        label_pixels: Maximum width of a name, which is cut beyond it.
    """
    rows = table[[name, value]].set_axis(["name", "value"], axis=1)
    bars: alt.Chart = (
        alt.Chart(rows)
        .mark_bar(color=charts.BLUE)
        .encode(
            x=alt.X("value:Q", title=value),
            y=alt.Y(
                "name:N", sort=None, title=None, axis=alt.Axis(labelLimit=label_pixels, labelOverlap=False)
            ),
            tooltip=[alt.Tooltip("name:N", title=name), alt.Tooltip("value:Q", title=value, format=",.6~g")],
        )
        .properties(height=bar_pixels * len(rows) + FRAME_PIXELS)
    )
    return bars
