"""Pictures of the dashboards, drawn without Grafana.

`python -m grafana.preview.render --prometheus URL --out FOLDER [--from=-1h] [--only NAME] [--set model=NAME]`
"""

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from grafana.board import GRID_COLUMNS
from grafana.generate import FOLDER
from grafana.preview.charts import draw_panel
from grafana.preview.drawing import PanelDrawing
from grafana.preview.panel_data import (
    MIN_RATE_SECONDS,
    EvaluationTime,
    find_events,
    resolve_variables,
    run_queries,
)
from grafana.preview.prometheus import PrometheusClient
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from monitoring.rule import UNIT_MILLISECONDS, parse_milliseconds

from grafana.preview import variables

COLUMN_INCHES, ROW_INCHES = 0.72, 0.36
HEAD_INCHES, TITLE_INCHES = 0.5, 0.26
LEFT, RIGHT, BOTTOM = 0.75, 0.12, 0.3
"""Margins around the axes of a panel for their labels, in inches."""
WIDE_LABELS = {"state-timeline": 1.9, "bargauge": 1.3, "heatmap": 1.3}
BARE = {"stat", "table"}
DOTS_PER_INCH = 80
SLANTED_INCHES = 0.75


def draw_board(
    board: Mapping[str, Any], prometheus: PrometheusClient, span: EvaluationTime, wanted: Mapping[str, str]
) -> Figure:
    """Draw a dashboard with its panels on the grid."""
    values = resolve_variables(board, prometheus, span, wanted)
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"])
    height = HEAD_INCHES + rows * ROW_INCHES
    figure = Figure(figsize=(GRID_COLUMNS * COLUMN_INCHES, height), facecolor="white")
    named = [each["name"] for each in board["templating"]["list"] if each["type"] in {"query", "custom"}]
    chosen = "   ".join(f"{name} = {values[name]}" for name in named)
    figure.text(0.006, 1 - 0.3 / height, f"{board['title']}     {chosen}", fontsize=13, weight="bold")
    marks = find_events(board, prometheus, span, values)
    for panel in board["panels"]:
        if panel["type"] == "row":
            at = 1 - (HEAD_INCHES + panel["gridPos"]["y"] * ROW_INCHES + 0.26) / height
            figure.text(0.006, at, panel["title"].upper(), fontsize=10, weight="bold", color="#555555")
            continue
        found = run_queries(panel, prometheus, span, values)
        axes = _add_axes(figure, panel, variables.replace_variables(panel["title"], values))
        draw_panel(PanelDrawing(panel=panel, results=found, axes=axes, span=span, events=marks))
    return figure


def _add_axes(figure: Figure, panel: Mapping[str, Any], title: str) -> Axes:
    """Write the title of a panel and add its axes below it; positions count in inches from the top left."""
    width, height = figure.get_size_inches()
    place = panel["gridPos"]
    left, top = place["x"] * COLUMN_INCHES, HEAD_INCHES + place["y"] * ROW_INCHES
    figure.text((left + 0.08) / width, 1 - (top + 0.2) / height, title, fontsize=9, weight="bold")
    before, below = WIDE_LABELS.get(panel["type"], LEFT), BOTTOM
    if panel["type"] in BARE:
        before, below = 0.08, 0.06
    elif panel["type"] == "barchart":
        below = SLANTED_INCHES
    inner = place["h"] * ROW_INCHES - TITLE_INCHES - below
    across = place["w"] * COLUMN_INCHES - before - RIGHT
    low = height - top - TITLE_INCHES - inner
    axes = figure.add_axes(((left + before) / width, low / height, across / width, inner / height))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return axes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m grafana.preview.render", description=__doc__)
    parser.add_argument("--prometheus", required=True, metavar="URL")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--from", dest="since", default="-1h", help="start of the time range, such as -1h")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME", help="draw only this dashboard"
    )
    parser.add_argument("--set", action="append", default=[], metavar="VARIABLE=VALUE", dest="chosen")
    parser.add_argument(
        "--rate", type=float, default=MIN_RATE_SECONDS, help="minimum of $__rate_interval, in seconds"
    )
    given = parser.parse_args()
    mpl.use("agg")
    given.out.mkdir(parents=True, exist_ok=True)
    now = time.time()
    ago = parse_milliseconds(given.since.lstrip("-")) / UNIT_MILLISECONDS["s"]
    span = EvaluationTime(start=now - ago, end=now, rate=given.rate)
    wanted = dict(each.split("=", 1) for each in given.chosen)
    for path in sorted(FOLDER.glob("*.json")):
        if not given.only or path.stem in given.only:
            made = draw_board(json.loads(path.read_text()), PrometheusClient(given.prometheus), span, wanted)
            made.savefig(given.out / f"{path.stem}.png", dpi=DOTS_PER_INCH)


if __name__ == "__main__":
    main()
