"""Records of the rates of the groups of protected attributes, each with the interval that its rows leave.

The labels `segment` and `value` are the attribute and the group, `figure` is the rate.
"""

from collections.abc import Iterator

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, SEGMENT, compute_growth, compute_ratio, sum_over_window
from monitoring.rule import RecordingRule

ANSWERS, TRUTHS = "segment:answers:increase5m", "segment:truths:increase5m"
PROTECTED = "model, version, segment"


def build_base_records(step: str) -> Iterator[RecordingRule]:
    """Build the counts of one step: rows by answer, and labelled rows by answer and truth."""
    # over the truths, the probabilities of a row sum up to the row
    answers = compute_growth("servicio_ml_segment_expected_confusion_total", step)
    truths = compute_growth("servicio_ml_segment_realised_confusion_total", step)
    yield RecordingRule(name=ANSWERS, expr=f"sum by ({SEGMENT}, predicted) ({answers})")
    yield RecordingRule(name=TRUTHS, expr=f"sum by ({SEGMENT}, predicted, actual) ({truths})")


def build_window_records(window: str, step: str) -> Iterator[RecordingRule]:
    """Build the records of one window."""
    answers, truths = (sum_over_window(base, window, step) for base in (ANSWERS, TRUTHS))
    positive = _restrict(truths, "and", "actual")
    rates = {
        "selection_rate": (answers, _restrict(answers, "and", "predicted")),
        "tpr": (positive, _restrict(positive, "and", "predicted")),
        "fpr": (_restrict(truths, "unless", "actual"), None),
    }
    for figure, (rows, selected) in rates.items():
        taken = selected or _restrict(rows, "and", "predicted")
        for name, expression in _build_expressions(f"({rows})", f"({taken})", window, figure).items():
            yield RecordingRule(
                name=f"segment:rate:{name}", expr=expression, labels={"window": window, "figure": figure}
            )


def _restrict(rows: str, operator: str, label: str) -> str:
    """Restrict rows of protected attributes to those whose answer or truth is positive, or is not."""
    attribute = f"max by ({PROTECTED}) (servicio_ml_protected)"
    named = f"max by ({PROTECTED}, label) (servicio_ml_protected)"
    positive = f'label_replace({named}, "{label}", "$1", "label", "(.+)")'
    known = f"({rows}) and on ({PROTECTED}) {attribute}" if operator == "unless" else f"({rows})"
    return f"({known}) {operator} on ({PROTECTED}, {label}) {positive}"


def _build_expressions(rows: str, selected: str, window: str, figure: str) -> dict[str, str]:
    """Build rows, rate and both ends of its interval, of Agresti and Coull (1998), for dependent rows."""
    mine = f'window="{window}", figure="{figure}"'
    all_rows, rate = f"sum by ({SEGMENT}) ({rows})", f"segment:rate:ratio{{{mine}}}"
    z = limits.CONFIDENCE_DEVIATIONS
    number = f"(segment:rate:rows{{{mine}}} / {DESIGN_EFFECT})"
    total = f"({number} + {z**2:.4f})"
    centre = f"(({rate} * {number} + {z**2 / 2:.4f}) / {total})"
    half = f"{z} * sqrt({centre} * (1 - {centre}) / {total})"
    return {
        "rows": f"{all_rows} > 0",
        "ratio": compute_ratio(f"sum by ({SEGMENT}) ({selected})", all_rows),
        "lower": f"{centre} - {half}",
        "upper": f"{centre} + {half}",
    }
