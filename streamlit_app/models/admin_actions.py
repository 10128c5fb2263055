"""Actions of administrators: promote the challenger, roll back, reload; each after a confirmation."""

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client.models import ChampionHistory
from streamlit_app.client.service import ModelInfo
from streamlit_app.errors import report_errors
from streamlit_app.models.dialogs import (
    MESSAGE_KEY,
    draw_buttons,
    draw_dialog,
    draw_reason,
    open_dialog,
    show_result,
)
from streamlit_app.models.labels import CHALLENGER, CHAMPION, find_version, get_candidate
from streamlit_app.translation import escape_markdown, t

STATE_KEY = "models_state"


def draw(model: ModelInfo, history: ChampionHistory) -> None:
    """Draw the actions."""
    st.markdown(
        t(
            "An administrator can make any version champion. The history records the reason and the name of "
            "the API key."
        )
    )
    if not session.get_key():
        st.info(
            t(
                "If the server has API keys, these actions require one with the scope `admin`, typed in the "
                "sidebar. A key with the scope `predict` can only read this page."
            )
        )
    promote, back, reload = st.columns(3)
    with promote:
        _draw_promotion(model, history)
    with back:
        _draw_rollback(model, history)
    with reload:
        st.markdown("**" + t("Reload") + "**")
        st.caption(t("Each process of the server reads the registry now instead of within a few seconds."))
        st.button(t("Reload…"), key="models_reload", on_click=open_dialog, args=(model.model, "reload"))
        draw_dialog(model.model, "reload", t("Reload"), lambda: _draw_reload_dialog(model))


def _draw_promotion(model: ModelInfo, history: ChampionHistory) -> None:
    st.markdown("**" + t("Promote the challenger") + "**")
    champion, challenger = find_version(model, CHAMPION), find_version(model, CHALLENGER)
    if challenger is None or (champion and champion.version == challenger.version):
        st.caption(t("There is no challenger besides the champion."))
        return
    evaluation = history.find_evaluation(challenger.version)
    warning = ""
    if evaluation is None:
        warning = t("Version {version} has not been evaluated yet.", version=challenger.version)
    elif evaluation.decision == "rejected":
        warning = t(
            "The evaluation rejected version {version}: {reason}", version=challenger.version,
            reason=escape_markdown(evaluation.reason),
        )  # fmt: skip
    st.caption(f"{challenger.version} · {get_candidate(challenger)}")
    st.button(
        t("Promote version {version}…", version=challenger.version),
        key="models_promote",
        on_click=open_dialog,
        args=(model.model, "promote"),
    )
    draw_dialog(
        model.model,
        "promote",
        t("Promote"),
        lambda: _draw_champion_dialog(model, challenger.version, t("Promote"), warning),
    )


def _draw_rollback(model: ModelInfo, history: ChampionHistory) -> None:
    st.markdown("**" + t("Roll back") + "**")
    champion = find_version(model, CHAMPION)
    present = champion.version if champion else None
    versions = {each.version: each for each in model.versions}
    former_champions = [
        version
        for version in dict.fromkeys(each.version for each in history.champions)
        if version != present and version in versions
    ]
    if not former_champions:
        st.caption(t("No other version has been champion."))
        return
    chosen = st.selectbox(
        t("To version"), former_champions, key=f"models_back:{model.model}",
        format_func=lambda version: f"{version} · {get_candidate(versions[version])}",
    )  # fmt: skip
    st.button(
        t("Roll back to version {version}…", version=chosen),
        key="models_rollback",
        on_click=open_dialog,
        args=(model.model, "roll back"),
    )
    draw_dialog(
        model.model,
        "roll back",
        t("Roll back"),
        lambda: _draw_champion_dialog(model, chosen, t("Roll back"), ""),
    )


def _draw_champion_dialog(model: ModelInfo, version: int, action: str, warning: str) -> None:
    champion = find_version(model, CHAMPION)
    instead_of = champion.version if champion else None
    st.markdown(_describe_change(model.model, version, instead_of))
    if warning:
        st.warning(warning, icon=":material/warning:")
    reason = draw_reason()
    if not draw_buttons(action):
        return
    if not reason:
        st.error(t("Enter a reason. The history records it."))
        return
    with report_errors():
        state = session.send(client.set_champion, model.model, version, reason, instead_of)
        message = t("Version {version} of {model} is champion.", version=version, model=model.model)
        _show_new_state(state, message)


def _describe_change(model: str, version: int, instead_of: int | None) -> str:
    if instead_of is None:
        return t("Version **{version}** of **{model}** becomes champion.", version=version, model=model)
    return t(
        "Version **{version}** of **{model}** becomes champion instead of version **{instead_of}**.",
        version=version, model=model, instead_of=instead_of,
    )  # fmt: skip


def _draw_reload_dialog(model: ModelInfo) -> None:
    st.markdown(t("Each process of the server loads the champion of **{model}** now.", model=model.model))
    if not draw_buttons(t("Reload")):
        return
    with report_errors():
        state = session.send(client.reload, model.model)
        if state.champion is None:
            message = t("The server serves no version of {model}.", model=model.model)
        else:
            message = t(
                "The server serves version {version} of {model}.", version=state.champion, model=model.model
            )
        _show_new_state(state, message)


def _show_new_state(state: ModelInfo, message: str) -> None:
    """Show the new state at once: another process of the server may not know it yet."""
    st.session_state[STATE_KEY] = state
    show_result(message)


def report_last_action(model: str) -> ModelInfo | None:
    """Report the last action, once; return its new state if it is about this model."""
    message = st.session_state.pop(MESSAGE_KEY, None)
    state: ModelInfo | None = st.session_state.pop(STATE_KEY, None)
    if message:
        st.success(message, icon=":material/check:")
    if state is not None and state.problem:
        st.warning(escape_markdown(state.problem))
    return state if state is not None and state.model == model else None
