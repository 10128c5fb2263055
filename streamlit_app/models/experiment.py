"""The newest experiment of a model: its versions with what the evidence says of each."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import experiments as client
from streamlit_app.client.experiments import ArmView, DesignView, ExperimentView
from streamlit_app.models.labels import FAILED, OPEN, PASSED, format_number, format_time
from streamlit_app.translation import format_count, t


def draw(name: str) -> None:
    """Draw the newest experiment; nothing where there has been none."""
    experiment = session.send(client.fetch_experiment, name)
    if experiment is None:
        return
    st.markdown("**" + t("Experiment") + "**")
    st.markdown(_describe_design(experiment))
    arms, design = experiment.arms, experiment.design
    st.table(
        {
            t("Version"): [_label_version(experiment, each.version) for each in arms],
            t("Clients"): [f"{100 * each.share:.3g} %" for each in arms],
            t("Rows"): [format_count(each.rows) for each in arms],
            t("Mean"): [format_number(each.mean) for each in arms],
            t("Improvement"): [_format_effect(design, each.improvement) for each in arms],
            t("Interval"): [_format_interval(design, each) for each in arms],
            t("Evidence"): [_label_verdict(each.verdict) for each in arms],
        },
        hide_index=True, alt=t("The versions of the experiment with their evidence"),
    )  # fmt: skip
    st.caption(t("The intervals hold at any time; rows are those with ground truth."))


def _describe_design(experiment: ExperimentView) -> str:
    values = {
        "metric": _label_metric(experiment.design.metric),
        "effect": _format_effect(experiment.design, experiment.design.minimum_effect),
        "since": format_time(experiment.since), "until": format_time(experiment.deadline),
    }  # fmt: skip
    if experiment.ended:
        return t("It compared {metric} from {since} UTC on; the minimum effect was {effect}.", **values)
    return t("It compares {metric} from {since} to {until} UTC; the minimum effect is {effect}.", **values)


def _label_metric(metric: str) -> str:
    labels = {"loss": t("the loss"), "error": t("the share of wrong classes"), "truth": t("the ground truth")}
    return labels.get(metric, metric)


def _label_version(experiment: ExperimentView, version: int) -> str:
    return f"{version} · " + t("champion") if version == experiment.champion else str(version)


def _label_verdict(verdict: str | None) -> str:
    labels = {
        "better": PASSED + " " + t("better"),
        "worse": FAILED + " " + t("worse"),
        "within": t("no difference that matters"),
        "open": OPEN + " " + t("open"),
    }
    return "–" if verdict is None else labels.get(verdict, verdict)


def _format_interval(design: DesignView, arm: ArmView) -> str:
    if arm.low is None or arm.high is None:
        return "–"
    return f"{_format_effect(design, arm.low)} … {_format_effect(design, arm.high)}"


def _format_effect(design: DesignView, effect: float | None) -> str:
    """Format an effect: a share of the champion's mean, or a difference."""
    if effect is None:
        return "–"
    return f"{100 * effect:+.1f} %" if design.relative else f"{effect:+.4g}"
