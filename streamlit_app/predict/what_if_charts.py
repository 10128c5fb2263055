"""Charts of a what-if curve: a line over numbers and dates, bars over levels."""

from datetime import datetime

import altair as alt
import pandas as pd

from streamlit_app import charts
from streamlit_app.client.predict import (
    BINARY,
    DATE,
    DATETIME,
    FieldInfo,
    FieldValue,
    ModelSchema,
    WhatIfCurve,
)
from streamlit_app.predict.labels import format_value, label_field

HEIGHT, BAR_PIXELS, FRAME_PIXELS, POINT_SIZE = 300, 22, 60, 140
CurveChart = alt.Chart | alt.LayerChart | alt.FacetChart


def build_line(
    schema: ModelSchema, field: FieldInfo, curve: WhatIfCurve, chosen: FieldValue, target: str
) -> CurveChart:
    """Build the line, with marks at the present and the chosen value, and the threshold.

    Args:
        schema: Schema of the model.
        field: Numeric or date field that varies.
        curve: Scores by value.
        chosen: Value of the grid that the reader chose.
        target: Title of the vertical axis.
    """
    is_date = field.kind in {DATE, DATETIME}
    table = pd.DataFrame({"value": curve.grid, "score": curve.scores})
    if is_date:
        table["value"] = pd.to_datetime([datetime.fromisoformat(str(value)) for value in curve.grid])
    # without a format, Vega writes commas between thousands, which are decimal points to many readers
    axis = alt.Axis() if is_date else alt.Axis(format="~f")
    x = alt.X(
        f"value:{'T' if is_date else 'Q'}", title=label_field(field), scale=alt.Scale(zero=False), axis=axis
    )
    y = _build_score_axis(schema, target)
    layers = [alt.Chart(table).mark_line(color=charts.BLUE, strokeWidth=2.5).encode(x=x, y=y)]
    if schema.task == BINARY:
        threshold = pd.DataFrame({"score": [schema.threshold]})
        rule = alt.Chart(threshold).mark_rule(strokeDash=[6, 4], color=charts.BLACK, opacity=0.6)
        layers.append(rule.encode(y=y))
    marks = [
        (curve.value, curve.score, charts.ORANGE, "diamond"),
        (chosen, curve.scores[curve.grid.index(chosen)], charts.GREEN, "circle"),
    ]
    for value, score, colour, shape in marks:
        if value is not None:
            point = pd.DataFrame({"value": [pd.Timestamp(value) if is_date else value], "score": [score]})
            mark = alt.Chart(point).mark_point(
                filled=True, size=POINT_SIZE, color=colour, shape=shape, opacity=1
            )
            layers.append(mark.encode(x=x, y=y))
    chart: CurveChart = alt.layer(*layers).properties(height=HEIGHT)
    return chart


def _build_score_axis(schema: ModelSchema, target: str) -> alt.Y:
    if schema.labels:
        return alt.Y("score:Q", title=target, axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1]))
    return alt.Y("score:Q", title=target, axis=alt.Axis(format="~f"), scale=alt.Scale(zero=False))


def build_bars(field: FieldInfo, curve: WhatIfCurve, target: str) -> CurveChart:
    """Build a bar for each level, the present one in another colour."""
    table = pd.DataFrame(
        {
            "value": [format_value(field, value) for value in curve.grid],
            "score": curve.scores,
            "present": [value == curve.value for value in curve.grid],
        }
    )
    scale = alt.Scale(domain=[0, 1]) if curve.label else alt.Scale()
    axis = alt.Axis(format=".0%" if curve.label else "~f")
    chart: CurveChart = (
        alt.Chart(table, height=BAR_PIXELS * len(table) + FRAME_PIXELS)
        .mark_bar()
        .encode(
            x=alt.X("score:Q", title=target, scale=scale, axis=axis),
            y=alt.Y("value:N", title=None, sort=None, axis=alt.Axis(labelOverlap=False)),
            color=alt.condition("datum.present", alt.value(charts.ORANGE), alt.value(charts.BLUE)),
            tooltip=[alt.Tooltip("value:N"), alt.Tooltip("score:Q", title=target, format=".3~f")],
        )
    )
    return chart
