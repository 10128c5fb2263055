"""Correlations of numeric columns and associations of categories."""

from collections.abc import Mapping
from itertools import combinations

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import DataOverview, PairMatrix
from streamlit_app.data.labels import label_column, shorten_name
from streamlit_app.translation import t

CELL_PIXELS, LABELS_PIXELS, FRAME_PIXELS = 26, 150, 60
NAMED_PAIRS = 3


def draw(overview: DataOverview) -> None:
    """Draw the correlations, then the associations."""
    labels = {each.name: label_column(each) for each in overview.columns}
    _draw_heatmap(
        overview.correlations, labels, t("Correlation of numeric columns"), t("Pearson's r"),
        alt.Scale(scheme=charts.DIVERGING, domain=[-1, 1]), key="data_correlations",
    )  # fmt: skip
    if overview.target.name in overview.correlations.names and overview.classes:
        codes = ", ".join(f"{label} = {code}" for code, label in enumerate(overview.classes))
        st.caption(t("Numeric codes of the target: {codes}.", codes=codes))
    _draw_heatmap(
        overview.associations, labels, t("Association of categories"), t("Cramér's V"),
        alt.Scale(scheme="blues", domain=[0, 1]), key="data_associations",
    )  # fmt: skip


def rank_pairs(matrix: PairMatrix) -> list[tuple[str, str, float]]:
    """Rank the pairs of different columns by the absolute value, the strongest first."""
    pairs = (
        (first, second, matrix.cells[i][j])
        for (i, first), (j, second) in combinations(enumerate(matrix.names), 2)
    )
    defined = [(first, second, cell) for first, second, cell in pairs if cell is not None]
    return sorted(defined, key=lambda each: -abs(each[2]))


def _draw_heatmap(
    matrix: PairMatrix, labels: Mapping[str, str], title: str, measure: str, scale: alt.Scale, *, key: str
) -> None:
    pairs = rank_pairs(matrix)
    if not pairs:
        return
    names = [labels[each] for each in matrix.names]
    top = "; ".join(
        f"{labels[first]} – {labels[second]}: {cell:.2f}" for first, second, cell in pairs[:NAMED_PAIRS]
    )
    description = t("Strongest pairs: {pairs}.", pairs=top)
    table = pd.DataFrame(matrix.cells, columns=names, index=names).round(2)
    charts.show(
        _build_heatmap(matrix, labels, measure, scale), f"{title} ({measure})", description,
        table.rename_axis(t("Column")).reset_index(), key=key,
    )  # fmt: skip
    st.caption(description)


def _build_heatmap(
    matrix: PairMatrix, labels: Mapping[str, str], measure: str, scale: alt.Scale
) -> alt.Chart:
    order = [shorten_name(each) for each in matrix.names]
    cells = pd.DataFrame(
        [
            {
                "first": shorten_name(first),
                "second": shorten_name(second),
                "value": matrix.cells[i][j],
                "first_label": labels[first],
                "second_label": labels[second],
            }
            for i, first in enumerate(matrix.names)
            for j, second in enumerate(matrix.names)
        ]
    )
    axis = alt.Axis(labelLimit=LABELS_PIXELS, labelOverlap=False)
    angled = alt.Axis(labelAngle=-60, labelLimit=LABELS_PIXELS, labelOverlap=False)
    heatmap: alt.Chart = (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X("first:N", sort=order, title=None, axis=angled),
            y=alt.Y("second:N", sort=order, title=None, axis=axis),
            color=alt.Color("value:Q", title=measure, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("first_label:N", title=t("Column")),
                alt.Tooltip("second_label:N", title=t("Column")),
                alt.Tooltip("value:Q", title=measure, format=".2f"),
            ],
        )
        .properties(height=CELL_PIXELS * len(order) + LABELS_PIXELS + FRAME_PIXELS)
    )
    return heatmap
