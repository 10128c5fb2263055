"""The table of all columns: type, counts and summary statistics."""

import pandas as pd
import streamlit as st

from streamlit_app.client.data import Column, Overview
from streamlit_app.exploring.words import count, kind, measured, shown
from streamlit_app.text import t, told

FREQUENT = 3


def draw(overview: Overview) -> None:
    """Draw it."""
    st.markdown(
        t("{rows} rows and {columns} columns; the last one is predicted.",
          rows=count(overview.rows), columns=len(overview.columns))
    )  # fmt: skip
    rows = [_row(each) for each in overview.columns]
    st.dataframe(pd.DataFrame(rows), width="stretch", hide_index=True, key="data_columns")


def _row(column: Column) -> dict[str, object]:
    frequent = (f"{told(shown(each.value))} ({count(each.rows)})" for each in column.frequent[:FREQUENT])
    return {
        t("Column"): measured(column),
        t("Name"): column.name,
        t("Type"): kind(column),
        t("Values"): column.count,
        t("Missing"): column.missing,
        t("Unique values"): column.unique,
        t("Mean"): shown(column.mean),
        t("Standard deviation"): shown(column.std),
        t("Minimum"): shown(column.minimum),
        t("Lower quartile"): shown(column.lower_quartile),
        t("Median"): shown(column.median),
        t("Upper quartile"): shown(column.upper_quartile),
        t("Maximum"): shown(column.maximum),
        t("Most frequent"): ", ".join(frequent),
    }
