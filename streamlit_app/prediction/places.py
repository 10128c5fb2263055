"""The place of a record: picked on a map that needs no network, or from a list."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app.charts import BLUE, ORANGE
from streamlit_app.client.predict import Places, Schema
from streamlit_app.prediction.words import hint, named, shown
from streamlit_app.text import t

HEIGHT = 380
MARGIN_DEGREES = 2.0
POINT, PICKED = 70, 220
"""Sizes of the points, in square pixels."""
SELECTION = "place"


def picked(schema: Schema, places: Places) -> str:
    """Draw the list and the map, which follow each other; the level that is picked."""
    each = schema.field(places.field)
    key = f"place:{schema.model}"
    if st.session_state.get(key) not in each.levels:
        st.session_state[key] = each.default
    level: str = st.selectbox(
        named(each), each.levels, format_func=lambda known: shown(each, known), key=key, help=hint(each)
    )
    # a map of its own for each place: Vega would not tell of a second click on the same point
    chart_key = f"map:{schema.model}:{level}"

    def clicked() -> None:
        points = st.session_state[chart_key].selection.get(SELECTION) or []
        if points:
            st.session_state[key] = points[0]["level"]

    st.altair_chart(
        _map(places, level, named(each)), width="stretch", key=chart_key, on_select=clicked,
        selection_mode=SELECTION,
        alt=t(
            "Map of {count} places; {place} is picked. The list above picks a place by the keyboard.",
            count=len(places.points), place=shown(each, level),
        ),
    )  # fmt: skip
    return level


def _map(places: Places, level: str, title: str) -> Any:
    table = pd.DataFrame(
        [
            {"level": name, "latitude": north, "longitude": east, "picked": name == level}
            for name, (north, east) in places.points.items()
        ]
    )
    click = alt.selection_point(name=SELECTION, fields=["level"], toggle=False)
    base = alt.Chart(table).encode(
        x=alt.X("longitude:Q", title=t("Longitude (°)"), scale=_domain(table["longitude"])),
        y=alt.Y("latitude:Q", title=t("Latitude (°)"), scale=_domain(table["latitude"])),
    )
    points = base.mark_circle(opacity=0.85, cursor="pointer").encode(
        color=alt.condition("datum.picked", alt.value(ORANGE), alt.value(BLUE)),
        size=alt.condition("datum.picked", alt.value(PICKED), alt.value(POINT)),
        tooltip=[alt.Tooltip("level:N", title=title)],
    )
    name = base.transform_filter("datum.picked").mark_text(dy=-16, fontWeight="bold").encode(text="level:N")
    return alt.layer(points.add_params(click), name).properties(height=HEIGHT)


def _domain(values: "pd.Series[float]") -> alt.Scale:
    low, high = float(values.min()) - MARGIN_DEGREES, float(values.max()) + MARGIN_DEGREES
    return alt.Scale(domain=[low, high], zero=False, nice=False)
