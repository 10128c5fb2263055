"""The active alerts about this model, and about the service as a whole."""

from collections.abc import Sequence
from datetime import UTC
from itertools import groupby

import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.client.prometheus import ActiveAlert
from streamlit_app.translation import escape_markdown, t

FIRING, PAGE = "firing", "page"


def draw(model: str) -> None:
    """Draw the alerts, pages before tickets."""
    st.subheader(t("Alerts"))
    alerts = session.query_prometheus(prometheus.fetch_alerts)
    # an alert without the label is about the service, and concerns every model
    relevant = [each for each in alerts if each.labels.get("model", model) == model]
    others = [each for each in alerts if each not in relevant]
    _draw_firing(_select_firing(relevant))
    if pending := _join_names([each for each in relevant if each.state != FIRING]):
        st.caption(t("Pending: {names}.", names=pending))
    if names := _join_names(_select_firing(others)):
        st.caption(t("Firing for other models: {names}.", names=names))


def _select_firing(alerts: Sequence[ActiveAlert]) -> list[ActiveAlert]:
    return [each for each in alerts if each.state == FIRING]


def _draw_firing(alerts: Sequence[ActiveAlert]) -> None:
    if not alerts:
        st.success(t("No alert is firing."), icon=":material/check_circle:")
    # groupby joins neighbours only, hence the order by the same key
    for _, group in groupby(sorted(alerts, key=_rank_alert), _rank_alert):
        _draw_group(list(group))


def _draw_group(alerts: Sequence[ActiveAlert]) -> None:
    """Draw the alerts of one name, which share an entry of the runbook."""
    first = alerts[0]
    is_page = first.labels.get("severity") == PAGE
    severity = t("page") if is_page else t("ticket")
    start = min(each.activeAt for each in alerts).astimezone(UTC)
    since = t("since {time} UTC", time=f"{start:%Y-%m-%d %H:%M}")
    lines = "".join(
        f"\n- {escape_markdown(each.annotations.get('summary', ''))}. "
        f"{escape_markdown(each.annotations.get('description', ''))}"
        for each in alerts
    )
    show, icon = (st.error, ":material/e911_emergency:") if is_page else (st.warning, ":material/warning:")
    show(
        f"**{first.labels.get('alertname', '')}** ({severity}, {since})\n{lines}{_link_runbook(first)}",
        icon=icon,
    )


def _link_runbook(alert: ActiveAlert) -> str:
    url = alert.annotations.get("runbook_url", "")
    if not url:
        return ""
    title, remedy = t("Runbook"), t("What to do:")
    link = f"[{title}]({url})" if url.startswith(("https://", "http://")) else f"`{url}`"
    return f"\n\n{remedy} {link}"


def _join_names(alerts: Sequence[ActiveAlert]) -> str:
    return ", ".join(sorted({each.labels.get("alertname", "") for each in alerts}))


def _rank_alert(alert: ActiveAlert) -> tuple[bool, str]:
    return alert.labels.get("severity") != PAGE, alert.labels.get("alertname", "")
