"""What-if analysis: the score of the latest record for other values of one field."""

import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import BINARY, FieldInfo, FieldValue, ModelSchema, WhatIfCurve
from streamlit_app.predict.labels import format_score, format_value, label_field, label_level, use_minus_sign
from streamlit_app.predict.result import PredictedRecord
from streamlit_app.predict.what_if_charts import build_bars, build_line
from streamlit_app.translation import t, translate


def draw(latest: PredictedRecord) -> None:
    """Draw the choice of a field, the scores at two of its values, and the curve."""
    schema = latest.schema
    st.subheader(t("What if?"))
    st.caption(
        t(
            "The score of this record with another value of one field, all other values unchanged. "
            "These predictions are not logged."
        )
    )
    name = st.selectbox(
        t("Field to vary"),
        _rank_fields(latest),
        format_func=lambda each: label_field(schema.find_field(each)),
        key=f"what_if:{schema.model}",
    )
    curve, field = _get_curve(latest, name), schema.find_field(name)
    chosen = _select_value(field, curve, key=f"what_if_value:{latest.prediction.prediction_id}:{name}")
    _draw_scores(schema, field, curve, chosen)
    _draw_curve(schema, field, curve, chosen)


def _rank_fields(latest: PredictedRecord) -> list[str]:
    """Rank the fields by their contributions, the largest first."""
    contributions = latest.explanation.contributions if latest.explanation else {}
    return sorted(
        (each.name for each in latest.schema.fields), key=lambda name: -abs(contributions.get(name, 0))
    )


def _get_curve(latest: PredictedRecord, name: str) -> WhatIfCurve:
    if name not in latest.curves:
        latest.curves[name] = session.send(
            client.compute_what_if, latest.schema.model, latest.record, name, latest.prediction.version
        )
    return latest.curves[name]


def _select_value(field: FieldInfo, curve: WhatIfCurve, key: str) -> FieldValue:
    """Draw the choice of the value to compare with the record's own."""
    start = curve.value if curve.value in curve.grid else curve.grid[len(curve.grid) // 2]
    label = t("Other value")
    if field.is_listed:
        return st.selectbox(
            label, curve.grid, curve.grid.index(start), lambda value: format_value(field, value), key=key
        )
    chosen: FieldValue = st.select_slider(
        label, curve.grid, start, lambda value: format_value(field, value), key=key
    )
    return chosen


def _draw_scores(schema: ModelSchema, field: FieldInfo, curve: WhatIfCurve, chosen: FieldValue) -> None:
    score = curve.scores[curve.grid.index(chosen)]
    present, other = st.columns(2)
    present.metric(
        t("Present value: {value}", value=format_value(field, curve.value)),
        format_score(schema, curve.score),
    )
    other.metric(
        t("Other value: {value}", value=format_value(field, chosen)), format_score(schema, score),
        _format_difference(schema, score - curve.score), delta_color="off", delta_arrow="off",
    )  # fmt: skip


def _format_difference(schema: ModelSchema, change: float) -> str | None:
    if not change:
        return None
    if schema.labels:
        return t("{change} percentage points", change=use_minus_sign(f"{change * 100:+.1f}"))
    return use_minus_sign(("+" if change > 0 else "") + format_score(schema, change))


def _draw_curve(schema: ModelSchema, field: FieldInfo, curve: WhatIfCurve, chosen: FieldValue) -> None:
    target = _label_target(schema, curve)
    sentence = t(
        "The score is between {low} and {high}; with the present value, {value}, it is {score}.",
        low=format_score(schema, min(curve.scores)), high=format_score(schema, max(curve.scores)),
        value=format_value(field, curve.value), score=format_score(schema, curve.score),
    )  # fmt: skip
    numbers = pd.DataFrame(
        {
            label_field(field): [format_value(field, value) for value in curve.grid],
            target: [format_score(schema, score) for score in curve.scores],
        }
    )
    title = t("{target} by {field}", target=target, field=label_field(field))
    if field.is_listed:
        chart = build_bars(field, curve, target)
    else:
        st.caption(_build_legend(schema, field, curve.value))
        chart = build_line(schema, field, curve, chosen, target)
    charts.show(chart, title, sentence, numbers, key=f"curve:{field.name}")


def _build_legend(schema: ModelSchema, field: FieldInfo, value: FieldValue) -> str:
    sentences = [t("Circle: other value.")]
    if value is not None:
        sentences.insert(0, t("Diamond: present value ({value}).", value=format_value(field, value)))
    if schema.task == BINARY:
        label = label_level(schema.labels[1])
        sentences.append(t("Dashed line: threshold, from which on the prediction is {label}.", label=label))
    return " ".join(sentences)


def _label_target(schema: ModelSchema, curve: WhatIfCurve) -> str:
    if curve.label:
        return t("Probability of {label}", label=label_level(curve.label))
    description = translate(schema.description) if schema.description else t("Prediction")
    return f"{description} ({schema.unit})" if schema.unit else description
