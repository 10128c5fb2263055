"""The first published rows, and the rejected rows with their reasons."""

import pandas as pd
import streamlit as st

from streamlit_app.client.data import DataOverview, RejectedValue
from streamlit_app.data.labels import label_column, translate_problem
from streamlit_app.translation import format_count, t, t_plural


def draw_sample(overview: DataOverview) -> None:
    """Draw the first published rows."""
    table = overview.sample
    st.markdown(t_plural("First {number} published row.", "First {number} published rows.", len(table.rows)))
    st.dataframe(
        pd.DataFrame(table.rows, columns=table.names), width="stretch", hide_index=True, key="data_sample"
    )
    st.caption(t("`line` is the line of the row in the raw file."))


def draw_quarantine(overview: DataOverview) -> None:
    """Draw the reasons of rejection, and examples of rejected values."""
    quarantine = overview.quarantine
    if not quarantine.rows:
        st.success(t("No row was rejected."))
        return
    labels = {each.name: label_column(each) for each in overview.columns}
    st.markdown(
        t_plural(
            "**{rows} row was rejected**, for these reasons:",
            "**{rows} rows were rejected**, for these reasons:",
            quarantine.rows,
            rows=format_count(quarantine.rows),
        )
    )
    reasons = [
        {
            t("Field"): labels.get(each.field or "", each.field or "–"),
            t("Reason"): translate_problem(each.problem),
            t("Rows"): each.rows,
        }
        for each in quarantine.reasons
    ]
    st.dataframe(pd.DataFrame(reasons), width="stretch", hide_index=True, key="data_reasons")
    st.markdown("**" + t("Examples") + "**")
    examples = [
        {
            t("Line"): each.line,
            t("Field"): labels.get(each.field or "", each.field or "–"),
            t("Value"): _format_rejected(each),
            t("Reason"): translate_problem(each.problem),
        }
        for each in quarantine.examples
    ]
    st.dataframe(pd.DataFrame(examples), width="stretch", hide_index=True, key="data_examples")


def _format_rejected(rejected: RejectedValue) -> str:
    if rejected.value is None and rejected.field:
        return t("missing")
    return rejected.value or ""
