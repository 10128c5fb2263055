"""What administrators may do: promote the challenger, roll back, reload; each after a confirmation."""

from collections.abc import Callable

import streamlit as st

from streamlit_app import session
from streamlit_app.client import models as client
from streamlit_app.client.models import History
from streamlit_app.client.service import Model
from streamlit_app.succession.words import CHALLENGER, CHAMPION, bearer, candidate
from streamlit_app.text import t, verbatim
from streamlit_app.trouble import explained

DONE, STATE, REASON = "models_done", "models_state", "models_reason"
ASKED = "models_asked"
"""Which dialog is open: the model, and what is asked."""
MOST_REASON = 500


def draw(model: Model, history: History) -> None:
    """Draw the ways to another champion."""
    st.markdown(
        t(
            "An administrator may make any version champion. The reason and the name of the API key stand in "
            "the history."
        )
    )
    if not session.key():
        st.info(
            t(
                "Where the server has API keys, this needs one with the scope `admin`, typed into the field "
                "at the side. A key for predictions may read all of this page, and change nothing."
            )
        )
    promote, back, look = st.columns(3)
    with promote:
        _promotion(model, history)
    with back:
        _rollback(model, history)
    with look:
        st.markdown(f"**{t('Reload')}**")
        st.caption(t("Have every process look for a new champion now; by itself it does every few seconds."))
        st.button(t("Reload…"), key="models_reload", on_click=_ask, args=(model, "reload"))
        _confirm(model, "reload", t("Reload"), lambda: _reload(model))


def _promotion(model: Model, history: History) -> None:
    st.markdown(f"**{t('Promote the challenger')}**")
    champion, challenger = bearer(model, CHAMPION), bearer(model, CHALLENGER)
    if challenger is None or (champion and champion.version == challenger.version):
        st.caption(t("There is no challenger that is not champion already."))
        return
    judged = history.judgement(challenger.version)
    warning = ""
    if judged is None:
        warning = t("Nobody has judged version {version} yet.", version=challenger.version)
    elif judged.decision == "rejected":
        warning = t(
            "The judgement rejected version {version}: {reason}", version=challenger.version,
            reason=verbatim(judged.reason),
        )  # fmt: skip
    st.caption(f"{challenger.version} · {candidate(challenger)}")
    st.button(
        t("Promote version {version}…", version=challenger.version),
        key="models_promote",
        on_click=_ask,
        args=(model, "promote"),
    )
    _confirm(model, "promote", t("Promote"), lambda: _crown(model, challenger.version, t("Promote"), warning))


def _rollback(model: Model, history: History) -> None:
    st.markdown(f"**{t('Roll back')}**")
    champion = bearer(model, CHAMPION)
    present = champion.version if champion else None
    known = {each.version: each for each in model.versions}
    reigned = [
        version
        for version in dict.fromkeys(each.version for each in history.champions)
        if version != present and version in known
    ]
    if not reigned:
        st.caption(t("No other version has been champion."))
        return

    def titled(version: int) -> str:
        return f"{version} · {candidate(known[version])}"

    chosen = st.selectbox(t("To version"), reigned, format_func=titled, key=f"models_back:{model.model}")
    st.button(
        t("Roll back to version {version}…", version=chosen),
        key="models_rollback",
        on_click=_ask,
        args=(model, "roll back"),
    )
    _confirm(model, "roll back", t("Roll back"), lambda: _crown(model, chosen, t("Roll back"), ""))


def _ask(model: Model, what: str) -> None:
    st.session_state[ASKED] = model.model, what


def _close() -> None:
    st.session_state.pop(ASKED, None)


def _confirm(model: Model, what: str, title: str, body: Callable[[], None]) -> None:
    if st.session_state.get(ASKED) == (model.model, what):
        st.dialog(title, on_dismiss=_close)(body)()


def _crown(model: Model, version: int, action: str, warning: str) -> None:
    champion = bearer(model, CHAMPION)
    instead = champion.version if champion else None
    if instead is None:
        said = t("Version **{version}** of **{model}** becomes champion.", version=version, model=model.model)
    else:
        said = t(
            "Version **{version}** of **{model}** becomes champion instead of version **{instead}**.",
            version=version, model=model.model, instead=instead,
        )  # fmt: skip
    st.markdown(said)
    if warning:
        st.warning(warning, icon=":material/warning:")
    reason = st.text_area(t("Reason"), max_chars=MOST_REASON, key=REASON).strip()
    if not _decided(action):
        return
    if not reason:
        st.error(t("Give a reason: it stands in the history."))
        return
    with explained():
        state = session.ask(client.crown, model.model, version, reason, instead)
        _finish(state, t("Version {version} of {model} is champion.", version=version, model=model.model))


def _reload(model: Model) -> None:
    st.markdown(t("Every process looks for the champion of **{model}** now.", model=model.model))
    if not _decided(t("Reload")):
        return
    with explained():
        state = session.ask(client.reload, model.model)
        if state.champion is None:
            said = t("No version of {model} answers.", model=model.model)
        else:
            said = t("Version {version} of {model} answers.", version=state.champion, model=model.model)
        _finish(state, said)


def _decided(action: str) -> bool:
    """Whether it is confirmed; the other button closes the dialog."""
    yes, no = st.columns(2)
    if no.button(t("Cancel"), key="models_cancel", width="stretch"):
        _close()
        st.rerun()
    return yes.button(action, key="models_confirm", type="primary", width="stretch")


def _finish(state: Model, said: str) -> None:
    """Show the new state at once: whichever process is asked next may not know it yet."""
    session.forget()
    _close()
    st.session_state[STATE], st.session_state[DONE] = state, said
    st.rerun()


def told(model: str) -> Model | None:
    """Say what was just done, once; gives the state that it left, of this model."""
    said = st.session_state.pop(DONE, None)
    state: Model | None = st.session_state.pop(STATE, None)
    if said:
        st.success(said, icon=":material/check:")
    if state is not None and state.problem:
        st.warning(verbatim(state.problem))
    return state if state is not None and state.model == model else None
