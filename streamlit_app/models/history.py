"""The history of a model: the tenures of its champions, and all decisions with their reasons."""

from collections.abc import Sequence
from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.models import ChampionDecision, ChampionHistory, Tenure
from streamlit_app.models import decision
from streamlit_app.models.labels import format_time, label_decision
from streamlit_app.translation import t, t_plural

ROW_PIXELS, FRAME_PIXELS = 34, 60
Layers = alt.LayerChart | alt.FacetChart


def draw(history: ChampionHistory) -> None:
    """Draw the tenures, the decisions, and the evaluation that the reader picks."""
    if not history.decisions:
        st.info(t("There is no decision yet."))
        return
    if history.champions:
        _draw_tenures(history.champions)
    _draw_decisions(history.decisions)
    _draw_evaluation([each for each in history.decisions if each.evidence])


def _draw_decisions(decisions: Sequence[ChampionDecision]) -> None:
    st.markdown("**" + t("Decisions") + "**")
    st.dataframe(
        {
            t("Time (UTC)"): [format_time(each.at) for each in decisions],
            t("Decision"): [label_decision(each.decision) for each in decisions],
            t("Version"): [each.version for each in decisions],
            t("Instead of"): [str(each.against or "–") for each in decisions],
            t("By"): [each.by for each in decisions],
            t("Reason"): [each.reason for each in decisions],
        },
        hide_index=True, width="stretch", alt=t("All decisions, the newest first"),
    )  # fmt: skip


def _draw_evaluation(evaluations: Sequence[ChampionDecision]) -> None:
    """Draw the evaluation that the reader picks; nothing where there is none."""
    if not evaluations:
        return
    chosen = st.selectbox(
        t("Evaluation"), evaluations, format_func=_label_evaluation, key="models_evaluation"
    )
    if chosen is not None:
        decision.draw(chosen, "models_evaluation_gain")


def _label_evaluation(evaluation: ChampionDecision) -> str:
    version = t("version {version}", version=evaluation.version)
    return f"{format_time(evaluation.at)} · {version} · {label_decision(evaluation.decision)}"


def _draw_tenures(tenures: Sequence[Tenure]) -> None:
    table = pd.DataFrame(
        {
            t("Version"): [each.version for each in tenures],
            t("From (UTC)"): [format_time(each.since) for each in tenures],
            t("To (UTC)"): [format_time(each.until) for each in tenures],
            t("By"): [each.by for each in tenures],
            t("Reason"): [each.reason for each in tenures],
        }
    )
    newest = tenures[0]
    description = t(
        "Version {version} has been champion since {since} UTC.",
        version=newest.version, since=format_time(newest.since),
    ) + " " + t_plural(
        "The history has {number} champion.", "The history has {number} champions.", len(tenures)
    )  # fmt: skip
    charts.show(_build_chart(tenures), t("Champions over time"), description, table, key="models_tenures")


def _build_chart(tenures: Sequence[Tenure]) -> Layers:
    now = datetime.now(UTC).timestamp()
    bars = pd.DataFrame(
        {
            "version": [str(each.version) for each in tenures],
            "since": [_to_datetime(each.since) for each in tenures],
            "until": [_to_datetime(each.until or now) for each in tenures],
        }
    )
    start = alt.X("since:T", title=t("Time (UTC)"), scale=alt.Scale(type="utc"))
    newest_first = [str(each) for each in sorted({each.version for each in tenures}, reverse=True)]
    row = alt.Y("version:N", title=t("Version"), sort=newest_first)
    spans = alt.Chart(bars).mark_bar(color=charts.BLUE).encode(x=start, x2="until:T", y=row)
    # a tick shows tenures that are too short for a visible bar
    starts = alt.Chart(bars).mark_tick(color=charts.ORANGE, thickness=3).encode(x=start, y=row)
    height = len(newest_first) * ROW_PIXELS + FRAME_PIXELS
    chart: Layers = alt.layer(spans, starts).properties(height=height)
    return chart


def _to_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
