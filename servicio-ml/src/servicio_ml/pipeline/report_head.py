"""What a report's page begins with: the verdict and our own exact tables, as plain HTML."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from servicio_ml.pipeline.drift import Findings
from servicio_ml.pipeline.drift_tables import (
    BEYOND,
    COLUMNS,
    DRIFT,
    OK,
    PERFORMANCE,
    columns,
    performance,
)

STYLE = """<style>
#servicio-ml{font:14px/1.5 system-ui,sans-serif;max-width:1100px;margin:24px auto;padding:0 16px;color:#222}
#servicio-ml table{border-collapse:collapse;margin:8px 0 20px}
#servicio-ml th,#servicio-ml td{padding:3px 12px;border-bottom:1px solid #ddd;text-align:right}
#servicio-ml th:first-child,#servicio-ml td:first-child{text-align:left}
#servicio-ml .bad{color:#b3261e;font-weight:600}
</style>"""
MEANS = {
    "none": "Nothing has moved beyond its threshold",
    "drift": "Rows have moved; no performance that is known is beyond its limit",
    "impact": "Performance is beyond its limit",
}
BAD = (DRIFT, BEYOND)
MOST_SHOWN = 8


def head(found: Findings, rows: int, reference_rows: int) -> str:
    """The HTML fragment.

    Args:
        found: Everything.
        rows: Of the window, that the pictures below show.
        reference_rows: Training rows that they show.
    """
    info = found.window.info
    parts = [
        STYLE,
        f"<h1>{escape(info.model)} version {info.version}: {found.verdict}</h1>",
        _window(found),
        "<h2>Drift of each column</h2>",
        _index(found),
        _table(COLUMNS, columns(found)),
        _together(found),
        _performance(found),
        f"<p>The pictures show {rows:,} rows and {reference_rows:,} training rows, chosen at random.</p>",
    ]
    return f'<div id="servicio-ml">{"".join(parts)}</div>'


def _window(found: Findings) -> str:
    return (
        f"<p>{MEANS[found.verdict]}. {found.drift.rows:,} rows from {_day(found.window.start)} to "
        f"{_day(found.window.end)}, against the training rows of the same seasons.</p>"
    )


def _index(found: Findings) -> str:
    alarms = found.window.artifact.reference.policy.false_alarm_rate
    return (
        "<p>The stability index of all rows, in the bins of the reference. Its threshold knows the window's "
        f"size: without drift, any of the features exceeds it in {alarms:.0%} of the windows at the most. "
        "The comparisons further below show the same index and threshold.</p>"
    )


def _together(found: Findings) -> str:
    title, apart = "<h2>Drift of all features together</h2>", found.apart
    if apart is None:
        return f"{title}<p>Not looked at: {escape(found.note)}.</p>"
    told = (
        f"<p>A classifier tells {apart.rows:,} rows from {apart.reference_rows:,} training rows, each by a "
        f"model that has not seen it, with an AUC of {apart.auc:.3f} (95 % interval {apart.low:.3f} to "
        f"{apart.high:.3f}). It is drift when the interval is above {apart.practical:.3f}: "
        f"{_marked(DRIFT if apart.drifted else OK)}</p>"
    )
    shares = [(name, f"{share:.1%}") for name, share in list(apart.features.items())[:MOST_SHOWN]]
    return title + told + _table(("feature", "share of what tells them apart"), shares)


def _performance(found: Findings) -> str:
    if not found.performance:
        return "<h2>Performance</h2><p>Nothing is known without ground truth.</p>"
    return "<h2>Performance</h2>" + _table(PERFORMANCE, performance(found))


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    header = "".join(f"<th>{escape(each)}</th>" for each in columns)
    lines = "".join(f"<tr>{''.join(f'<td>{_marked(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{header}</tr>{lines}</table>"


def _marked(text: str) -> str:
    return f'<span class="bad">{text}</span>' if text in BAD else escape(text)


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
