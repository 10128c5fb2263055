"""Tables, merged, sorted and coloured as in Grafana."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from grafana.preview.drawing import (
    CELL_CHARACTERS,
    DARK_TEXT,
    SMALL,
    PanelDrawing,
    format_with_names,
    get_colour,
)
from grafana.preview.panel_data import QueryResult
from grafana.tables import name_value_field
from matplotlib.patches import Rectangle


def draw_table(drawing: PanelDrawing) -> None:
    axes = drawing.axes
    axes.set_axis_off()
    organised = next(each["options"] for each in drawing.panel["transformations"] if each["id"] == "organize")
    columns = sorted(organised["renameByName"], key=organised["indexByName"].get)
    titles = [organised["renameByName"][each] for each in columns]
    for place, title in enumerate(titles):
        axes.text(
            (place + 0.5) / len(titles), 0.97, title, ha="center", va="top", fontsize=SMALL, weight="bold"
        )
    rows = _sort_rows(drawing.panel, _merge_rows(drawing.results), organised["renameByName"])
    height = 0.86 / max(len(rows), 5)
    for number, row in enumerate(rows):
        low = 0.86 - (number + 1) * height
        for place, (column, title) in enumerate(zip(columns, titles, strict=True)):
            if column in row:
                _draw_cell(drawing, (place / len(columns), low, 1 / len(columns), height), title, row[column])


def _draw_cell(drawing: PanelDrawing, box: tuple[float, float, float, float], title: str, value: Any) -> None:
    left, low, width, height = box
    settings = drawing.read_overrides("", title)
    ink, text = "black", str(value)
    if isinstance(value, float):
        text = format_with_names(settings, value, settings.get("unit", "short"))
        if "thresholds" in settings:
            colour = get_colour(settings["thresholds"]["steps"], value)
            drawing.axes.add_patch(
                Rectangle(
                    (left, low), width * 0.98, height * 0.92, color=colour, transform=drawing.axes.transAxes
                )
            )
            ink = "black" if colour in DARK_TEXT else "white"
    drawing.axes.text(
        left + width / 2, low + height / 2, text[:CELL_CHARACTERS], ha="center", va="center",
        color=ink, fontsize=SMALL, transform=drawing.axes.transAxes,
    )  # fmt: skip


def _merge_rows(answers: Sequence[QueryResult]) -> list[dict[str, Any]]:
    """Merge samples as Grafana's transformation "merge" does: those with equal common labels are one row."""
    rows: list[dict[str, Any]] = []
    for answer in answers:
        for _, series in answer.series:
            labels = {name: value for name, value in series.labels.items() if name != "__name__"}
            column = name_value_field(answer.ref, len(answers))
            for row in rows:
                if column not in row and all(row.get(name, value) == value for name, value in labels.items()):
                    row |= {**labels, column: series.latest}
                    break
            else:
                rows.append({**labels, column: series.latest})
    return rows


def _sort_rows(
    panel: Mapping[str, Any], rows: list[dict[str, Any]], titles: Mapping[str, str]
) -> list[dict[str, Any]]:
    for sort in panel["options"].get("sortBy", ()):
        column = next(name for name, title in titles.items() if title == sort["displayName"])
        return sorted(rows, key=lambda row: row.get(column, -np.inf), reverse=sort["desc"])
    return rows
