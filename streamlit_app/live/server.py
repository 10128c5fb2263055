"""State of the server: readiness, loaded versions, and retraining decisions."""

from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import live as client
from streamlit_app.client import service
from streamlit_app.client.service import ModelInfo
from streamlit_app.translation import escape_markdown, t, t_plural

READY = "ready"
YEAR_PREFIX_CHARACTERS = len("2026-")
"""Characters of a time that a narrow column leaves out."""


def draw(model: str) -> ModelInfo:
    """Draw the readiness and the versions; return the state of the model."""
    health, info = session.send(service.fetch_health), session.send(service.fetch_model, model)
    ready, champion, challenger, loaded = st.columns(4)
    ready.metric(t("Server"), t("ready") if health.status == READY else t("not ready"))
    champion.metric(t("Champion"), _label_version(info.champion))
    challenger.metric(t("Challenger"), _label_version(info.challenger))
    loaded_at = _format_time(info.loaded)[YEAR_PREFIX_CHARACTERS:] if info.loaded else "–"
    loaded.metric(t("Loaded (UTC)"), loaded_at)
    if info.problem:
        st.warning(escape_markdown(info.problem))
    for name, state in health.models.items():
        if state != READY:
            st.warning(escape_markdown(f"{name}: {state}"))
    return info


def draw_retrainings(model: str) -> None:
    """Draw the retraining budget of the model, and the decisions on alerts."""
    st.subheader(t("Retraining by alerts"))
    retraining = session.send(client.fetch_retraining, model)
    if retraining.quarantined:
        names = ", ".join(retraining.quarantined_by)
        st.warning(t("The model is in quarantine because of {names}. Alerts cannot retrain it.", names=names))
    st.caption(
        t_plural(
            "Alerts can start {number} more retraining; the budget covers the last 30 days.",
            "Alerts can start {number} more retrainings; the budget covers the last 30 days.",
            retraining.budget_remaining,
        )
    )
    if not retraining.decisions:
        st.info(t("No alert has requested a retraining in the last 30 days."))
        return
    rows = [
        (_format_time(each.at), each.decision, each.reason, each.reference) for each in retraining.decisions
    ]
    titles = [t("Time (UTC)"), t("Decision"), t("Reason"), t("Run")]
    st.dataframe(pd.DataFrame(rows, columns=titles), hide_index=True, width="stretch")


def _label_version(number: int | None) -> str:
    return t("none") if number is None else t("version {version}", version=number)


def _format_time(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
