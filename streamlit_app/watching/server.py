"""What the server itself says: whether it answers, with which versions, and what alerts led to."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import live as client
from streamlit_app.client import service
from streamlit_app.client.service import Model
from streamlit_app.text import t, verbatim

READY = "ready"
SHORT = len("2026-")
"""What a narrow column leaves out of a time."""


def draw(model: str) -> Model:
    """Health and versions; gives what the server knows of the model."""
    health, known = session.ask(service.health), session.ask(service.model, model)
    ready, champion, challenger, loaded = st.columns(4)
    ready.metric(t("Server"), t("ready") if health.status == READY else t("not ready"))
    champion.metric(t("Champion"), _version(known.champion))
    challenger.metric(t("Challenger"), _version(known.challenger))
    loaded.metric(t("Loaded (UTC)"), _moment(known.loaded)[SHORT:] if known.loaded else "–")
    if known.problem:
        st.warning(verbatim(known.problem))
    sick = {name: state for name, state in health.models.items() if state != READY}
    for name, state in sick.items():
        st.warning(verbatim(f"{name}: {state}"))
    return known


def retrainings(model: str) -> None:
    """What alerts may do to the model, and what they led to."""
    st.subheader(t("Retrainings by alerts"))
    found = session.ask(client.retraining, model)
    if found.quarantined:
        names = ", ".join(found.quarantined_by)
        st.warning(t("In quarantine: {names}. Alerts may not retrain this model.", names=names))
    st.caption(t("Alerts may still start {number} this month.", number=found.budget_remaining))
    if not found.decisions:
        st.info(t("No alert has asked for a retraining in the last 30 days."))
        return
    rows = [(_moment(each.at), each.decision, each.reason, each.reference) for each in found.decisions]
    heads = [t("Time (UTC)"), t("Decision"), t("Reason"), t("Run")]
    st.dataframe(pd.DataFrame(rows, columns=heads), hide_index=True, width="stretch")


def _version(number: int | None) -> str:
    return t("none") if number is None else t("version {number}", number=number)


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
