"""A judgement: both metrics, the gain with its interval, and each gate."""

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.models import Comparison, Decision, Evidence
from streamlit_app.succession.words import FAILED, PASSED, decided, gate, moment, number
from streamlit_app.text import t, verbatim

Layers = alt.LayerChart | alt.FacetChart
CHART_PIXELS = 110
EDGE_SHARE = 0.05
"""Of the width that is drawn, left free at both ends."""


def draw(judged: Decision, key: str) -> None:
    """Draw it.

    Args:
        judged: With its evidence.
        key: Of its chart on the page.
    """
    evidence = judged.evidence
    if evidence is None:
        return
    against = t("version {version}", version=judged.against) if judged.against else t("no champion")
    st.markdown(
        t(
            "**{decision}**: version {version} against {against}, on {rows} rows of {period} that neither "
            "had learnt from; by {by}, {at} UTC.",
            decision=decided(judged.decision).capitalize(), version=judged.version, against=against,
            rows=f"{evidence.comparison.rows:,}", period=evidence.period, by=verbatim(judged.by),
            at=moment(judged.at),
        )
    )  # fmt: skip
    if evidence.comparison.interval is not None:
        _gain(evidence, evidence.comparison, key)
    gates = {
        t("Passed"): [PASSED if each.passed else FAILED for each in evidence.gates],
        t("Condition"): [gate(each.name) for each in evidence.gates],
        t("Measured"): [verbatim(each.detail) for each in evidence.gates],
    }
    st.table(gates, hide_index=True, alt=t("The conditions of a promotion, and which were passed"))


def _gain(evidence: Evidence, both: Comparison, key: str) -> None:
    low, high = both.interval or (None, None)
    if both.gain is None or low is None or high is None:
        st.warning(t("The gain of {metric} is not defined on these rows.", metric=evidence.metric))
        return
    margin = -evidence.policy.margin
    names = {t("Gain"): both.gain, t("From"): low, t("To"): high, t("Limit"): margin}
    table = pd.DataFrame({t("Number"): names.keys(), evidence.metric: names.values()})
    charts.show(
        _chart(evidence.metric, both.gain, low, high, margin),
        t("Gain of {metric} over the champion", metric=evidence.metric),
        t(
            "The gain is {gain}, its 95 % interval from {low} to {high}; the interval must begin above the "
            "limit {limit}, and the gain must be above 0.",
            gain=number(both.gain), low=number(low), high=number(high), limit=number(margin),
        ),
        table, key=key,
    )  # fmt: skip
    st.caption(t("The line is the 95 % interval; it must begin to the right of the dashed limit."))


def _chart(metric: str, gain: float, low: float, high: float, margin: float) -> Layers:
    ends = [*sorted((low, high, margin, 0.0))]
    edge = EDGE_SHARE * (ends[-1] - ends[0])
    scale = alt.Scale(domain=[ends[0] - edge, ends[-1] + edge], nice=False)
    rows = pd.DataFrame({"gain": [gain], "low": [low], "high": [high]})
    axis = alt.X("low:Q", title=t("gain of {metric}", metric=metric), scale=scale)
    interval = alt.Chart(rows).mark_rule(strokeWidth=4, color=charts.BLUE).encode(x=axis, x2="high:Q")
    point = alt.Chart(rows).mark_point(filled=True, size=160, color=charts.BLUE, opacity=1).encode(x="gain:Q")
    lines = pd.DataFrame({"at": [0.0, margin], "what": ["zero", "limit"]})
    zero = alt.Chart(lines.head(1)).mark_rule(color=charts.BLACK).encode(x="at:Q")
    limit = (
        alt.Chart(lines.tail(1)).mark_rule(color=charts.ORANGE, strokeDash=[6, 4], strokeWidth=2)
        .encode(x="at:Q")
    )  # fmt: skip
    return alt.layer(zero, limit, interval, point).properties(height=CHART_PIXELS)
