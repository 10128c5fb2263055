"""The latest prediction of a reader: requested once, kept in the session, drawn at every rerun."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts, session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import (
    BINARY,
    Explanation,
    FieldValue,
    ModelPrediction,
    ModelSchema,
    WhatIfCurve,
)
from streamlit_app.predict import contributions
from streamlit_app.predict.labels import format_score, label_level
from streamlit_app.translation import t, translate

CLASS_PIXELS = 28


@dataclass(slots=True, kw_only=True)
class PredictedRecord:
    """A record with its prediction.

    Attributes:
        schema: Schema at the time of the prediction.
        record: Record that was sent.
        prediction: Prediction of the server.
        explanation: Contributions of the fields; None until they are requested.
        curves: What-if curves that were requested, by field.
    """

    schema: ModelSchema
    record: Mapping[str, FieldValue]
    prediction: ModelPrediction
    explanation: Explanation | None = None
    curves: dict[str, WhatIfCurve] = field(default_factory=dict)


def predict_record(schema: ModelSchema, record: Mapping[str, FieldValue]) -> None:
    """Predict a record and keep the result; a refused record removes the previous result.

    Raises:
        RefusedError: The server refuses the record.
        UnreachableError: The server does not respond.
    """
    st.session_state.pop(_build_key(schema.model), None)
    prediction = session.send(
        client.predict, schema.model, record, schema.interval, outlier=schema.outlier_limit is not None
    )
    latest = PredictedRecord(schema=schema, record=record, prediction=prediction)
    st.session_state[_build_key(schema.model)] = latest


def get_latest(model: str) -> PredictedRecord | None:
    """Return the reader's latest prediction of a model."""
    latest: PredictedRecord | None = st.session_state.get(_build_key(model))
    return latest


def _build_key(model: str) -> str:
    return f"latest_prediction:{model}"


def draw(latest: PredictedRecord) -> None:
    """Draw the prediction and the contributions of the fields."""
    _draw_prediction(latest)
    if latest.prediction.probabilities:
        _draw_class_probabilities(latest)
    if latest.explanation is None:
        latest.explanation = session.send(
            client.explain, latest.schema.model, latest.record, latest.prediction.version
        )
    contributions.draw(latest.schema, latest.record, latest.explanation)


def _draw_prediction(latest: PredictedRecord) -> None:
    schema, prediction = latest.schema, latest.prediction
    title = translate(schema.description) if schema.description else t("Prediction")
    text = (
        format_score(schema, prediction.prediction)
        if prediction.label is None
        else label_level(prediction.label)
    )
    left, middle, right = st.columns(3)
    left.metric(title, text)
    if schema.task == BINARY and prediction.probability is not None:
        positive = label_level(schema.labels[1])
        middle.metric(
            t("Probability of {label}", label=positive), format_score(schema, prediction.probability)
        )
        middle.caption(
            t(
                "The prediction is {label} from {threshold} on.",
                threshold=format_score(schema, schema.threshold),
                label=positive,
            )
        )
    right.metric(t("Version"), prediction.version)
    if prediction.interval is not None:
        st.caption(_describe_uncertainty(schema, prediction))
    if prediction.outlier_score is not None and prediction.outlier_limit is not None:
        _draw_outlier_score(prediction.outlier_score, prediction.outlier_limit)
    st.caption(t("Prediction id, with which the ground truth can be sent later:"))
    st.code(prediction.prediction_id, language=None)


def _describe_uncertainty(schema: ModelSchema, prediction: ModelPrediction) -> str:
    """Describe the interval or the set of labels, and how exactly the probability is known."""
    share = f"{100 * (prediction.interval or 0):g}"
    if prediction.lower is not None and prediction.upper is not None:
        return t(
            "In {share} of 100 such cases, the true value lies between {lower} and {upper}.",
            share=share,
            lower=format_score(schema, prediction.lower),
            upper=format_score(schema, prediction.upper),
        )
    text = _describe_label_set(share, prediction.label_set or [])
    if prediction.probability_lower is None or prediction.probability_upper is None:
        return text
    bounds = t(
        "The probability is known to lie between {lower} and {upper}.",
        lower=format_score(schema, prediction.probability_lower),
        upper=format_score(schema, prediction.probability_upper),
    )
    return f"{text} {bounds}"


def _describe_label_set(share: str, labels: Sequence[str]) -> str:
    if labels:
        names = ", ".join(map(label_level, labels))
        return t("In {share} of 100 such cases, the truth is one of: {labels}.", share=share, labels=names)
    return t(
        "Such predictions are right in more than {share} of 100 cases. The set of labels is empty, so that"
        " exactly {share} of 100 sets hold the truth.",
        share=share,
    )


def _draw_outlier_score(score: float, limit: float) -> None:
    """Draw a warning for a record unlike the training rows, else the score."""
    numbers = {"score": f"{score:.3f}", "limit": f"{limit:.3f}"}
    if score > limit:
        st.warning(
            t(
                "This record is unlike the training rows: its outlier score is {score}, above the limit "
                "{limit}. Check its values; the model may be wrong.",
                **numbers,
            )
        )
    else:
        st.caption(t("Outlier score: {score}, below the limit {limit}.", **numbers))


def _draw_class_probabilities(latest: PredictedRecord) -> None:
    probabilities = latest.prediction.probabilities
    table = pd.DataFrame(
        {
            "label": [label_level(label) for label in probabilities],
            "share": [*probabilities.values()],
            "predicted": [label == latest.prediction.label for label in probabilities],
        }
    )
    bars = (
        alt.Chart(table, height=CLASS_PIXELS * (len(table) + 2))
        .mark_bar()
        .encode(
            x=alt.X(
                "share:Q", title=t("Probability"), axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("label:N", title=None, sort=None),
            color=alt.condition("datum.predicted", alt.value(charts.BLUE), alt.value(charts.SKY)),
            tooltip=[
                alt.Tooltip("label:N", title=t("Class")),
                alt.Tooltip("share:Q", title=t("Probability"), format=".1%"),
            ],
        )
    )
    sentence = "; ".join(
        f"{label_level(label)} {format_score(latest.schema, share)}" for label, share in probabilities.items()
    )
    numbers = pd.DataFrame({t("Class"): table["label"], t("Probability"): table["share"]})
    charts.show(bars, t("Probability of each class"), sentence + ".", numbers, key="classes")
