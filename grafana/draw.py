"""Draws a panel's answers with matplotlib: what Grafana would show, near enough to review it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle, pairwise
from typing import Any

import matplotlib.dates as mdates
import numpy as np
from grafana.colours import GOOD, NEUTRAL, SERIES, WARN
from grafana.panel_data import Answer, Span
from grafana.prometheus import Series
from grafana.tables import value_field
from grafana.units import written
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

SMALL, PLAIN, LARGE = 7, 8, 17
LEGEND_ENTRIES, TICKS = 9, 7
NAME_CHARACTERS = 34
CELL_CHARACTERS = 26
DARK_TEXT = {WARN, "#56B4E9", "#E69F00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A panel with its answers and its place.

    Attributes:
        panel: Its JSON.
        answers: Of its targets.
        axes: Where it is drawn.
        span: The time it shows.
        events: Of the dashboard: when, and the colour of the mark.
    """

    panel: Mapping[str, Any]
    answers: Sequence[Answer]
    axes: Axes
    span: Span
    events: Sequence[tuple[float, str]] = ()

    @property
    def defaults(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.panel["fieldConfig"]["defaults"]
        return found

    @property
    def unit(self) -> str:
        return str(self.defaults["unit"])

    @property
    def steps(self) -> Sequence[Mapping[str, Any]]:
        return tuple(self.defaults["thresholds"]["steps"])

    def series(self) -> Iterator[tuple[str, str, Series]]:
        """Of each series its target, its name, and itself."""
        for answer in self.answers:
            for name, series in sorted(answer.series, key=lambda each: _bin_order(each[0])):
                yield answer.ref, name, series

    def overridden(self, ref: str, name: str) -> dict[str, Any]:
        """The settings of one series that are not the panel's."""
        found: dict[str, Any] = {}
        for each in self.panel["fieldConfig"]["overrides"]:
            if (each["matcher"]["id"], each["matcher"]["options"]) in {
                ("byFrameRefID", ref),
                ("byName", name),
            }:
                found |= {one["id"]: one["value"] for one in each["properties"]}
        return found

    def text(self, value: float) -> str:
        return said(self.defaults, value, self.unit)


def said(settings: Mapping[str, Any], value: float, unit: str) -> str:
    """A value by its name, where it has one, else with its unit."""
    for mapping in settings.get("mappings", ()):
        if (known := mapping["options"].get(f"{value:g}")) is not None:
            return str(known["text"])
    return written(value, unit)


def colour_of(steps: Sequence[Mapping[str, Any]], value: float) -> str:
    """The colour of the last step that the value reaches."""
    reached = [each for each in steps if each.get("value") is None or value >= each["value"]]
    return str(reached[-1]["color"]) if reached else NEUTRAL


def draw(drawing: Drawing) -> None:
    """Draw a panel by its type."""
    if any(answer.series for answer in drawing.answers):
        KINDS[drawing.panel["type"]](drawing)
        return
    drawing.axes.set_axis_off()
    drawing.axes.text(0.5, 0.5, "No data", ha="center", va="center", color=NEUTRAL, fontsize=PLAIN + 2)


def _stat(drawing: Drawing) -> None:
    axes, every = drawing.axes, list(drawing.series())
    axes.set_axis_off()
    mode = drawing.panel["options"]["textMode"]
    filled = drawing.panel["options"]["colorMode"] == "background"
    for place, (_, name, series) in enumerate(every):
        colour = colour_of(drawing.steps, series.latest)
        low, high = 1 - (place + 1) / len(every), 1 - place / len(every)
        if filled:
            axes.add_patch(Rectangle((0, low), 1, high - low, color=colour, transform=axes.transAxes))
        shown = name if mode == "name" else drawing.text(series.latest)
        ink = ("black" if colour in DARK_TEXT else "white") if filled else "black"
        size = LARGE if len(every) == 1 else max(SMALL, LARGE - 3 * len(every))
        middle = (low + high) / 2
        if mode == "value_and_name" and len(every) > 1:
            axes.text(0.03, middle, name[:NAME_CHARACTERS], ha="left", va="center", color=ink, fontsize=PLAIN)
            axes.text(0.97, middle, shown, ha="right", va="center", color=ink, fontsize=size)
            continue
        axes.text(0.5, middle, shown, ha="center", va="center", color=ink, fontsize=size, weight="bold")
        if mode == "value_and_name" and name:
            axes.text(0.5, low + 0.06, name, ha="center", va="bottom", color=ink, fontsize=SMALL)


def _lines(drawing: Drawing) -> None:
    axes, colours = drawing.axes, cycle(SERIES)
    stacked = drawing.defaults["custom"].get("stacking", {}).get("mode") == "normal"
    times = sorted({at for _, _, series in drawing.series() for at in series.times})
    base = np.zeros(len(times))
    for ref, name, series in drawing.series():
        other = drawing.overridden(ref, name)
        colour = other.get("color", {}).get("fixedColor") or next(colours)
        dashes = "--" if "custom.lineStyle" in other else "-"
        label = f"{name[:NAME_CHARACTERS] or drawing.panel['title']}  {drawing.text(series.latest)}"
        if stacked and dashes == "-":
            known = dict(zip(series.times, series.values, strict=True))
            top = base + np.array([known.get(at, 0.0) for at in times])
            axes.fill_between(_dates(times), base, top, color=colour, alpha=0.75, linewidth=0, label=label)
            base = top
        else:
            axes.plot(_dates(series.times), series.values, dashes, color=colour, linewidth=1.4, label=label)
    _thresholds(drawing)
    _time_axis(drawing)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, drawing.unit)))
    axes.set_ylim(drawing.defaults.get("min"), drawing.defaults.get("max"))
    for at, colour in drawing.events:
        axes.axvline(_dates([at])[0], color=colour, linestyle=":", linewidth=1.2)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[:LEGEND_ENTRIES], labels[:LEGEND_ENTRIES], fontsize=SMALL, loc="upper left", frameon=True,
        framealpha=0.75, borderpad=0.3, labelspacing=0.2, handlelength=1.2, edgecolor="none",
    )  # fmt: skip


