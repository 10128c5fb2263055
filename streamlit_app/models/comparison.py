"""Champion and challenger side by side, with the latest evaluation."""

import streamlit as st

from streamlit_app.client.models import ChampionDecision, ChampionHistory
from streamlit_app.client.service import ModelInfo, ModelVersion
from streamlit_app.models import decision
from streamlit_app.models.labels import (
    CHALLENGER,
    CHAMPION,
    find_version,
    format_number,
    format_time,
    get_candidate,
)
from streamlit_app.translation import escape_markdown, t

METRIC_DIGITS = 5
MILLISECONDS = 1000


def draw(model: ModelInfo, history: ChampionHistory) -> None:
    """Draw the champion, the challenger and the evaluation of the challenger."""
    champion, challenger = find_version(model, CHAMPION), find_version(model, CHALLENGER)
    evaluation = history.find_evaluation(challenger.version) if challenger else None
    left, right = st.columns(2)
    with left.container(border=True):
        st.subheader(t("Champion"))
        _draw_champion(model, champion, evaluation)
    with right.container(border=True):
        st.subheader(t("Challenger"))
        _draw_challenger(model, champion, challenger, evaluation)
    st.subheader(t("Latest evaluation"))
    _draw_evaluation(model, champion, challenger, evaluation)


def _is_same(champion: ModelVersion | None, challenger: ModelVersion | None) -> bool:
    return champion is not None and challenger is not None and champion.version == challenger.version


def _draw_champion(
    model: ModelInfo, champion: ModelVersion | None, evaluation: ChampionDecision | None
) -> None:
    if champion is None:
        st.info(
            t(
                "No version is champion, so the server makes no predictions. Promote a version with "
                "`servicio-ml promote {model}`, or under Administration below.",
                model=model.model,
            )
        )
        return
    _draw_version(champion)
    if model.row_seconds is not None:
        st.caption(
            t(
                "Not converted to ONNX, it runs in an isolated process: about {milliseconds} ms a row.",
                milliseconds=format_number(model.row_seconds * MILLISECONDS),
            )
        )
    if model.champion != champion.version:
        problem = escape_markdown(model.problem) or t("the server is loading it")
        st.warning(t("The server does not serve this version: {problem}", problem=problem))
    was_champion = evaluation is not None and evaluation.version != champion.version
    _draw_metric(evaluation, champion=was_champion)


def _draw_challenger(
    model: ModelInfo,
    champion: ModelVersion | None,
    challenger: ModelVersion | None,
    evaluation: ChampionDecision | None,
) -> None:
    if challenger is None:
        st.info(
            t("There is no challenger yet. Train one with `servicio-ml train {model}`.", model=model.model)
        )
    elif _is_same(champion, challenger):
        st.markdown(
            t("The latest challenger, version {version}, is the champion.", version=challenger.version)
        )
    else:
        _draw_version(challenger)
        _draw_metric(evaluation, champion=False)


def _draw_evaluation(
    model: ModelInfo,
    champion: ModelVersion | None,
    challenger: ModelVersion | None,
    evaluation: ChampionDecision | None,
) -> None:
    if challenger is None:
        st.caption(t("There is no challenger to evaluate."))
    elif evaluation is None:
        st.info(
            t(
                "Version {version} has not been evaluated yet. `servicio-ml promote {model}` evaluates it, "
                "and makes it champion if it passes all gates.",
                version=challenger.version, model=model.model,
            )
        )  # fmt: skip
    else:
        decision.draw(evaluation, "models_gain")
        has_changed = champion is not None and evaluation.against not in {champion.version, None}
        if has_changed and not _is_same(champion, challenger):
            st.warning(
                t(
                    "The champion has changed since then. Run `servicio-ml promote {model}` again.",
                    model=model.model,
                )
            )


def _draw_version(version: ModelVersion) -> None:
    st.metric(t("Version"), f"{version.version} · {get_candidate(version)}")
    if version.tags.get("stage") == "imported":
        st.markdown(_describe_import(version))
        return
    text = t(
        "Trained {at} UTC on the data of {period}.", at=format_time(version.created),
        period=version.tags.get("period", "–"),
    )  # fmt: skip
    if until := version.tags.get("trained_until"):
        text += " " + t("Last training row: {until}.", until=until)
    st.markdown(text)


def _describe_import(version: ModelVersion) -> str:
    at, source = format_time(version.created), escape_markdown(version.tags.get("source", "–"))
    if period := version.tags.get("period"):
        return t(
            "Imported {at} UTC from {source}; measured on the data of {period}.", at=at, source=source,
            period=period,
        )  # fmt: skip
    return t(
        "Imported {at} UTC from {source}, with rows without ground truth: its quality was not measured.",
        at=at, source=source,
    )  # fmt: skip


def _draw_metric(evaluation: ChampionDecision | None, *, champion: bool) -> None:
    if evaluation is None or evaluation.evidence is None:
        return
    evidence = evaluation.evidence
    value = evidence.comparison.champion if champion else evidence.comparison.challenger
    label = (
        t(
            "{metric} on the same rows, weighted by {field}",
            metric=evidence.metric,
            field=evidence.sample_weight,
        )
        if evidence.sample_weight
        else t("{metric} on the same rows", metric=evidence.metric)
    )
    st.metric(label, format_number(value, METRIC_DIGITS))
