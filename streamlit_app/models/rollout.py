"""The newest rollout of a model: its state, its steps, the guardrails and what has happened."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import rollouts as client
from streamlit_app.client.rollouts import GuardrailView, RampView, RolloutView
from streamlit_app.client.service import ModelInfo
from streamlit_app.errors import report_errors
from streamlit_app.models import experiment, rollout_actions
from streamlit_app.models.labels import (
    FAILED,
    OPEN,
    PASSED,
    format_time,
    label_guardrail,
    label_state,
)
from streamlit_app.translation import format_count, t

SHADOW_STEP = 0
REFRESH_SECONDS = 10
"""Interval in which a running rollout is drawn anew."""
SHIFT, FAILURES, LATENCY = "shift", "failures", "latency"
"""Guardrails whose values have a unit of their own; the others are growths."""


def draw_notice(name: str) -> None:
    """Draw a line about a rollout that is not over."""
    rollout = session.send(client.fetch_rollout, name)
    if rollout is None or rollout.ended:
        return
    st.info(
        t(
            "Rollout of version {version}: {state}. It answers {share} of the clients; see the tab Rollout.",
            version=rollout.challenger, state=label_state(rollout.state).lower(),
            share=_format_share(rollout.share),
        ),
        icon=":material/trending_up:",
    )  # fmt: skip


def draw(model: ModelInfo) -> None:
    """Draw the newest rollout, the actions of administrators, and the newest experiment."""
    # not from the cache: another rollout may have started
    rollout = session.send(client.fetch_rollout, model.model)
    if rollout is None:
        st.info(
            t(
                "There has been no rollout. A rollout moves the clients to the challenger step by step, and "
                "back at once when it is worse than the limits of its guardrails allow."
            )
        )
    elif rollout.ended:
        _draw_rollout(rollout)
    else:
        _draw_running(model.model)
    rollout_actions.draw(model, rollout)
    with report_errors():
        experiment.draw(model.model)


@st.fragment(run_every=REFRESH_SECONDS)
def _draw_running(name: str) -> None:
    """Draw a rollout that is not over, again and again."""
    with report_errors():
        rollout = session.send(client.fetch_rollout, name)
        if rollout is not None:
            _draw_rollout(rollout)


def _draw_rollout(rollout: RolloutView) -> None:
    _draw_state(rollout)
    _draw_guardrails(rollout)
    _draw_events(rollout)


def _draw_state(rollout: RolloutView) -> None:
    sentence = t(
        "Version **{challenger}** in the place of version **{champion}**.",
        challenger=rollout.challenger, champion=rollout.champion,
    )  # fmt: skip
    if rollout.deadline is not None:
        sentence += " " + t(
            "Step or watch period last until {at} UTC at most.", at=format_time(rollout.deadline)
        )
    st.markdown(sentence)
    number = t("{step} of {steps}", step=rollout.step, steps=len(rollout.steps))
    figures = {
        t("State"): label_state(rollout.state),
        t("Clients of the challenger"): _format_share(rollout.share),
        t("Step"): t("shadow") if rollout.step == SHADOW_STEP else number,
    }
    for column, (label, value) in zip(st.columns(len(figures)), figures.items(), strict=True):
        column.metric(label, value)
    st.markdown(_describe_steps(rollout))
    st.caption(_describe_ramp(rollout.ramp))


def _describe_steps(rollout: RolloutView) -> str:
    """Describe all steps in a line, the present one in bold."""
    steps = [t("shadow"), *map(_format_share, rollout.steps)]
    steps += [t("watch period")] if rollout.ramp.watch_hours else []
    present = None if rollout.ended else rollout.step
    if rollout.state in {"watching", "rolling_back"}:
        present = len(steps) - 1
    return " → ".join(f"**{step}**" if place == present else step for place, step in enumerate(steps))


def _describe_ramp(ramp: RampView) -> str:
    sentences = [
        t(
            "A step needs {rows} rows of the challenger and {hours} h at least.",
            rows=format_count(ramp.min_rows), hours=f"{ramp.min_hours:g}",
        )
    ]  # fmt: skip
    if ramp.undecided == "abort":
        sentence = t(
            "Without enough evidence after {hours} h, the rollout ends.", hours=f"{ramp.max_hours:g}"
        )
    else:
        sentence = t(
            "Without enough evidence after {hours} h, the next step begins.", hours=f"{ramp.max_hours:g}"
        )
    sentences.append(sentence)
    sentences.append(
        t(
            "The version that does not answer scores {share} of the rows in shadow, also for {hours} h after "
            "the last step.",
            share=_format_share(ramp.shadow), hours=f"{ramp.watch_hours:g}",
        )
    )  # fmt: skip
    return " ".join(sentences)


def _draw_guardrails(rollout: RolloutView) -> None:
    st.markdown("**" + t("Guardrails") + "**")
    if not rollout.findings:
        st.caption(t("They have not been judged yet."))
        return
    verdicts = {
        "holds": PASSED + " " + t("holds"),
        "breached": FAILED + " " + t("breached"),
        "open": OPEN + " " + t("open"),
    }
    st.table(
        {
            t("Evidence"): [verdicts.get(each.verdict, each.verdict) for each in rollout.findings],
            t("Guardrail"): [label_guardrail(each.guardrail) for each in rollout.findings],
            t("Measured"): [_format_value(each, each.value) for each in rollout.findings],
            t("Limit"): [_format_value(each, each.limit) for each in rollout.findings],
            t("Rows"): [format_count(each.rows) for each in rollout.findings],
        },
        hide_index=True, alt=t("The guardrails of the rollout with their evidence"),
    )  # fmt: skip
    st.caption(
        t(
            "Both versions are compared on the same rows; {at} UTC. The evidence may be looked at any time: "
            "of the challengers within all limits, at most {share} are ever rolled back.",
            share=_format_share(rollout.ramp.error_rate),
            at=format_time(rollout.judged_at),
        )
    )  # fmt: skip


def _format_value(finding: GuardrailView, value: float | None) -> str:
    """Format a value in the unit of its guardrail."""
    if value is None:
        return "–"
    if finding.guardrail == SHIFT:
        return t("{value} standard deviations", value=f"{value:+.3f}")
    if finding.guardrail == LATENCY:
        return t("slower in {share} of the trials", share=f"{100 * value:.0f} %")
    return f"{100 * value:.2f} %" if finding.guardrail == FAILURES else f"{100 * value:+.1f} %"


def _draw_events(rollout: RolloutView) -> None:
    st.markdown("**" + t("Events") + "**")
    events = rollout.events[::-1]
    st.dataframe(
        {
            t("Time (UTC)"): [format_time(each.at) for each in events],
            t("State"): [label_state(each.state) for each in events],
            t("Clients"): [_format_share(each.share) for each in events],
            t("Reason"): [each.reason for each in events],
            t("By"): [each.by for each in events],
        },
        hide_index=True, width="stretch", alt=t("All events of the rollout, the newest first"),
    )  # fmt: skip


def _format_share(share: float) -> str:
    return f"{100 * share:g} %"
