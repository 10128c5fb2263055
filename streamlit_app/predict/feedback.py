"""Form for the ground truth of a past prediction."""

from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import FeedbackReceipt, ModelSchema
from streamlit_app.client.transport import RefusedError
from streamlit_app.predict.labels import label_level
from streamlit_app.predict.result import get_latest
from streamlit_app.translation import t


def draw(schema: ModelSchema) -> None:
    """Draw the form, and the server's answer once it is sent."""
    model = schema.model
    st.caption(
        t(
            "The platform measures the performance of the model with these values. To correct a value, send "
            "it again: it becomes a new revision."
        )
    )
    _prefill(model)
    with st.form(f"feedback:{model}", border=False):
        prediction_id = st.text_input(t("Prediction id"), key=_build_id_key(model), autocomplete="off")
        actual = _draw_actual_value(schema)
        submitted = st.form_submit_button(t("Send"), type="primary", key=f"feedback_send:{model}")
    if not submitted:
        return
    if not prediction_id.strip():
        st.error(t("Enter the id of a prediction."))
    elif actual is None:
        st.error(t("Enter the actual value."))
    else:
        _send(model, prediction_id.strip(), actual)


def _build_id_key(model: str) -> str:
    return f"feedback_id:{model}"


def _prefill(model: str) -> None:
    """Fill in the id of the latest prediction, once for each prediction."""
    latest, prefilled_key = get_latest(model), f"feedback_prefilled:{model}"
    prediction_id = latest.prediction.prediction_id if latest else ""
    # Streamlit forgets what was typed when another page is shown
    if prediction_id and (
        st.session_state.get(prefilled_key) != prediction_id or _build_id_key(model) not in st.session_state
    ):
        st.session_state[_build_id_key(model)] = st.session_state[prefilled_key] = prediction_id


def _draw_actual_value(schema: ModelSchema) -> str | float | None:
    label = t("Actual value")
    key = f"feedback_actual:{schema.model}"
    if schema.labels:
        return st.selectbox(label, schema.labels, None, label_level, key=key, placeholder=t("Choose"))
    title = f"{label} ({schema.unit})" if schema.unit else label
    number: float | None = st.number_input(title, value=None, format="%.10g", key=key)
    return number


def _send(model: str, prediction_id: str, actual: str | float) -> None:
    try:
        _report_receipt(session.send(client.send_feedback, model, prediction_id, actual))
    except RefusedError as error:
        message = _explain_refusal(error, prediction_id)
        if message is None:
            raise
        st.error(message)


def _explain_refusal(error: RefusedError, prediction_id: str) -> str | None:
    if error.status == HTTPStatus.NOT_FOUND:
        return t(
            "No prediction of this use case has the id {id}. Copy the id from a prediction; old predictions "
            "are deleted after the retention period.",
            id=f"`{prediction_id}`",
        )
    if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and error.field_errors:
        refused = error.field_errors[0]
        return t(
            "{value} is not valid. Allowed: {allowed}.", value=f"`{refused.value}`", allowed=refused.allowed
        )
    return None


def _report_receipt(receipt: FeedbackReceipt) -> None:
    messages = {
        "accepted": t("Stored as revision {revision}.", revision=receipt.revision),
        "corrected": t("Stored as a correction, revision {revision}.", revision=receipt.revision),
        "known": t(
            "The server has this value already (revision {revision}). Nothing changed.",
            revision=receipt.revision,
        ),
    }
    st.success(messages.get(receipt.status, receipt.status))
