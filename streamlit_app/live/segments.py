"""Performance of a version by the values of its segments, the worst first."""

from collections import defaultdict

import pandas as pd
import streamlit as st

from streamlit_app import session
from streamlit_app.client import prometheus
from streamlit_app.translation import t

WINDOW = "30d"
MAX_SHOWN = 20
"""Maximum number of values that are shown."""
SegmentKey = tuple[str, str]


def draw_segments(model: str, version: int) -> None:
    """Draw the table of the segments; nothing where the version has none with ground truth."""
    columns = {
        "excess": t("Standard errors"), "rows": t("Rows"), "labels": t("Labelled rows"), "loss": t("Loss"),
        "reference": t("Loss on unseen rows"), "expected": t("Expected loss"),
    }  # fmt: skip
    found = _query_values(f'model="{model}", version="{version}"')
    shown = sorted((key for key in found if "excess" in found[key]), key=lambda key: -found[key]["excess"])
    if not shown:
        return
    st.subheader(t("Segments"))
    st.caption(
        t(
            "Rows of 30 days by the values of the segments, the worst first. Loss: share of wrong labels, or "
            "mean absolute error. An alert fires where the loss exceeds that of unseen rows by more standard "
            "errors than chance."
        )
    )
    table = pd.DataFrame(
        [
            {
                t("Segment"): segment, t("Value"): value,
                **{title: found[segment, value].get(name) for name, title in columns.items()},
            }
            for segment, value in shown[:MAX_SHOWN]
        ]
    )  # fmt: skip
    st.dataframe(table, hide_index=True)


def _query_values(version: str) -> dict[SegmentKey, dict[str, float]]:
    """Query each number by segment and value."""
    window = f'{version}, window="{WINDOW}"'
    queries = {
        "excess": f"segment:loss:deviations{{{window}}}",
        "rows": f"segment:predictions:rows{{{window}}}",
        "labels": f"segment:labels:rows{{{window}}}",
        "loss": f"segment:loss_realised:value{{{window}}}",
        "expected": f"segment:loss_expected:value{{{window}}}",
        "reference": f"max by (segment, value) (servicio_ml_segment_reference_loss{{{version}}})",
    }
    found: dict[SegmentKey, dict[str, float]] = defaultdict(dict)
    for name, query in queries.items():
        for sample in session.query_prometheus(prometheus.query_now, query):
            found[sample.labels.get("segment", ""), sample.labels.get("value", "")][name] = sample.value
    return found
