"""Performance of a version over time: expected before labels arrive, realised afterwards, and its limit."""

import streamlit as st

from streamlit_app.client.prometheus import TimeSeries
from streamlit_app.live.time_series import TimeRange, draw, query_series
from streamlit_app.translation import t

CLASS_METRICS, NUMBER_METRICS = ("accuracy", "f1_macro", "roc_auc"), ("mae", "rmse")
Lines = list[tuple[str, TimeSeries]]


def draw_history(model: str, version: int, time_range: TimeRange) -> None:
    """Draw the metrics and the label coverage of a version."""
    st.subheader(t("Performance"))
    st.caption(
        t(
            "Expected: from the calibrated probabilities, or from a model of the errors. Realised: from the "
            "labels received. Each point covers the rows of the preceding {window}.",
            window=time_range.window,
        )
    )
    selector = f'model="{model}", version="{version}", window="{time_range.window}"'
    measured = {
        metric: lines
        for metric, lines in _query_metrics(selector, time_range).items()
        if any(name != t("limit") for name, _ in lines)
    }
    if not measured:
        st.info(
            t(
                "There are no performance metrics yet. They require scored rows, and labels that were sent "
                "with `feedback`."
            )
        )
    cells = st.columns(2)
    for i, (metric, lines) in enumerate(measured.items()):
        title, unit = _label_metric(metric)
        with cells[i % 2]:
            draw(lines, title, unit, time_range, key=f"performance_{metric}", dashed=[t("limit")], zero=False)
    with cells[len(measured) % 2]:
        coverage = query_series(f"model:label_coverage:ratio{{{selector}}}", time_range)
        lines = [(t("labelled"), series) for series in coverage]
        draw(lines, t("Label coverage"), t("Share (0 to 1)"), time_range, key="coverage")


def _label_metric(metric: str) -> tuple[str, str]:
    """Return the title and the unit of a metric."""
    return {
        "accuracy": (t("Accuracy"), t("Share (0 to 1)")),
        "f1_macro": (t("F1, mean of the classes"), t("F1 (0 to 1)")),
        "roc_auc": ("ROC-AUC", t("Share (0 to 1)")),
        "mae": (t("Mean absolute error"), t("Unit of the prediction")),
        "rmse": (t("Root mean squared error"), t("Unit of the prediction")),
    }[metric]


def _query_metrics(selector: str, time_range: TimeRange) -> dict[str, Lines]:
    records = {metric: f"model:{metric}_{{kind}}:ratio" for metric in CLASS_METRICS}
    records |= {metric: f"model:{metric}_{{kind}}:value" for metric in NUMBER_METRICS}
    return {metric: _query_metric(metric, record, selector, time_range) for metric, record in records.items()}


def _query_metric(metric: str, record: str, selector: str, time_range: TimeRange) -> Lines:
    queries = {
        t("expected"): f"{record.format(kind='expected')}{{{selector}}}",
        t("realised"): f"{record.format(kind='realised')}{{{selector}}}",
        t("limit"): f'model:performance_limit:value{{{selector}, metric="{metric}"}}',
    }
    return [(name, series) for name, query in queries.items() for series in query_series(query, time_range)]
