"""Age of the last success of each pipeline step, beside the limit of its alert."""

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import live, prometheus
from streamlit_app.translation import t

AGE_QUERY = 'pipeline:age_seconds:max{{use_case="{model}"}}'
LATE_ALERTS = {"etl": "EtlLate", "train": "TrainingLate", "report": "DriftReportLate"}
"""Alert on the age of each step."""
HOUR_SECONDS, DAY_SECONDS = 3600, 86400


def draw(model: str) -> None:
    """Draw a table with one row per step."""
    st.subheader(t("Age of the pipelines"))
    limits = session.query_prometheus(live.fetch_alert_limits)
    samples = session.query_prometheus(prometheus.query_now, AGE_QUERY.format(model=model))
    ages = {each.labels.get("step", ""): each.value for each in samples}
    if not ages:
        st.info(t("No pipeline step of this model has ended well yet."))
        return
    rows = [
        _build_row(step, age, limits.get(LATE_ALERTS.get(step, ""))) for step, age in sorted(ages.items())
    ]
    titles = [t("Step"), t("Last success"), t("Maximum"), t("Verdict")]
    st.dataframe(pd.DataFrame(rows, columns=titles), hide_index=True, width="stretch")


def _build_row(step: str, age: float, limit: float | None) -> tuple[str, str, str, str]:
    if limit is None:
        return step, _format_age(age), "–", "–"
    verdict = t("late") if age > limit else t("in time")
    return step, _format_age(age), _format_age(limit), verdict


def _format_age(seconds: float) -> str:
    if seconds >= DAY_SECONDS:
        return t("{number} days", number=f"{seconds / DAY_SECONDS:.1f}")
    return t("{number} hours", number=f"{seconds / HOUR_SECONDS:.1f}")
