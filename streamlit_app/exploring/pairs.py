"""Which columns go together: correlations of numbers, associations of categories."""

from itertools import combinations

import altair as alt
import pandas as pd
import streamlit as st

from streamlit_app import charts
from streamlit_app.client.data import Matrix, Overview
from streamlit_app.exploring.words import short, title
from streamlit_app.text import t

CELL_PIXELS, LABELS_PIXELS, FRAME_PIXELS = 26, 150, 60
NAMED = 3


def draw(overview: Overview) -> None:
    """Draw both."""
    titles = {each.name: title(each) for each in overview.columns}
    _heat(
        overview.correlations, titles, t("Correlation of numbers"), t("Pearson's r"),
        alt.Scale(scheme=charts.DIVERGING, domain=[-1, 1]), key="data_correlations",
    )  # fmt: skip
    if overview.target.name in overview.correlations.names and overview.classes:
        places = ", ".join(f"{label} = {place}" for place, label in enumerate(overview.classes))
        st.caption(t("What is predicted counts as a number: {places}.", places=places))
    _heat(
        overview.associations, titles, t("Association of categories"), t("Cramér's V"),
        alt.Scale(scheme="blues", domain=[0, 1]), key="data_associations",
    )  # fmt: skip


def strongest(matrix: Matrix) -> list[tuple[str, str, float]]:
    """Pairs of different columns, the strongest first."""
    pairs = (
        (one, other, matrix.cells[i][j]) for (i, one), (j, other) in combinations(enumerate(matrix.names), 2)
    )
    known = [(one, other, cell) for one, other, cell in pairs if cell is not None]
    return sorted(known, key=lambda each: -abs(each[2]))


def _heat(
    matrix: Matrix, titles: dict[str, str], name: str, measure: str, scale: alt.Scale, *, key: str
) -> None:
    pairs = strongest(matrix)
    if not pairs:
        return
    names = [titles[each] for each in matrix.names]
    order = [short(each) for each in matrix.names]
    drawn = pd.DataFrame(
        [
            {
                "one": short(one),
                "other": short(other),
                "value": matrix.cells[i][j],
                "first": titles[one],
                "second": titles[other],
            }
            for i, one in enumerate(matrix.names)
            for j, other in enumerate(matrix.names)
        ]
    )
    chart = (
        alt.Chart(drawn)
        .mark_rect()
        .encode(
            x=alt.X(
                "one:N", sort=order, title=None,
                axis=alt.Axis(labelAngle=-60, labelLimit=LABELS_PIXELS, labelOverlap=False),
            ),
            y=alt.Y(
                "other:N", sort=order, title=None, axis=alt.Axis(labelLimit=LABELS_PIXELS, labelOverlap=False)
            ),
            color=alt.Color("value:Q", title=measure, scale=scale, legend=alt.Legend(orient="top")),
            tooltip=[
                alt.Tooltip("first:N", title=t("Column")),
                alt.Tooltip("second:N", title=t("Column")),
                alt.Tooltip("value:Q", title=measure, format=".2f"),
            ],
        )
        .properties(height=CELL_PIXELS * len(names) + LABELS_PIXELS + FRAME_PIXELS)
    )  # fmt: skip
    described = "; ".join(
        f"{titles[one]} – {titles[other]}: {cell:.2f}" for one, other, cell in pairs[:NAMED]
    )
    table = pd.DataFrame(matrix.cells, columns=names, index=names).round(2)
    charts.show(
        chart, f"{name} ({measure})", t("The strongest: {pairs}.", pairs=described),
        table.rename_axis(t("Column")).reset_index(), key=key,
    )  # fmt: skip
    st.caption(t("The strongest: {pairs}.", pairs=described))
