"""Actions of administrators on a rollout: start, pause, resume, abort; each after a confirmation."""

from functools import partial

import streamlit as st

from streamlit_app import session
from streamlit_app.client import rollouts as client
from streamlit_app.client.rollouts import RolloutView
from streamlit_app.client.service import ModelInfo
from streamlit_app.errors import report_errors
from streamlit_app.models.dialogs import draw_buttons, draw_dialog, draw_reason, open_dialog, show_result
from streamlit_app.models.labels import CHALLENGER, CHAMPION, find_version, get_candidate
from streamlit_app.translation import t

START, PAUSE, RESUME, ABORT = "start", "pause", "resume", "abort"
CHANGES = {"ramping": (PAUSE, ABORT), "paused": (RESUME, ABORT)}
"""Changes that a person can make, by state."""


def draw(model: ModelInfo, rollout: RolloutView | None) -> None:
    """Draw the actions that the state allows."""
    if rollout is None or rollout.ended:
        _draw_start(model)
        return
    changes = CHANGES.get(rollout.state, ())
    for column, change in zip(st.columns(4), changes, strict=False):
        column.button(
            _label_button(change), key=f"rollout_{change}", width="stretch", on_click=open_dialog,
            args=(model.model, change),
        )  # fmt: skip
    for change in changes:
        body = partial(_confirm_change, model, change)
        draw_dialog(model.model, change, _label_action(change), body)
    if not changes:
        st.caption(
            t("In this state only the servers decide. Another champion can be set under Administration.")
        )


def _label_action(change: str) -> str:
    labels = {PAUSE: t("Pause"), RESUME: t("Resume"), ABORT: t("Abort")}
    return labels[change]


def _label_button(change: str) -> str:
    labels = {PAUSE: t("Pause…"), RESUME: t("Resume…"), ABORT: t("Abort…")}
    return labels[change]


def _describe_change(change: str) -> str:
    sentences = {
        PAUSE: t("The shares stay as they are. A breach still ends the rollout."),
        RESUME: t("The rollout goes on with its step, whose maximum time begins anew."),
        ABORT: t("The champion answers all clients again, and the rollout ends."),
    }
    return sentences[change]


def _confirm_change(model: ModelInfo, change: str) -> None:
    st.markdown(_describe_change(change))
    reason = draw_reason()
    if not draw_buttons(_label_action(change)):
        return
    messages = {
        PAUSE: t("The rollout is paused."),
        RESUME: t("The rollout goes on."),
        ABORT: t("The rollout has ended."),
    }
    with report_errors():
        session.send(client.change_rollout, model.model, change, reason)
        show_result(messages[change])


def _draw_start(model: ModelInfo) -> None:
    champion, challenger = find_version(model, CHAMPION), find_version(model, CHALLENGER)
    if champion is None:
        return
    first = [challenger.version] if challenger else []
    versions = {each.version: each for each in model.versions if each.version != champion.version}
    order = sorted(versions, key=lambda version: (version not in first, -version))
    if not order:
        st.caption(t("There is no version besides the champion to roll out."))
        return
    chosen = st.selectbox(
        t("Version to roll out"), order, key=f"rollout_version:{model.model}",
        format_func=lambda version: f"{version} · {get_candidate(versions[version])}",
    )  # fmt: skip
    st.button(t("Start the rollout…"), key="rollout_start", on_click=open_dialog, args=(model.model, START))
    draw_dialog(model.model, START, t("Start"), lambda: _confirm_start(model, chosen))


def _confirm_start(model: ModelInfo, version: int) -> None:
    st.markdown(
        t(
            "Version **{version}** of **{model}** scores in shadow first, and then answers more clients with "
            "each step of the ramp of the use case.",
            version=version, model=model.model,
        )
    )  # fmt: skip
    if not draw_buttons(t("Start")):
        return
    with report_errors():
        session.send(client.start_rollout, model.model, version)
        show_result(t("The rollout of version {version} has started.", version=version))
