"""The latest prediction of a reader: asked for once, kept in the session, drawn at every rerun."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import BINARY, Curve, Explanation, Prediction, Schema, Value
from streamlit_app.prediction.words import level, score, shown, signed
from streamlit_app.text import t, told

TOP = 10
"""Contributions that are drawn; the others are drawn as one."""
TOLD = 3
"""Contributions that are told in the sentence."""
CLASS_PIXELS = 28
ROW_PIXELS, BAR_PIXELS, UNDER_PIXELS = 38, 12, 8
"""Heights of a contribution's row and of its bar, and how far the bar is below the middle."""


@dataclass(slots=True, kw_only=True)
class Outcome:
    """A record that was predicted.

    Attributes:
        schema: As it was then.
        record: As it was sent.
        prediction: The answer.
        explanation: Why; None until it was asked for.
        curves: What-if curves that were asked for, by field.
    """

    schema: Schema
    record: Mapping[str, Value]
    prediction: Prediction
    explanation: Explanation | None = None
    curves: dict[str, Curve] = field(default_factory=dict)


def asked(schema: Schema, record: Mapping[str, Value]) -> None:
    """Predict a record and keep the outcome; what is refused is raised, and the last outcome gone."""
    st.session_state.pop(_key(schema.model), None)
    answer = session.ask(client.predict, schema.model, record)
    st.session_state[_key(schema.model)] = Outcome(schema=schema, record=record, prediction=answer)


def latest(model: str) -> Outcome | None:
    """The reader's latest outcome."""
    outcome: Outcome | None = st.session_state.get(_key(model))
    return outcome


def _key(model: str) -> str:
    return f"outcome:{model}"


def draw(outcome: Outcome) -> None:
    """Draw the answer, and why."""
    _answer(outcome)
    if outcome.prediction.probabilities:
        _classes(outcome)
    if outcome.explanation is None:
        outcome.explanation = session.ask(
            client.explain, outcome.schema.model, outcome.record, outcome.prediction.version
        )
    _contributions(outcome, outcome.explanation)


def _answer(outcome: Outcome) -> None:
    schema, answer = outcome.schema, outcome.prediction
    heading = told(schema.description) if schema.description else t("Answer")
    text = score(schema, answer.prediction) if answer.label is None else level(answer.label)
    left, middle, right = st.columns(3)
    left.metric(heading, text)
    if schema.task == BINARY and answer.probability is not None:
        positive = level(schema.labels[1])
        middle.metric(t("Probability of {label}", label=positive), score(schema, answer.probability))
        middle.caption(
            t(
                "From {threshold} on the answer is {label}.",
                threshold=score(schema, schema.threshold),
                label=positive,
            )
        )
    right.metric(t("Version"), answer.version)
    st.caption(t("Prediction id: with it you can tell later what really happened."))
    st.code(answer.prediction_id, language=None)


def _classes(outcome: Outcome) -> None:
    shares = outcome.prediction.probabilities
    table = pd.DataFrame({"label": [level(label) for label in shares], "share": [*shares.values()]}).assign(
        answered=[label == outcome.prediction.label for label in shares]
    )
    bars = (
        alt.Chart(table, height=CLASS_PIXELS * (len(table) + 2))
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q", title=t("Probability"), axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("label:N", title=None, sort=None),
            color=alt.condition("datum.answered", alt.value(charts.BLUE), alt.value(charts.SKY)),
            tooltip=[
                alt.Tooltip("label:N", title=t("Class")),
                alt.Tooltip("share:Q", title=t("Probability"), format=".1%"),
            ],
        )
    )
    sentence = "; ".join(f"{level(label)} {score(outcome.schema, share)}" for label, share in shares.items())
    numbers = pd.DataFrame({t("Class"): table["label"], t("Probability"): table["share"]})
    charts.show(bars, t("Probability of each class"), sentence + ".", numbers, key="classes")


def _contributions(outcome: Outcome, why: Explanation) -> None:
    schema = outcome.schema
    table = _parts(outcome, why)
    what = t("the probability of {label}", label=level(why.label)) if why.label else t("the number")
    title = t("What moved {what}", what=what)
    st.subheader(title)
    sentence = t(
        "From {base}, the mean of the model's reference rows, to {score}. Most of it: {top}.",
        base=score(schema, why.base), score=score(schema, why.score),
        top="; ".join(f"{row.field} ({row.shown})" for row in table.head(TOLD).itertuples()),
    )  # fmt: skip
    st.caption(sentence)
    unit = t("Change of the probability (percentage points)") if schema.labels else _change(schema)
    rows = alt.Chart(table).encode(
        y=alt.Y("field:N", axis=None, sort=None),
        tooltip=[alt.Tooltip("field:N", title=t("Field")), alt.Tooltip("shown:N", title=t("Change"))],
    )
    bars = rows.mark_bar(height=BAR_PIXELS, yOffset=UNDER_PIXELS).encode(
        x=alt.X("change:Q", title=unit, axis=alt.Axis(format="~f")),
        color=alt.condition("datum.change > 0", alt.value(charts.BLUE), alt.value(charts.ORANGE)),
    )
    # above its bar: beside it, a long name would leave no room for bars on a narrow screen
    names = rows.mark_text(align="left", yOffset=-UNDER_PIXELS).encode(x=alt.value(0), text="field:N")
    drawn: alt.LayerChart | alt.FacetChart = alt.layer(bars, names).properties(height=ROW_PIXELS * len(table))
    numbers = pd.DataFrame({t("Field"): table["field"], t("Change"): table["shown"]})
    charts.show(drawn, unit, sentence, numbers, key="contributions")


def _change(schema: Schema) -> str:
    return t("Change of the number ({unit})", unit=schema.unit) if schema.unit else t("Change of the number")


def _parts(outcome: Outcome, why: Explanation) -> pd.DataFrame:
    """The greatest contributions first, in percentage points of a probability; the small ones in one row."""
    schema, scale = outcome.schema, 100 if outcome.schema.labels else 1
    ordered = sorted(why.contributions.items(), key=lambda pair: -abs(pair[1]))
    rows = [
        (
            f"{told(schema.field(name).description)}: {shown(schema.field(name), outcome.record.get(name))}",
            value,
        )
        for name, value in ordered[:TOP]
    ]
    if rest := ordered[TOP:]:
        others = t("{count} others together", count=len(rest))
        rows.append((others, sum(value for _, value in rest)))
    return pd.DataFrame(
        {
            "field": [name for name, _ in rows],
            "change": [value * scale for _, value in rows],
            "shown": [_signed(schema, value * scale) for _, value in rows],
        }
    )


def _signed(schema: Schema, value: float) -> str:
    if schema.labels:
        return signed(f"{value:+.1f}")
    return signed(("+" if value > 0 else "") + score(schema, value))
