"""How the candidates of the latest training did."""

import pandas as pd
import streamlit as st

from streamlit_app.client.models import Candidate, Candidates
from streamlit_app.succession.words import FAILED, MILLISECONDS, PASSED, moment
from streamlit_app.text import t


def draw(found: Candidates) -> None:
    """Draw them, the winner first."""
    st.markdown(
        t(
            "The latest training, ended {at} UTC: {train} rows of {period} taught, {test} tested. The winner "
            "is first; the metrics are those on the test rows.",
            at=moment(found.ended), period=found.period, train=f"{found.train_rows:,}",
            test=f"{found.test_rows:,}",
        )
    )  # fmt: skip
    table = pd.DataFrame([_row(each) for each in found.candidates])
    numbers = [name for each in found.candidates[:1] for name in each.metrics]
    shown = {name: st.column_config.NumberColumn(format="%.5g") for name in (*numbers, *_measures())}
    st.dataframe(
        table, hide_index=True, width="stretch", column_config=shown,
        alt=t("The candidates with their metrics, the winner first"),
    )  # fmt: skip


def _measures() -> tuple[str, str, str]:
    return t("Validation"), t("± error"), t("One row (ms)")


def _row(each: Candidate) -> dict[str, object]:
    validation, error, latency = _measures()
    taken = each.latency_seconds
    return {
        t("Candidate"): each.candidate,
        t("Version"): each.version,
        validation: each.validation,
        error: each.validation_error,
        **each.metrics,
        latency: None if taken is None else taken * MILLISECONDS,
        t("May be promoted"): PASSED if each.eligible else f"{FAILED} {each.reason}",
        **({t("Trials"): each.trials} if each.trials else {}),
        t("Hyperparameters"): ", ".join(f"{name} {_short(value)}" for name, value in each.params.items()),
    }


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