def _thresholds(drawing: Drawing) -> None:
    """Dashed lines where the panel shows its steps."""
    if drawing.defaults["custom"].get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    steps = drawing.steps
    for before, step in pairwise(steps):
        # the colour of what lies beyond the line
        colour = before["color"] if step["color"] == GOOD else step["color"]
        drawing.axes.axhline(step["value"], color=colour, linestyle="--", linewidth=1.2)


def _bars(drawing: Drawing) -> None:
    axes, every = drawing.axes, sorted(drawing.series(), key=lambda each: each[2].latest)
    colours = [colour_of(drawing.steps, series.latest) for _, _, series in every]
    values = [series.latest for _, _, series in every]
    axes.barh([name[:NAME_CHARACTERS] for _, name, _ in every], values, color=colours)
    for place, value in enumerate(values):
        axes.text(value, place, f" {drawing.text(value)}", va="center", fontsize=SMALL)
    for step in drawing.steps[1:]:
        axes.axvline(step["value"], color=step["color"], linestyle="--", linewidth=1.2)
    axes.margins(x=0.15)
    axes.tick_params(labelsize=SMALL)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, drawing.unit)))


def _pairs(drawing: Drawing) -> None:
    axes, label = drawing.axes, drawing.panel["options"]["xField"]
    legends = [target["legendFormat"] for target in drawing.panel["targets"]]
    groups = sorted({str(series.labels.get(label)) for _, _, series in drawing.series()}, key=_bin_order)
    width = 0.8 / len(legends)
    for place, (legend, answer) in enumerate(zip(legends, drawing.answers, strict=True)):
        found = {str(series.labels.get(label)): series.latest for _, series in answer.series}
        colour = drawing.overridden("", legend).get("color", {}).get("fixedColor", SERIES[place])
        heights = [found.get(group, 0.0) for group in groups]
        axes.bar(np.arange(len(groups)) + place * width, heights, width, color=colour, label=legend)
    axes.set_xticks(np.arange(len(groups)) + 0.4 - width / 2, groups, rotation=30, ha="right", fontsize=SMALL)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, drawing.unit)))
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.legend(fontsize=SMALL, frameon=False)


def _bin_order(name: str) -> tuple[int, float, str]:
    """Numeric bins by their lower edge, then levels, then `missing`."""
    first = name.split(" ", 1)[0]
    if name.startswith("<"):
        return (0, 0.0, name)
    if name.startswith(">="):
        return (2, 0.0, name)
    try:
        return (1, float(first), name)
    except ValueError:
        return (4 if name == "missing" else 3, 0.0, name)


def _heat(drawing: Drawing) -> None:
    axes, every = drawing.axes, list(drawing.series())
    times = sorted({at for _, _, series in every for at in series.times})
    cells = np.full((len(every), len(times)), np.nan)
    places = {at: place for place, at in enumerate(times)}
    for row, (_, _, series) in enumerate(every):
        for at, value in zip(series.times, series.values, strict=True):
            cells[row, places[at]] = value
    top = drawing.panel["options"]["color"]["max"]
    edges = [*_dates(times), _dates([times[-1] + drawing.span.step])[0]]
    axes.set_facecolor("#dddddd")
    drawn = axes.pcolormesh(edges, np.arange(len(every) + 1), cells, cmap="RdBu_r", vmin=0, vmax=top)
    axes.set_yticks(np.arange(len(every)) + 0.5, [name for _, name, _ in every], fontsize=SMALL)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, extend="max")
    bar.ax.tick_params(labelsize=SMALL)
    _time_axis(drawing)


def _states(drawing: Drawing) -> None:
    axes, every = drawing.axes, list(drawing.series())
    for row, (_, _, series) in enumerate(every):
        for at, value in zip(series.times, series.values, strict=True):
            begin, end = _dates([at, at + drawing.span.step])
            colour = colour_of(drawing.steps, value)
            axes.broken_barh([(begin, end - begin)], (row + 0.1, 0.8), facecolors=colour)
    axes.set_yticks(
        np.arange(len(every)) + 0.5, [name[:NAME_CHARACTERS] for _, name, _ in every], fontsize=SMALL
    )
    axes.set_ylim(len(every), 0)
    _time_axis(drawing)


def _table(drawing: Drawing) -> None:
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


def _dates(times: Sequence[float]) -> list[float]:
    moments = (datetime.fromtimestamp(at, UTC) for at in times)
    return [float(mdates.date2num(each)) for each in moments]  # type: ignore[no-untyped-call]  # it has no types


def _time_axis(drawing: Drawing) -> None:
    axes = drawing.axes
    axes.set_xlim(*_dates([drawing.span.start, drawing.span.end]))
    locator = mdates.AutoDateLocator(maxticks=TICKS)  # type: ignore[no-untyped-call]  # the same
    axes.xaxis.set_major_locator(locator)
    short = mdates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]  # the same
    axes.xaxis.set_major_formatter(short)
    axes.tick_params(labelsize=SMALL)


KINDS: Mapping[str, Callable[[Drawing], None]] = {
    "stat": _stat,
    "timeseries": _lines,
    "bargauge": _bars,
    "barchart": _pairs,
    "heatmap": _heat,
    "state-timeline": _states,
    "table": _table,
}
