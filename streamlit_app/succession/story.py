"""The history: who was champion when, and every decision with its reason."""

from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.models import Decision, History
from streamlit_app.succession import verdict
from streamlit_app.succession.words import decided, moment
from streamlit_app.text import t

ROW_PIXELS, FRAME_PIXELS = 34, 60


def draw(history: History) -> None:
    """Draw it."""
    if not history.decisions:
        st.info(t("No decision has been made yet."))
        return
    if history.champions:
        _reigns(history)
    st.markdown(f"**{t('Decisions')}**")
    st.dataframe(
        {
            t("When (UTC)"): [moment(each.at) for each in history.decisions],
            t("Decision"): [decided(each.decision) for each in history.decisions],
            t("Version"): [each.version for each in history.decisions],
            t("Instead of"): [str(each.against or "–") for each in history.decisions],
            t("By"): [each.by for each in history.decisions],
            t("Reason"): [each.reason for each in history.decisions],
        },
        hide_index=True, width="stretch", alt=t("Every decision, the newest first"),
    )  # fmt: skip
    judged = [each for each in history.decisions if each.evidence]
    if judged:
        chosen = st.selectbox(t("Judgement"), judged, format_func=_titled, key="models_judgement")
        if chosen is not None:
            verdict.draw(chosen, "models_judged_gain")


def _titled(each: Decision) -> str:
    said = t("version {version}", version=each.version)
    return f"{moment(each.at)} · {said} · {decided(each.decision)}"


def _reigns(history: History) -> None:
    version, since, until = t("Version"), t("From (UTC)"), t("To (UTC)")
    reigns = history.champions
    now = datetime.now(UTC).timestamp()
    bars = pd.DataFrame(
        {
            "version": [str(each.version) for each in reigns],
            "since": [_date(each.since) for each in reigns],
            "until": [_date(each.until or now) for each in reigns],
        }
    )
    table = pd.DataFrame(
        {
            version: [each.version for each in reigns],
            since: [moment(each.since) for each in reigns],
            until: [moment(each.until) for each in reigns],
            t("By"): [each.by for each in reigns],
            t("Reason"): [each.reason for each in reigns],
        }
    )
    begun = alt.X("since:T", title=t("time (UTC)"), scale=alt.Scale(type="utc"))
    newest_up = [str(each) for each in sorted({each.version for each in reigns}, reverse=True)]
    row = alt.Y("version:N", title=version, sort=newest_up)
    spans = alt.Chart(bars).mark_bar(color=charts.BLUE).encode(x=begun, x2="until:T", y=row)
    # however short a reign was, its beginning is seen
    starts = alt.Chart(bars).mark_tick(color=charts.ORANGE, thickness=3).encode(x=begun, y=row)
    height = len(newest_up) * ROW_PIXELS + FRAME_PIXELS
    chart = alt.layer(spans, starts).properties(height=height)
    newest = reigns[0]
    described = t(
        "Version {version} has been champion since {since} UTC; {count} reigns in all.",
        version=newest.version, since=moment(newest.since), count=len(reigns),
    )  # fmt: skip
    charts.show(chart, t("Champions over time"), described, table, key="models_reigns")


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
