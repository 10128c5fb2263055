"""The table of all columns: type, counts and summary statistics."""

import pandas as pd
import streamlit as st

from streamlit_app.client.data import ColumnOverview, DataOverview
from streamlit_app.data.labels import format_value, label_kind, label_with_unit
from streamlit_app.translation import format_count, t, translate

SHOWN_FREQUENT_VALUES = 3


def draw(overview: DataOverview) -> None:
    """Draw the table."""
    st.markdown(
        t(
            "{rows} rows and {columns} columns; the last column is the target.",
            rows=format_count(overview.rows),
            columns=len(overview.columns),
        )
    )
    rows = [_build_row(each) for each in overview.columns]
    st.dataframe(pd.DataFrame(rows), width="stretch", hide_index=True, key="data_columns")


def _build_row(column: ColumnOverview) -> dict[str, object]:
    frequent = (
        f"{translate(format_value(each.value))} ({format_count(each.rows)})"
        for each in column.frequent[:SHOWN_FREQUENT_VALUES]
    )
    return {
        t("Column"): label_with_unit(column),
        t("Name"): column.name,
        t("Type"): label_kind(column.kind),
        t("Values"): column.count,
        t("Missing"): column.missing,
        t("Unique values"): column.unique,
        t("Mean"): format_value(column.mean),
        t("Standard deviation"): format_value(column.std),
        t("Minimum"): format_value(column.minimum),
        t("Lower quartile"): format_value(column.lower_quartile),
        t("Median"): format_value(column.median),
        t("Upper quartile"): format_value(column.upper_quartile),
        t("Maximum"): format_value(column.maximum),
        t("Most frequent"): ", ".join(frequent),
    }
