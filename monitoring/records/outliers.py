"""Records of outliers: rows with a score, and the share of them above the limit."""

from collections.abc import Iterator

from monitoring.promql import VERSION, compute_growth, compute_ratio, sum_over_window
from monitoring.rule import RecordingRule

BASE = "outlier:rows:increase5m"


def build_base_records(step: str) -> Iterator[RecordingRule]:
    """Build the counts of one step."""
    growth = compute_growth("servicio_ml_outliers_total", step)
    yield RecordingRule(name=BASE, expr=f"sum by ({VERSION}, outlier) ({growth})")


def build_window_records(window: str, step: str) -> Iterator[RecordingRule]:
    """Build the records of one window."""
    above = sum_over_window(f'{BASE}{{outlier="true"}}', window, step)
    rows = f"sum by ({VERSION}) ({sum_over_window(BASE, window, step)})"
    for name, expression in {
        "model:outlier_scores:rows": f"{rows} > 0",
        "model:outliers:ratio": compute_ratio(f"sum by ({VERSION}) ({above})", rows),
    }.items():
        yield RecordingRule(name=name, expr=expression, labels={"window": window})
