"""What really happened, told for a past prediction."""

from http import HTTPStatus

import streamlit as st

from streamlit_app import session
from streamlit_app.client import predict as client
from streamlit_app.client.predict import Receipt, Schema
from streamlit_app.client.transport import Refused
from streamlit_app.prediction.outcome import latest
from streamlit_app.prediction.words import level
from streamlit_app.text import t

UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


def draw(schema: Schema) -> None:
    """Draw the form, and what became of what was sent."""
    model = schema.model
    st.caption(
        t(
            "The platform measures how good its answers are by what is told here. "
            "A correction is a new revision."
        )
    )
    _prefill(model)
    with st.form(f"truth:{model}", border=False):
        given = st.text_input(t("Prediction id"), key=_id_key(model), autocomplete="off")
        actual = _actual(schema)
        sent = st.form_submit_button(t("Tell it"), type="primary", key=f"tell:{model}")
    if not sent:
        return
    if not given.strip():
        st.error(t("Give the prediction id of an answer."))
    elif actual is None:
        st.error(t("Say what really happened."))
    else:
        _send(model, given.strip(), actual)


def _id_key(model: str) -> str:
    return f"truth_id:{model}"


def _prefill(model: str) -> None:
    """Begin with the latest prediction, once for each."""
    outcome, filled = latest(model), f"truth_filled:{model}"
    known = outcome.prediction.prediction_id if outcome else ""
    # Streamlit forgets what was typed when another page is shown
    if known and (st.session_state.get(filled) != known or _id_key(model) not in st.session_state):
        st.session_state[_id_key(model)] = st.session_state[filled] = known


def _actual(schema: Schema) -> str | float | None:
    label = t("What really happened")
    key = f"truth_actual:{schema.model}"
    if schema.labels:
        return st.selectbox(label, schema.labels, None, level, key=key, placeholder=t("Choose"))
    title = f"{label} ({schema.unit})" if schema.unit else label
    number: float | None = st.number_input(title, value=None, format="%.10g", key=key)
    return number


def _send(model: str, prediction_id: str, actual: str | float) -> None:
    try:
        _told(session.ask(client.feedback, model, prediction_id, actual))
    except Refused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            st.error(
                t(
                    "No prediction of this use case has the id {id}. Copy it from its answer; old ones are "
                    "deleted after a while.",
                    id=f"`{prediction_id}`",
                )
            )
        elif error.status == UNPROCESSABLE and error.faults:
            fault = error.faults[0]
            st.error(
                t(
                    "{value} does not fit; allowed: {allowed}.",
                    value=f"`{fault.value}`",
                    allowed=fault.allowed,
                )
            )
        else:
            raise


def _told(receipt: Receipt) -> None:
    texts = {
        "accepted": t("Taken, as revision {revision}.", revision=receipt.revision),
        "corrected": t("Taken as a correction, as revision {revision}.", revision=receipt.revision),
        "known": t(
            "That was known already (revision {revision}); nothing changed.", revision=receipt.revision
        ),
    }
    st.success(texts.get(receipt.status, receipt.status))
