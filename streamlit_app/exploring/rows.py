"""Rows as they are: the first of the published ones, and the rejected ones with their reasons."""

import pandas as pd
import streamlit as st

from streamlit_app.client.data import Overview
from streamlit_app.exploring.words import count, problem, title
from streamlit_app.text import t, told


def sample(overview: Overview) -> None:
    """The first rows."""
    table = overview.sample
    st.markdown(t("The first {number} rows as they are published.", number=len(table.rows)))
    st.dataframe(
        pd.DataFrame(table.rows, columns=table.names), width="stretch", hide_index=True, key="data_sample"
    )
    st.caption(t("`line` is the row's line in the raw file."))


def quarantine(overview: Overview) -> None:
    """The rejected rows."""
    found = overview.quarantine
    if not found.rows:
        st.success(t("No row was rejected."))
        return
    titles = {each.name: title(each) for each in overview.columns}
    st.markdown(t("**{rows} rows were rejected**, and why:", rows=count(found.rows)))
    reasons = [
        {
            t("Field"): titles.get(each.field or "", each.field or "–"),
            t("Reason"): problem(each.problem),
            t("Rows"): each.rows,
        }
        for each in found.reasons
    ]
    st.dataframe(pd.DataFrame(reasons), width="stretch", hide_index=True, key="data_reasons")
    st.markdown(t("**The first of them**"))
    flaws = [
        {
            t("Line"): each.line,
            t("Field"): titles.get(each.field or "", each.field or "–"),
            t("Value"): told("missing") if each.value is None and each.field else each.value or "",
            t("Reason"): problem(each.problem),
        }
        for each in found.examples
    ]
    st.dataframe(pd.DataFrame(flaws), width="stretch", hide_index=True, key="data_flaws")
