"""What if one value of the latest record were another."""

from datetime import date

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import BINARY, CATEGORY, DATE, Curve, FieldInfo, Schema, Value
from streamlit_app.prediction.outcome import Outcome
from streamlit_app.prediction.words import level, named, score, shown, signed
from streamlit_app.text import t, told

HEIGHT, BAR_PIXELS = 300, 22
Drawn = alt.Chart | alt.LayerChart | alt.FacetChart


def draw(outcome: Outcome) -> None:
    """Draw the choice of a field, its curve, and a reading of it."""
    schema = outcome.schema
    st.subheader(t("What if?"))
    st.caption(
        t("The score of this record if one value were another and all else stayed. Nothing of it is logged.")
    )
    names = _by_weight(outcome)
    model, made = schema.model, outcome.prediction.prediction_id
    name = st.selectbox(
        t("Value that varies"),
        names,
        format_func=lambda each: named(schema.field(each)),
        key=f"what_if:{model}",
    )
    if name not in outcome.curves:
        outcome.curves[name] = session.ask(
            client.what_if, model, outcome.record, name, outcome.prediction.version
        )
    curve, each = outcome.curves[name], schema.field(name)
    chosen = _reading(each, curve, key=f"reading:{made}:{name}")
    place = curve.grid.index(chosen)
    then = curve.scores[place]
    now, reading = st.columns(2)
    now.metric(t("As it is: {value}", value=shown(each, curve.value)), score(schema, curve.score))
    reading.metric(
        t("If it were {value}", value=shown(each, chosen)), score(schema, then),
        _difference(schema, then - curve.score), delta_color="off", delta_arrow="off",
    )  # fmt: skip
    _draw_curve(schema, each, curve, chosen)


def _by_weight(outcome: Outcome) -> list[str]:
    """The fields, those first that moved the score the most."""
    weight = outcome.explanation.contributions if outcome.explanation else {}
    return sorted((each.name for each in outcome.schema.fields), key=lambda name: -abs(weight.get(name, 0)))


def _reading(each: FieldInfo, curve: Curve, key: str) -> Value:
    """The value at which the curve is read."""
    start = curve.value if curve.value in curve.grid else curve.grid[len(curve.grid) // 2]
    label = t("Read it at")
    if each.kind == CATEGORY:
        return st.selectbox(
            label, curve.grid, curve.grid.index(start), lambda value: shown(each, value), key=key
        )
    chosen: Value = st.select_slider(label, curve.grid, start, lambda value: shown(each, value), key=key)
    return chosen


def _difference(schema: Schema, change: float) -> str | None:
    if not change:
        return None
    if schema.labels:
        return t("{change} percentage points", change=signed(f"{change * 100:+.1f}"))
    return signed(("+" if change > 0 else "") + score(schema, change))


def _draw_curve(schema: Schema, each: FieldInfo, curve: Curve, chosen: Value) -> None:
    what = t("Probability of {label}", label=level(curve.label)) if curve.label else _number(schema)
    table = pd.DataFrame({"value": curve.grid, "score": curve.scores})
    drawn = (
        _bars(each, table, curve, what)
        if each.kind == CATEGORY
        else _line(schema, each, table, curve, chosen, what)
    )
    low, high = min(curve.scores), max(curve.scores)
    sentence = t(
        "Between {low} and {high}; as it is, {value}, {score}.",
        low=score(schema, low), high=score(schema, high),
        value=shown(each, curve.value), score=score(schema, curve.score),
    )  # fmt: skip
    numbers = pd.DataFrame(
        {
            named(each): [shown(each, value) for value in curve.grid],
            what: [score(schema, one) for one in curve.scores],
        }
    )
    title = t("{what} over: {field}", what=what, field=named(each))
    if each.kind != CATEGORY:
        st.caption(_legend(schema, each, curve.value))
    charts.show(drawn, title, sentence, numbers, key=f"curve:{each.name}")


def _legend(schema: Schema, each: FieldInfo, own: Value) -> str:
    parts = [t("Circle: where it is read.")]
    if own is not None:
        parts.insert(0, t("Diamond: as it is ({value}).", value=shown(each, own)))
    if schema.task == BINARY:
        parts.append(t("Dashed: from there on the answer is {label}.", label=level(schema.labels[1])))
    return " ".join(parts)


def _number(schema: Schema) -> str:
    told_what = told(schema.description) if schema.description else t("Answer")
    return f"{told_what} ({schema.unit})" if schema.unit else told_what


def _axis(schema: Schema, what: str) -> alt.Y:
    if schema.labels:
        return alt.Y("score:Q", title=what, axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1]))
    return alt.Y("score:Q", title=what, axis=alt.Axis(format="~f"), scale=alt.Scale(zero=False))


def _line(
    schema: Schema, each: FieldInfo, table: pd.DataFrame, curve: Curve, chosen: Value, what: str
) -> Drawn:
    kind, own, read = "Q", curve.value, chosen
    if each.kind == DATE:
        kind, table = "T", table.assign(value=[date.fromisoformat(str(value)) for value in table["value"]])
        table["value"] = pd.to_datetime(table["value"])
    # a comma between thousands is a decimal point to many
    axis = alt.Axis() if kind == "T" else alt.Axis(format="~f")
    x, y = (
        alt.X(f"value:{kind}", title=named(each), scale=alt.Scale(zero=False), axis=axis),
        _axis(schema, what),
    )
    layers: list[alt.Chart] = [
        alt.Chart(table).mark_line(color=charts.BLUE, strokeWidth=2.5).encode(x=x, y=y)
    ]
    if schema.task == BINARY:
        cut = pd.DataFrame({"score": [schema.threshold]})
        layers.append(
            alt.Chart(cut).mark_rule(strokeDash=[6, 4], color=charts.BLACK, opacity=0.6).encode(y=y)
        )
    marked = [
        (own, curve.score, charts.ORANGE, "diamond"),
        (read, curve.scores[curve.grid.index(read)], charts.GREEN, "circle"),
    ]
    for value, at, colour, shape in marked:
        if value is not None:
            point = pd.DataFrame({"value": [pd.Timestamp(value) if kind == "T" else value], "score": [at]})
            layers.append(
                alt.Chart(point)
                .mark_point(filled=True, size=140, color=colour, shape=shape, opacity=1)
                .encode(x=x, y=y)
            )
    drawn: Drawn = alt.layer(*layers).properties(height=HEIGHT)
    return drawn


def _bars(each: FieldInfo, table: pd.DataFrame, curve: Curve, what: str) -> Drawn:
    table = table.assign(
        own=table["value"] == curve.value, value=[shown(each, value) for value in table["value"]]
    )
    scale = alt.Scale(domain=[0, 1]) if curve.label else alt.Scale()
    axis = alt.Axis(format=".0%" if curve.label else "~f")
    drawn: Drawn = (
        alt.Chart(table, height=BAR_PIXELS * (len(table) + 2))
        .mark_bar()
        .encode(
            x=alt.X("score:Q", title=what, scale=scale, axis=axis),
            y=alt.Y("value:N", title=None, sort=None),
            color=alt.condition("datum.own", alt.value(charts.ORANGE), alt.value(charts.BLUE)),
            tooltip=[alt.Tooltip("value:N"), alt.Tooltip("score:Q", title=what, format=".3~f")],
        )
    )
    return drawn
