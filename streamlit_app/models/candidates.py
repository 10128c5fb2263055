"""The candidates of the latest training with their metrics."""

import pandas as pd
import streamlit as st

from streamlit_app.client.models import CandidateResult, TrainingCandidates
from streamlit_app.models.labels import FAILED, MILLISECONDS, PASSED, describe_weights, format_time
from streamlit_app.translation import format_count, t


def draw(training: TrainingCandidates) -> None:
    """Draw the candidates, the winner first."""
    st.markdown(
        t(
            "The latest training ended {at} UTC. Data of {period}: {train} training rows, {test} test rows. "
            "The winner is first; the metrics are of the test rows.",
            at=format_time(training.ended), period=training.period, train=format_count(training.train_rows),
            test=format_count(training.test_rows),
        )
    )  # fmt: skip
    if weights := describe_weights(training.sample_weight):
        st.caption(weights)
    table = pd.DataFrame([_build_row(each) for each in training.candidates])
    metrics = [name for each in training.candidates[:1] for name in each.metrics]
    columns = {name: st.column_config.NumberColumn(format="%.5g") for name in (*metrics, *_label_measures())}
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=columns,
        alt=t("The candidates with their metrics, the winner first"),
    )  # fmt: skip


def _label_measures() -> tuple[str, str, str]:
    return t("Validation"), t("± error"), t("Latency of one row (ms)")


def _build_row(candidate: CandidateResult) -> dict[str, object]:
    validation, error, latency = _label_measures()
    seconds = candidate.latency_seconds
    params = (f"{name} {_format_param(value)}" for name, value in candidate.params.items())
    return {
        t("Candidate"): candidate.candidate,
        t("Version"): candidate.version,
        validation: candidate.validation,
        error: candidate.validation_error,
        **candidate.metrics,
        latency: None if seconds is None else seconds * MILLISECONDS,
        t("Eligible"): PASSED if candidate.eligible else f"{FAILED} {candidate.reason}",
        **({t("Trials"): candidate.trials} if candidate.trials else {}),
        t("Hyperparameters"): ", ".join(params),
    }


def _format_param(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
