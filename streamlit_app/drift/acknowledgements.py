"""Drift that administrators accept: what is accepted, until when, and the form for more."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import drift as client
from streamlit_app.client.drift import AcceptedDrift, DriftState
from streamlit_app.errors import report_errors
from streamlit_app.translation import t

MAX_DAYS, USUAL_DAYS, MAX_REASON_CHARACTERS = 366, 90, 500
FEATURE_KEY, UNTIL_KEY, REASON_KEY = "accepted_feature", "accepted_until", "accepted_reason"
LabelColumn = Callable[[str], str]


def draw(state: DriftState, label: LabelColumn) -> None:
    """Draw the accepted drift of a model, and the form that accepts or ends one."""
    st.subheader(t("Accepted drift"))
    st.caption(
        t(
            "The tickets of an accepted drift stay closed until its last day, unless the drift doubles. "
            "The history records the reason and the name of the API key."
        )
    )
    held = session.read(client.fetch_acknowledgements, state.model)
    if held:
        st.dataframe(_build_table(held, label), hide_index=True)
    else:
        st.caption(t("No drift is accepted."))
    with st.expander(t("Accept or end…")):
        _draw_form(state, label)
        _draw_end(state.model, held, label)


def _build_table(held: list[AcceptedDrift], label: LabelColumn) -> pd.DataFrame:
    return pd.DataFrame(
        {
            t("Column"): [label(each.feature) for each in held],
            # an acknowledgement ends with its last day
            t("Last day (UTC)"): [f"{each.until - timedelta(days=1):%Y-%m-%d}" for each in held],
            t("Population stability index (PSI)"): [each.psi for each in held],
            t("By"): [each.by for each in held],
            t("Reason"): [each.reason for each in held],
        }
    )


def _draw_form(state: DriftState, label: LabelColumn) -> None:
    names = [each.name for each in (*state.features, state.prediction)]
    today = datetime.now(UTC).date()
    feature = st.selectbox(t("Column"), names, format_func=label, key=FEATURE_KEY)
    until = st.date_input(
        t("Last day (UTC)"), today + timedelta(days=USUAL_DAYS), min_value=today,
        max_value=today + timedelta(days=MAX_DAYS), key=UNTIL_KEY,
    )  # fmt: skip
    reason = st.text_area(t("Reason"), max_chars=MAX_REASON_CHARACTERS, key=REASON_KEY).strip()
    if not st.button(t("Accept the drift"), key="accept_drift", type="primary"):
        return
    if not reason:
        st.error(t("Enter a reason. The history records it."))
        return
    with report_errors():
        session.send(client.acknowledge, state.model, feature, f"{until:%Y-%m-%d}", reason)
        session.clear_cache()
        st.rerun()


def _draw_end(model: str, held: list[AcceptedDrift], label: LabelColumn) -> None:
    for each in held:
        name = label(each.feature)
        if st.button(t("Accept the drift of {name} no longer", name=name), key=f"end_{each.feature}"):
            with report_errors():
                session.send(client.end_acknowledgement, model, each.feature)
                session.clear_cache()
                st.rerun()
