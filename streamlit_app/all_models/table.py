"""The table of all models, whose rows lead to their pages."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from streamlit_app.all_models.measurements import ModelMeasurements, PerformanceMargin
from streamlit_app.client.service import ModelInfo, ServerInfo
from streamlit_app.new_use_case.state import LANDING
from streamlit_app.session import label_use_case
from streamlit_app.translation import format_count, t

ISOLATED = "isolated_process"


def draw(server: ServerInfo, models: Sequence[ModelInfo], measured: Mapping[str, ModelMeasurements]) -> None:
    """Draw one row a model; the selection of a row leads to its page Predict."""
    st.caption(t("Select a row to open the model."))
    rows = [
        _build_row(each, label_use_case(each.model, server.titles), measured.get(each.model))
        for each in models
    ]
    event = st.dataframe(
        pd.DataFrame(rows), hide_index=True, width="stretch", key="home_models", on_select="rerun",
        selection_mode="single-row", column_config={t("State"): st.column_config.TextColumn(width="small")},
    )  # fmt: skip
    st.caption(
        t(
            "Performance: realised where labels have arrived, else expected, over 7 days, of the metric that "
            "is nearest to the limit of its alert. Margin: how far it is from the limit; negative beyond it."
        )
    )
    if event.selection.rows:
        st.session_state[LANDING] = models[event.selection.rows[0]].model
        st.rerun()


def _build_row(model: ModelInfo, title: str, measured: ModelMeasurements | None) -> dict[str, str]:
    nearest = _find_nearest(measured, model.champion)
    return {
        t("Use case"): title,
        t("State"): model.problem or (t("not loaded") if model.loaded is None else t("ready")),
        t("Champion"): _describe_champion(model),
        t("Predictions in 24 h"): _format_predictions(measured),
        t("Performance"): f"{nearest.metric} {nearest.value:.4g}" if nearest else "–",
        t("Margin"): f"{nearest.margin:+.4g}" if nearest else "–",
        t("Last training"): _format_last_training(model),
        t("Alerts"): _describe_alerts(measured),
    }


def _find_nearest(measured: ModelMeasurements | None, version: int | None) -> PerformanceMargin | None:
    margins = measured.margins.get(str(version), []) if measured else []
    return min(margins, key=lambda each: each.margin / (abs(each.limit) or 1), default=None)


def _describe_champion(model: ModelInfo) -> str:
    if model.champion is None:
        return "–"
    if model.runtime == ISOLATED:
        return t("version {version}, isolated", version=model.champion)
    return t("version {version}", version=model.champion)


def _format_last_training(model: ModelInfo) -> str:
    last = max((each.created for each in model.versions), default=None)
    return "–" if last is None else f"{datetime.fromtimestamp(last, UTC):%Y-%m-%d %H:%M}"


def _format_predictions(measured: ModelMeasurements | None) -> str:
    return format_count(round(measured.predictions)) if measured and measured.predictions is not None else "–"


def _describe_alerts(measured: ModelMeasurements | None) -> str:
    if measured is None:
        return "–"
    counts = ((t("page"), measured.pages), (t("ticket"), measured.tickets))
    return ", ".join(f"{number} × {name}" for name, number in counts if number) or t("none")
