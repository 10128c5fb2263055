"""Champion and challenger side by side, with the latest judgement."""

import streamlit as st

from streamlit_app.client.models import Decision, History
from streamlit_app.client.service import Model, Version
from streamlit_app.succession import verdict
from streamlit_app.succession.words import CHALLENGER, CHAMPION, bearer, candidate, moment, number
from streamlit_app.text import t, verbatim


def draw(model: Model, history: History) -> None:
    """Draw them."""
    champion, challenger = bearer(model, CHAMPION), bearer(model, CHALLENGER)
    same = champion is not None and challenger is not None and champion.version == challenger.version
    judged = history.judgement(challenger.version) if challenger else None
    left, right = st.columns(2)
    with left.container(border=True):
        st.subheader(t("Champion"))
        _champion(model, champion, judged)
    with right.container(border=True):
        st.subheader(t("Challenger"))
        if challenger is None:
            st.info(t("There is none yet. `servicio-ml train {model}` makes one.", model=model.model))
        elif same:
            st.markdown(
                t("The latest challenger, version {version}, is the champion.", version=challenger.version)
            )
        else:
            _described(challenger)
            _measured(judged, champion=False)
    st.subheader(t("The latest judgement"))
    if judged is not None:
        verdict.draw(judged, "models_gain")
        if champion is not None and judged.against not in {champion.version, None} and not same:
            st.warning(
                t(
                    "The champion has changed since. Judge again with `servicio-ml promote {model}`.",
                    model=model.model,
                )
            )
    elif challenger is None:
        st.caption(t("There is nothing to judge yet."))
    else:
        st.info(
            t(
                "Nobody has judged version {version} yet. `servicio-ml promote {model}` does, and makes it "
                "champion if it passes.",
                version=challenger.version, model=model.model,
            )
        )  # fmt: skip


def _champion(model: Model, champion: Version | None, judged: Decision | None) -> None:
    if champion is None:
        st.info(
            t(
                "No version is champion, so nothing answers. Promote one with `servicio-ml promote {model}`, "
                "or below, under Administration.",
                model=model.model,
            )
        )
        return
    _described(champion)
    if model.champion != champion.version:
        st.warning(
            t(
                "The server does not answer with it: {problem}",
                problem=verbatim(model.problem) or t("it is loading"),
            )
        )
    _measured(judged, champion=judged is not None and judged.version != champion.version)


def _described(version: Version) -> None:
    st.metric(t("Version"), f"{version.version} · {candidate(version)}")
    until = version.tags.get("trained_until")
    st.markdown(
        t(
            "Trained {at} UTC on the data of {period}.", at=moment(version.created),
            period=version.tags.get("period", "–"),
        )
        + (" " + t("It learned from rows up to {until}.", until=until) if until else "")
    )  # fmt: skip


def _measured(judged: Decision | None, *, champion: bool) -> None:
    if judged is None or judged.evidence is None:
        return
    both = judged.evidence.comparison
    value = both.champion if champion else both.challenger
    st.metric(t("{metric} on the same rows", metric=judged.evidence.metric), number(value, 5))
