"""When each step of the pipelines last succeeded, against the age that an alert takes offence at."""

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import live, prometheus
from streamlit_app.text import t

AGE = 'pipeline:age_seconds:max{{use_case="{model}"}}'
LATE = {"etl": "EtlLate", "train": "TrainingLate", "report": "DriftReportLate"}
"""The alert whose limit each step has."""
HOUR_SECONDS, DAY_SECONDS = 3600, 86400


def draw(model: str) -> None:
    """Draw a table, a row for each step."""
    st.subheader(t("Freshness of the pipelines"))
    limits = session.measured(live.limits)
    ages = {
        each.labels.get("step", ""): each.value
        for each in session.measured(prometheus.now, AGE.format(model=model))
    }
    if not ages:
        st.info(t("No step has told of a success yet: steps send their times to StatsD (`STATSD_HOST`)."))
        return
    rows = [
        (
            step,
            _age(age),
            _age(limit) if (limit := limits.get(LATE.get(step, ""))) else "–",
            _verdict(age, limit),
        )
        for step, age in sorted(ages.items())
    ]
    heads = [t("Step"), t("Last success"), t("At most"), t("Verdict")]
    st.dataframe(pd.DataFrame(rows, columns=heads), hide_index=True, width="stretch")


def _verdict(age: float, limit: float | None) -> str:
    return "–" if limit is None else t("late") if age > limit else t("in time")


def _age(seconds: float) -> str:
    if seconds >= DAY_SECONDS:
        return t("{number} days", number=f"{seconds / DAY_SECONDS:.1f}")
    return t("{number} hours", number=f"{seconds / HOUR_SECONDS:.1f}")
