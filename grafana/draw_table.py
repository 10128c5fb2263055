"""Draws a table as Grafana would merge, order and colour it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from grafana.drawing import CELL_CHARACTERS, DARK_TEXT, SMALL, Drawing, colour_of, said
from grafana.panel_data import Answer
from grafana.tables import value_field
from matplotlib.patches import Rectangle


def draw_table(drawing: Drawing) -> None:
    axes = drawing.axes
    axes.set_axis_off()
    organised = next(each["options"] for each in drawing.panel["transformations"] if each["id"] == "organize")
    columns = sorted(organised["renameByName"], key=organised["indexByName"].get)
    titles = [organised["renameByName"][each] for each in columns]
    for place, title in enumerate(titles):
        axes.text(
            (place + 0.5) / len(titles), 0.97, title, ha="center", va="top", fontsize=SMALL, weight="bold"
        )
    rows = _sorted(drawing.panel, _merged(drawing.answers), organised["renameByName"])
    height = 0.86 / max(len(rows), 5)
    for number, row in enumerate(rows):
        low = 0.86 - (number + 1) * height
        for place, (column, title) in enumerate(zip(columns, titles, strict=True)):
            if column in row:
                _cell(drawing, (place / len(columns), low, 1 / len(columns), height), title, row[column])


def _cell(drawing: Drawing, box: tuple[float, float, float, float], title: str, value: Any) -> None:
    left, low, width, height = box
    settings = drawing.overridden("", title)
    ink, text = "black", str(value)
    if isinstance(value, float):
        text = said(settings, value, settings.get("unit", "short"))
        if "thresholds" in settings:
            colour = colour_of(settings["thresholds"]["steps"], value)
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


def _merged(answers: Sequence[Answer]) -> list[dict[str, Any]]:
    """Grafana's transformation "merge": samples whose common labels agree are one row."""
    rows: list[dict[str, Any]] = []
    for answer in answers:
        for _, series in answer.series:
            labels = {name: value for name, value in series.labels.items() if name != "__name__"}
            column = value_field(answer.ref, len(answers))
            for row in rows:
                if column not in row and all(row.get(name, value) == value for name, value in labels.items()):
                    row |= {**labels, column: series.latest}
                    break
            else:
                rows.append({**labels, column: series.latest})
    return rows


def _sorted(
    panel: Mapping[str, Any], rows: list[dict[str, Any]], titles: Mapping[str, str]
) -> list[dict[str, Any]]:
    for sort in panel["options"].get("sortBy", ()):
        column = next(name for name, title in titles.items() if title == sort["displayName"])
        return sorted(rows, key=lambda row: row.get(column, -np.inf), reverse=sort["desc"])
    return rows
