"""How right a model is: expected before labels come, realised when they have come, beside its limit."""

import streamlit as st

from streamlit_app.client.prometheus import Line
from streamlit_app.text import t
from streamlit_app.watching.lines import Range, asked, draw

CLASSES = ("accuracy", "f1_macro")


def draw_over(model: str, version: int, span: Range) -> None:
    """Metrics and label coverage of a version over time."""
    st.subheader(t("Performance"))
    window = t("Of the rows of the last {window} at each time.", window=span.window)
    st.caption(
        t("Expected: from the calibrated probabilities. Realised: by the labels that came.") + " " + window
    )
    of = f'model="{model}", version="{version}", window="{span.window}"'
    coverage = asked(f"model:label_coverage:ratio{{{of}}}", span)
    parts = [(metric, _lines(metric, f"model:{metric}_{{kind}}:ratio", of, span)) for metric in CLASSES]
    parts.append(("mae", _lines("mae", "model:mae_{kind}:value", of, span)))
    known = [(metric, lines) for metric, lines in parts if any(name != t("limit") for name, _ in lines)]
    if not known:
        st.info(t("Nothing is known of the performance yet: it takes scored rows, and labels by `feedback`."))
    titles = {
        "accuracy": t("Accuracy"),
        "f1_macro": t("F1, mean of the classes"),
        "mae": t("Mean absolute error"),
    }
    units = {
        "accuracy": t("Share (0 to 1)"),
        "f1_macro": t("F1 (0 to 1)"),
        "mae": t("Unit of the prediction"),
    }
    cells = st.columns(2)
    for i, (metric, lines) in enumerate(known):
        with cells[i % 2]:
            draw(
                lines, titles[metric], units[metric], span, key=f"performance_{metric}",
                dashed=[t("limit")], zero=False,
            )  # fmt: skip
    with cells[len(known) % 2]:
        draw(
            [(t("labelled"), line) for line in coverage],
            t("Label coverage"),
            t("Share (0 to 1)"),
            span,
            key="coverage",
        )


def _lines(metric: str, record: str, of: str, span: Range) -> list[tuple[str, Line]]:
    named = {
        t("expected"): f"{record.format(kind='expected')}{{{of}}}",
        t("realised"): f"{record.format(kind='realised')}{{{of}}}",
        t("limit"): f'model:performance_limit:value{{{of}, metric="{metric}"}}',
    }
    return [(name, line) for name, query in named.items() for line in asked(query, span)]
