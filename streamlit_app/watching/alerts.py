"""The alerts that fire, about this model, or about the service as a whole."""

from collections.abc import Sequence
from datetime import UTC
from itertools import groupby

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import Alert
from streamlit_app.text import t, verbatim

FIRING, PAGE = "firing", "page"


def draw(model: str) -> None:
    """Draw them, the worst first."""
    st.subheader(t("Alerts"))
    every = session.measured(prometheus.alerts)
    mine = [each for each in every if each.labels.get("model", model) == model]
    firing = sorted((each for each in mine if each.state == FIRING), key=_kind)
    if not firing:
        st.success(t("No alert fires."), icon=":material/check_circle:")
    for _, same in groupby(firing, _kind):
        _some(list(same))
    if pending := _names([each for each in mine if each.state != FIRING]):
        st.caption(t("Pending: {names}.", names=pending))
    if elsewhere := _names([each for each in every if each not in mine and each.state == FIRING]):
        st.caption(t("Firing for other models: {names}.", names=elsewhere))


def _some(alerts: Sequence[Alert]) -> None:
    """Alerts of one kind, which have one entry in the runbook."""
    first = alerts[0]
    since = t(
        "since {time} UTC", time=f"{min(each.activeAt for each in alerts).astimezone(UTC):%Y-%m-%d %H:%M}"
    )
    paged = first.labels.get("severity") == PAGE
    level = t("page") if paged else t("ticket")
    show, icon = (st.error, ":material/e911_emergency:") if paged else (st.warning, ":material/warning:")
    told = "".join(
        f"\n- {verbatim(each.annotations.get('summary', ''))}. "
        f"{verbatim(each.annotations.get('description', ''))}"
        for each in alerts
    )
    book = first.annotations.get("runbook_url", "")
    where = f"[{t('Runbook')}]({book})" if book.startswith(("https://", "http://")) else f"`{book}`"
    remedy = f"\n\n{t('What to do:')} {where}" if book else ""
    show(f"**{first.labels.get('alertname', '')}** ({level}, {since})\n{told}{remedy}", icon=icon)


def _names(alerts: Sequence[Alert]) -> str:
    return ", ".join(sorted({each.labels.get("alertname", "") for each in alerts}))


def _kind(alert: Alert) -> tuple[bool, str]:
    return alert.labels.get("severity") != PAGE, alert.labels.get("alertname", "")
