"""Choice of a record's location, on a map that needs no network or in a list."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app.charts import BLUE, ORANGE
from streamlit_app.client.predict import FieldLocations, ModelSchema
from streamlit_app.predict import typed_values
from streamlit_app.predict.labels import describe_field, format_value, label_field
from streamlit_app.predict.land import select_outline
from streamlit_app.translation import t, t_plural

HEIGHT = 380
MARGIN_DEGREES = 2.0
POINT_SIZE, PICKED_SIZE = 70, 220
"""Areas of the points in square pixels."""
OUTLINE = "#999999"
SELECTION = "location"


def select_location(schema: ModelSchema, locations: FieldLocations) -> str:
    """Draw the list and the map, which follow each other; return the picked level."""
    field = schema.find_field(locations.field)
    key = f"location:{schema.model}"
    typed_values.restore(schema.model, field.name, key, field.default, lambda level: level in field.levels)
    level: str = st.selectbox(
        label_field(field), field.levels, format_func=lambda name: format_value(field, name), key=key,
        help=describe_field(field),
    )  # fmt: skip
    typed_values.keep(schema.model, field.name, level)
    # each level has a map of its own: Vega does not report a second click on the same point
    chart_key = f"map:{schema.model}:{level}"

    def on_click() -> None:
        points = st.session_state[chart_key].selection.get(SELECTION) or []
        if points:
            st.session_state[key] = points[0]["level"]

    number = len(locations.points)
    st.altair_chart(
        _build_map(locations, level, label_field(field)), width="stretch", key=chart_key, on_select=on_click,
        selection_mode=SELECTION,
        alt=t_plural("Map of {number} location.", "Map of {number} locations.", number) + " "
        + t(
            "Selected: {location}. To select another one by the keyboard, use the list above.",
            location=format_value(field, level),
        ),
    )  # fmt: skip
    return level


def _build_map(locations: FieldLocations, level: str, title: str) -> Any:
    table = pd.DataFrame(
        [
            {"level": name, "latitude": latitude, "longitude": longitude, "picked": name == level}
            for name, (latitude, longitude) in locations.points.items()
        ]
    )
    longitudes, latitudes = _find_window(table["longitude"]), _find_window(table["latitude"])
    click = alt.selection_point(name=SELECTION, fields=["level"], toggle=False)
    x = alt.X("longitude:Q", title=t("Longitude (°)"), scale=_build_scale(longitudes))
    y = alt.Y("latitude:Q", title=t("Latitude (°)"), scale=_build_scale(latitudes))
    land = (
        alt.Chart(select_outline(longitudes, latitudes))
        .mark_line(clip=True, color=OUTLINE, strokeWidth=1)
        .encode(x=x, y=y, detail="line:N", order="place:Q")
    )
    base = alt.Chart(table).encode(x=x, y=y)
    points = base.mark_circle(opacity=0.85, cursor="pointer").encode(
        color=alt.condition("datum.picked", alt.value(ORANGE), alt.value(BLUE)),
        size=alt.condition("datum.picked", alt.value(PICKED_SIZE), alt.value(POINT_SIZE)),
        tooltip=[alt.Tooltip("level:N", title=title)],
    )
    name = base.transform_filter("datum.picked").mark_text(dy=-16, fontWeight="bold").encode(text="level:N")
    return alt.layer(land, points.add_params(click), name).properties(height=HEIGHT)


def _find_window(values: "pd.Series[float]") -> tuple[float, float]:
    return float(values.min()) - MARGIN_DEGREES, float(values.max()) + MARGIN_DEGREES


def _build_scale(window: tuple[float, float]) -> alt.Scale:
    return alt.Scale(domain=list(window), zero=False, nice=False)
