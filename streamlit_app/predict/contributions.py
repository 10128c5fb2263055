"""Contributions of the fields to a score, the largest first."""

from collections.abc import Mapping

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.predict import Explanation, FieldValue, ModelSchema
from streamlit_app.predict.labels import format_score, format_value, label_level, use_minus_sign
from streamlit_app.translation import t, t_plural, translate

DRAWN_CONTRIBUTIONS = 10
"""Number of contributions that are drawn; all others are drawn as one."""
NAMED_CONTRIBUTIONS = 3
"""Number of contributions in the sentence above the chart."""
ROW_PIXELS, BAR_PIXELS, BAR_OFFSET_PIXELS = 32, 12, 8
"""Heights of a row and of its bar, and the offset of the bar below the middle of the row."""
FRAME_PIXELS = 70
"""Height of the axis with its title."""


def draw(schema: ModelSchema, record: Mapping[str, FieldValue], explanation: Explanation) -> None:
    """Draw the contributions with a sentence about the largest."""
    table = _rank_contributions(schema, record, explanation)
    if explanation.label:
        label = label_level(explanation.label)
        st.subheader(t("Contributions to the probability of {label}", label=label))
    else:
        st.subheader(t("Contributions to the predicted value"))
    top = "; ".join(f"{row.field} ({row.shown})" for row in table.head(NAMED_CONTRIBUTIONS).itertuples())
    sentence = t(
        "From {base}, the mean of the reference rows, to {score}. Largest contributions: {fields}.",
        base=format_score(schema, explanation.base), score=format_score(schema, explanation.score),
        fields=top,
    )  # fmt: skip
    st.caption(sentence)
    title = _label_change(schema)
    numbers = pd.DataFrame({t("Field"): table["field"], t("Change"): table["shown"]})
    charts.show(_build_chart(table, title), title, sentence, numbers, key="contributions")


def _build_chart(table: pd.DataFrame, title: str) -> alt.LayerChart | alt.FacetChart:
    rows = alt.Chart(table).encode(
        y=alt.Y("field:N", axis=None, sort=None),
        tooltip=[alt.Tooltip("field:N", title=t("Field")), alt.Tooltip("shown:N", title=t("Change"))],
    )
    bars = rows.mark_bar(height=BAR_PIXELS, yOffset=BAR_OFFSET_PIXELS).encode(
        x=alt.X("change:Q", title=title, axis=alt.Axis(format="~f")),
        color=alt.condition("datum.change > 0", alt.value(charts.BLUE), alt.value(charts.ORANGE)),
    )
    # above the bar: beside it, a long name leaves no room for bars on a narrow screen
    names = rows.mark_text(align="left", yOffset=-BAR_OFFSET_PIXELS).encode(x=alt.value(0), text="field:N")
    height = ROW_PIXELS * len(table) + FRAME_PIXELS
    chart: alt.LayerChart | alt.FacetChart = alt.layer(bars, names).properties(height=height)
    return chart


def _label_change(schema: ModelSchema) -> str:
    if schema.labels:
        return t("Change of the probability (percentage points)")
    if schema.unit:
        return t("Change of the predicted value ({unit})", unit=schema.unit)
    return t("Change of the predicted value")


def _rank_contributions(
    schema: ModelSchema, record: Mapping[str, FieldValue], explanation: Explanation
) -> pd.DataFrame:
    """Rank the contributions, of probabilities in percentage points, with the smallest ones in one row."""
    scale = 100 if schema.labels else 1
    ranked = sorted(explanation.contributions.items(), key=lambda item: -abs(item[1]))
    rows = [
        (_label_contribution(schema, record, name), value) for name, value in ranked[:DRAWN_CONTRIBUTIONS]
    ]
    if others := ranked[DRAWN_CONTRIBUTIONS:]:
        label = t_plural("{number} other field", "{number} other fields", len(others))
        rows.append((label, sum(value for _, value in others)))
    return pd.DataFrame(
        {
            "field": [name for name, _ in rows],
            "change": [value * scale for _, value in rows],
            "shown": [_format_contribution(schema, value * scale) for _, value in rows],
        }
    )


def _label_contribution(schema: ModelSchema, record: Mapping[str, FieldValue], name: str) -> str:
    field = schema.find_field(name)
    return f"{translate(field.description)}: {format_value(field, record.get(name))}"


def _format_contribution(schema: ModelSchema, value: float) -> str:
    if schema.labels:
        return use_minus_sign(f"{value:+.1f}")
    return use_minus_sign(("+" if value > 0 else "") + format_score(schema, value))
