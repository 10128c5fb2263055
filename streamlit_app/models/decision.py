"""The evaluation behind a decision: both metrics, the gain with its interval, and each gate."""

from collections.abc import Sequence

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.models import ChampionDecision, DecisionEvidence, GroupRateRow, ModelComparison
from streamlit_app.models.labels import (
    FAILED,
    PASSED,
    describe_weights,
    format_number,
    format_share,
    format_time,
    label_decision,
    label_gate,
    translate_detail,
)
from streamlit_app.translation import escape_markdown, format_count, t

Layers = alt.LayerChart | alt.FacetChart
CHART_PIXELS = 110
PADDING_SHARE = 0.05
"""Share of the drawn range that is left free at both ends."""


def draw(decision: ChampionDecision, key: str) -> None:
    """Draw a decision with its evidence.

    Args:
        decision: Decision; nothing is drawn where it has no evidence.
        key: Key of the chart on the page.
    """
    evidence = decision.evidence
    if evidence is None:
        return
    against = t("version {version}", version=decision.against) if decision.against else t("no champion")
    st.markdown(
        t(
            "**{decision}**: version {version} compared with {against} on {rows} rows of {period} that "
            "neither was trained on. Decided by {by}, {at} UTC.",
            decision=label_decision(decision.decision).capitalize(), version=decision.version,
            against=against, rows=format_count(evidence.comparison.rows), period=evidence.period,
            by=escape_markdown(decision.by), at=format_time(decision.at),
        )
    )  # fmt: skip
    if weights := describe_weights(evidence.sample_weight):
        st.caption(weights)
    if evidence.comparison.interval is not None:
        _draw_gain(evidence, evidence.comparison, key)
    gates = {
        t("Passed"): [PASSED if each.passed else FAILED for each in evidence.gates],
        t("Gate"): [label_gate(each.name) for each in evidence.gates],
        t("Measured"): [escape_markdown(translate_detail(each.detail)) for each in evidence.gates],
    }
    st.table(gates, hide_index=True, alt=t("The gates of the promotion with their results"))
    if evidence.comparison.fairness:
        _draw_group_rates(evidence.comparison.fairness)


def _draw_group_rates(groups: Sequence[GroupRateRow]) -> None:
    """Draw the rates of the groups of protected attributes, those of the new version."""
    st.markdown(t("**Groups of protected attributes**"))
    table = {
        t("Attribute"): [escape_markdown(each.field) for each in groups],
        t("Group"): [escape_markdown(each.group) for each in groups],
        t("Rows"): [format_count(each.rows) for each in groups],
        t("Answered positive"): [format_share(each.selection_rate) for each in groups],
        t("Of the positive"): [format_share(each.tpr) for each in groups],
        t("Of the negative"): [format_share(each.fpr) for each in groups],
        t("Calibration error"): [format_share(each.calibration_error) for each in groups],
    }
    st.table(table, hide_index=True, alt=t("Rates of the groups of protected attributes"))
    st.caption(
        t(
            "Shares of the rows of a group that are answered positive: of all (selection rate), of those "
            "that are positive (true positive rate) and of those that are negative (false positive rate)."
        )
    )


def _draw_gain(evidence: DecisionEvidence, comparison: ModelComparison, key: str) -> None:
    low, high = comparison.interval or (None, None)
    if comparison.gain is None or low is None or high is None:
        st.warning(t("The gain of {metric} is undefined on these rows.", metric=evidence.metric))
        return
    limit = -evidence.policy.margin
    numbers = {t("Gain"): comparison.gain, t("From"): low, t("To"): high, t("Limit"): limit}
    table = pd.DataFrame({t("Number"): numbers.keys(), evidence.metric: numbers.values()})
    charts.show(
        _build_chart(evidence.metric, comparison.gain, low, high, limit),
        t("Gain of {metric} over the champion", metric=evidence.metric),
        t(
            "The gain is {gain}; its 95 % interval is {low} to {high}. To pass, the gain must exceed 0 and "
            "the interval must begin above the limit {limit}.",
            gain=format_number(comparison.gain), low=format_number(low), high=format_number(high),
            limit=format_number(limit),
        ),
        table, key=key,
    )  # fmt: skip
    st.caption(t("Horizontal line: 95 % interval. To pass, it must begin to the right of the dashed limit."))


def _build_chart(metric: str, gain: float, low: float, high: float, limit: float) -> Layers:
    ends = sorted((low, high, limit, 0.0))
    padding = PADDING_SHARE * (ends[-1] - ends[0])
    scale = alt.Scale(domain=[ends[0] - padding, ends[-1] + padding], nice=False)
    rows = pd.DataFrame({"gain": [gain], "low": [low], "high": [high]})
    axis = alt.X("low:Q", title=t("Gain of {metric}", metric=metric), scale=scale)
    interval = alt.Chart(rows).mark_rule(strokeWidth=4, color=charts.BLUE).encode(x=axis, x2="high:Q")
    point = alt.Chart(rows).mark_point(filled=True, size=160, color=charts.BLUE, opacity=1).encode(x="gain:Q")
    lines = pd.DataFrame({"at": [0.0, limit]})
    zero_rule = alt.Chart(lines.head(1)).mark_rule(color=charts.BLACK).encode(x="at:Q")
    limit_rule = (
        alt.Chart(lines.tail(1)).mark_rule(color=charts.ORANGE, strokeDash=[6, 4], strokeWidth=2)
        .encode(x="at:Q")
    )  # fmt: skip
    return alt.layer(zero_rule, limit_rule, interval, point).properties(height=CHART_PIXELS)
