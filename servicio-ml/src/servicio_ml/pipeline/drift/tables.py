"""The tables of what was found in a window, as text: for the terminal and for the report's page."""

from servicio_ml.pipeline.drift.findings import DriftFindings

COLUMNS = ("column", "PSI", "threshold", "missing", "missing in training", "verdict")
PERFORMANCE = ("metric", "value", "limit", "rows", "verdict")
OK, DRIFT, BEYOND = "ok", "DRIFT", "BEYOND"
"""Verdicts."""


def build_column_rows(found: DriftFindings) -> list[tuple[str, ...]]:
    """A row under `COLUMNS` for each column of a window that has rows, the one that drifted most first."""
    return [
        (
            each.name,
            f"{each.shift.psi:.4f}" if each.shift else "–",
            f"{each.shift.threshold:.4f}" if each.shift else "–",
            f"{each.counts[-1] / found.drift.rows:.1%}",
            f"{each.shares[-1]:.1%}",
            DRIFT if each.drifted else OK,
        )
        for each in found.ranked
    ]


def build_performance_rows(found: DriftFindings) -> list[tuple[str, ...]]:
    """A row under `PERFORMANCE` for each performance that is known."""
    return [
        (
            f"{each.metric}, {each.source}",
            f"{each.value:.4g}",
            "–" if each.limit is None else f"{each.limit:.4g}",
            f"{each.rows:,}",
            "–" if each.limit is None else BEYOND if each.beyond else OK,
        )
        for each in found.performance
    ]
