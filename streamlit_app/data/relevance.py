"""What each column explains of the target: information, and the correlation or association with it."""

import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import ColumnOverview, DataOverview, PairMatrix
from streamlit_app.data.bars import build_bars
from streamlit_app.data.labels import PERCENT, label_column
from streamlit_app.translation import t

BAR_PIXELS, LABEL_PIXELS = 22, 260


def draw(overview: DataOverview) -> None:
    """Draw the columns by what they explain of the target, the most first."""
    st.caption(
        t(
            "Information: the share of the target's entropy that the interval or level of a column "
            "explains by itself (mutual information, corrected for the number of rows). It sees any kind of "
            "dependence; Pearson's r sees a straight line, Cramér's V sees categories."
        )
    )
    ranked = rank_columns(overview)
    if not ranked:
        st.info(t("No column has two intervals or levels with rows."))
        return
    table = pd.DataFrame([_build_row(overview, each) for each in ranked])
    first = ranked[0]
    description = t(
        "{column} explains the most by itself: {share} % of the target's entropy.",
        column=label_column(first), share=f"{PERCENT * (first.information or 0):.1f}",
    )  # fmt: skip
    bars = build_bars(
        table, t("Column"), t("Information (%)"), bar_pixels=BAR_PIXELS, label_pixels=LABEL_PIXELS
    )
    charts.show(bars, t("Information on the target"), description, table, key="data_relevance")


def rank_columns(overview: DataOverview) -> list[ColumnOverview]:
    """Rank the columns with a defined share by what they explain of the target, the most first."""
    known = [each for each in overview.columns if each.information is not None]
    return sorted(known, key=lambda each: -(each.information or 0))


def find_with_target(matrix: PairMatrix, column: str, target: str) -> float | None:
    """Find the value of a column and the target; None where the matrix has not both."""
    if not {column, target} <= {*matrix.names}:
        return None
    return matrix.cells[matrix.names.index(column)][matrix.names.index(target)]


def _build_row(overview: DataOverview, column: ColumnOverview) -> dict[str, str | float | None]:
    target = overview.target.name
    return {
        t("Column"): label_column(column),
        t("Information (%)"): round(PERCENT * (column.information or 0), 2),
        t("Pearson's r"): find_with_target(overview.correlations, column.name, target),
        t("Cramér's V"): find_with_target(overview.associations, column.name, target),
    }
