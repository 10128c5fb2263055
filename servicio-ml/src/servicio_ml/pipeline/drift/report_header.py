"""Beginning of a report's page: the verdict and the exact tables, as plain HTML."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from servicio_ml.pipeline.drift.findings import DriftFindings
from servicio_ml.pipeline.drift.tables import (
    BEYOND,
    COLUMNS,
    DRIFT,
    OK,
    PERFORMANCE,
    build_column_rows,
    build_performance_rows,
)

# inline and scoped to the fragment: the page must work from a file, and its own styles stay intact
STYLE = """<style>
#servicio-ml{font:14px/1.5 system-ui,sans-serif;max-width:1100px;margin:24px auto;padding:0 16px;color:#222}
#servicio-ml table{border-collapse:collapse;margin:8px 0 20px}
#servicio-ml th,#servicio-ml td{padding:3px 12px;border-bottom:1px solid #ddd;text-align:right}
#servicio-ml th:first-child,#servicio-ml td:first-child{text-align:left}
#servicio-ml .bad{color:#b3261e;font-weight:600}
</style>"""
# in words as well: readers of the page need not know the names of the verdicts
MEANS = {
    "none": "No column has drifted, and no known performance violates its limit",
    "drift": "Rows have drifted; no known performance violates its limit",
    "impact": "Performance violates its limit",
}
BAD = (DRIFT, BEYOND)
MAX_SHOWN = 8


def render_header(found: DriftFindings, rows: int, reference_rows: int) -> str:
    """The HTML fragment.

    Args:
        found: Everything.
        rows: Number of rows of the window in the plots below.
        reference_rows: Number of training rows in the plots.
    """
    info = found.window.info
    sections = [
        STYLE,
        f"<h1>{escape(info.model)} version {info.version}: {found.verdict}</h1>",
        _render_window(found),
        "<h2>Drift of each column</h2>",
        _render_psi(found),
        _render_table(COLUMNS, build_column_rows(found)),
        _render_classifier(found),
        _render_performance(found),
        f"<p>The plots show {rows:,} rows and {reference_rows:,} training rows, chosen at random.</p>",
    ]
    return f'<div id="servicio-ml">{"".join(sections)}</div>'


def _render_window(found: DriftFindings) -> str:
    return (
        f"<p>{MEANS[found.verdict]}. {found.drift.rows:,} rows from {_format_day(found.window.start)} to "
        f"{_format_day(found.window.end)}, against the training rows of the same seasons.</p>"
    )


def _render_psi(found: DriftFindings) -> str:
    alarms = found.window.artifact.reference.policy.false_alarm_rate
    return (
        "<p>Population stability index (PSI) of all rows, in the bins of the reference. The threshold "
        "depends on the number of rows: without drift, any feature exceeds it in at most "
        f"{alarms:.0%} of the windows. "
        "The comparisons further below show the same PSI and threshold.</p>"
    )


def _render_classifier(found: DriftFindings) -> str:
    title, result = "<h2>Drift of all features together</h2>", found.classifier
    if result is None:
        return f"{title}<p>Not computed: {escape(found.note)}.</p>"
    summary = (
        f"<p>A domain classifier distinguishes {result.rows:,} rows from {result.reference_rows:,} training "
        f"rows, each by a model that was not fitted on it, with an AUC of {result.auc:.3f} (95 % interval "
        f"{result.low:.3f} to {result.high:.3f}). The result is drift when the interval is above "
        f"{result.practical:.3f}: "
        f"{_render_mark(DRIFT if result.drifted else OK)}</p>"
    )
    shares = [(name, f"{share:.1%}") for name, share in list(result.features.items())[:MAX_SHOWN]]
    return title + summary + _render_table(("feature", "share of the classifier's gain"), shares)


def _render_performance(found: DriftFindings) -> str:
    if not found.performance:
        return "<h2>Performance</h2><p>Unknown without ground truth.</p>"
    return "<h2>Performance</h2>" + _render_table(PERFORMANCE, build_performance_rows(found))


def _render_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    header = "".join(f"<th>{escape(each)}</th>" for each in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{_render_mark(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{lines}</table>"


def _render_mark(text: str) -> str:
    # only our own constants skip the escaping; all else may hold text of a use case
    return f'<span class="bad">{text}</span>' if text in BAD else escape(text)


def _format_day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
