"""Charts of panels, drawn by matplotlib so close to Grafana that they can be reviewed."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle, pairwise

import matplotlib.dates as mdates
import numpy as np
from grafana.colours import GOOD, NEUTRAL, SERIES
from grafana.preview.drawing import (
    DARK_TEXT,
    LARGE,
    LEGEND_ENTRIES,
    NAME_CHARACTERS,
    PLAIN,
    SMALL,
    TICKS,
    PanelDrawing,
    get_colour,
    rank_bin,
)
from grafana.preview.table import draw_table
from grafana.preview.units import format_value
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator


def draw_panel(drawing: PanelDrawing) -> None:
    """Draw a panel by its type."""
    if any(answer.series for answer in drawing.results):
        DRAW_BY_TYPE[drawing.panel["type"]](drawing)
        return
    drawing.axes.set_axis_off()
    drawing.axes.text(0.5, 0.5, "No data", ha="center", va="center", color=NEUTRAL, fontsize=PLAIN + 2)


def _draw_stat(drawing: PanelDrawing) -> None:
    drawing.axes.set_axis_off()
    every = list(drawing.iterate_series())
    for place, (_, name, series) in enumerate(every):
        colour = get_colour(drawing.steps, series.latest)
        box = (1 - (place + 1) / len(every), 1 / len(every))
        ink = _fill_stat(drawing, box, colour)
        _write_stat(drawing, box, name, series.latest, ink)


def _fill_stat(drawing: PanelDrawing, box: tuple[float, float], colour: str) -> str:
    """Fill the background of a value where the panel has one; give the colour of the text on it."""
    if drawing.panel["options"]["colorMode"] != "background":
        return "black"
    axes, (low, height) = drawing.axes, box
    axes.add_patch(Rectangle((0, low), 1, height, color=colour, transform=axes.transAxes))
    return "black" if colour in DARK_TEXT else "white"


def _write_stat(drawing: PanelDrawing, box: tuple[float, float], name: str, value: float, ink: str) -> None:
    axes, (low, height) = drawing.axes, box
    mode = drawing.panel["options"]["textMode"]
    shown = name if mode == "name" else drawing.format_value(value)
    middle, count = low + height / 2, round(1 / height)
    size = LARGE if count == 1 else max(SMALL, LARGE - 3 * count)
    if mode == "value_and_name" and count > 1:
        axes.text(0.03, middle, name[:NAME_CHARACTERS], ha="left", va="center", color=ink, fontsize=PLAIN)
        axes.text(0.97, middle, shown, ha="right", va="center", color=ink, fontsize=size)
        return
    axes.text(0.5, middle, shown, ha="center", va="center", color=ink, fontsize=size, weight="bold")
    if mode == "value_and_name" and name:
        axes.text(0.5, low + 0.06, name, ha="center", va="bottom", color=ink, fontsize=SMALL)


def _draw_lines(drawing: PanelDrawing) -> None:
    axes = drawing.axes
    _draw_series(drawing)
    _draw_thresholds(drawing)
    _format_time_axis(drawing)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, drawing.unit)))
    axes.set_ylim(drawing.defaults.get("min"), drawing.defaults.get("max"))
    for at, colour in drawing.events:
        axes.axvline(_to_dates([at])[0], color=colour, linestyle=":", linewidth=1.2)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.6)
    handles, labels = axes.get_legend_handles_labels()
    axes.legend(
        handles[:LEGEND_ENTRIES], labels[:LEGEND_ENTRIES], fontsize=SMALL, loc="upper left", frameon=True,
        framealpha=0.75, borderpad=0.3, labelspacing=0.2, handlelength=1.2, edgecolor="none",
    )  # fmt: skip


def _draw_series(drawing: PanelDrawing) -> None:
    axes, colours = drawing.axes, cycle(SERIES)
    stacked = drawing.defaults["custom"].get("stacking", {}).get("mode") == "normal"
    times = sorted({at for _, _, series in drawing.iterate_series() for at in series.times})
    base = np.zeros(len(times))
    for ref, name, series in drawing.iterate_series():
        other = drawing.read_overrides(ref, name)
        colour = other.get("color", {}).get("fixedColor") or next(colours)
        dashes = "--" if "custom.lineStyle" in other else "-"
        label = f"{name[:NAME_CHARACTERS] or drawing.panel['title']}  {drawing.format_value(series.latest)}"
        if not stacked or dashes == "--":
            moments = _to_dates(series.times)
            axes.plot(moments, series.values, dashes, color=colour, linewidth=1.4, label=label)
            continue
        known = dict(zip(series.times, series.values, strict=True))
        top = base + np.array([known.get(at, 0.0) for at in times])
        axes.fill_between(_to_dates(times), base, top, color=colour, alpha=0.75, linewidth=0, label=label)
        base = top


def _draw_thresholds(drawing: PanelDrawing) -> None:
    """Draw the steps of a panel that shows them as dashed lines."""
    if drawing.defaults["custom"].get("thresholdsStyle", {}).get("mode", "off") == "off":
        return
    steps = drawing.steps
    for before, step in pairwise(steps):
        # the colour of what lies beyond the line
        colour = before["color"] if step["color"] == GOOD else step["color"]
        drawing.axes.axhline(step["value"], color=colour, linestyle="--", linewidth=1.2)


def _draw_bars(drawing: PanelDrawing) -> None:
    axes, every = drawing.axes, sorted(drawing.iterate_series(), key=lambda each: each[2].latest)
    colours = [get_colour(drawing.steps, series.latest) for _, _, series in every]
    values = [series.latest for _, _, series in every]
    axes.barh([name[:NAME_CHARACTERS] for _, name, _ in every], values, color=colours)
    for place, value in enumerate(values):
        axes.text(value, place, f" {drawing.format_value(value)}", va="center", fontsize=SMALL)
    for step in drawing.steps[1:]:
        axes.axvline(step["value"], color=step["color"], linestyle="--", linewidth=1.2)
    axes.margins(x=0.15)
    axes.tick_params(labelsize=SMALL)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, drawing.unit)))


def _draw_comparison(drawing: PanelDrawing) -> None:
    axes, label = drawing.axes, drawing.panel["options"]["xField"]
    legends = [target["legendFormat"] for target in drawing.panel["targets"]]
    groups = sorted(
        {str(series.labels.get(label)) for _, _, series in drawing.iterate_series()}, key=rank_bin
    )
    width = 0.8 / len(legends)
    for place, (legend, answer) in enumerate(zip(legends, drawing.results, strict=True)):
        found = {str(series.labels.get(label)): series.latest for _, series in answer.series}
        colour = drawing.read_overrides("", legend).get("color", {}).get("fixedColor", SERIES[place])
        heights = [found.get(group, 0.0) for group in groups]
        axes.bar(np.arange(len(groups)) + place * width, heights, width, color=colour, label=legend)
    axes.set_xticks(np.arange(len(groups)) + 0.4 - width / 2, groups, rotation=30, ha="right", fontsize=SMALL)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: format_value(value, drawing.unit)))
    axes.tick_params(axis="y", labelsize=SMALL)
    axes.legend(fontsize=SMALL, frameon=False)


def _draw_heatmap(drawing: PanelDrawing) -> None:
    axes, every = drawing.axes, list(drawing.iterate_series())
    times = sorted({at for _, _, series in every for at in series.times})
    cells = np.full((len(every), len(times)), np.nan)
    places = {at: place for place, at in enumerate(times)}
    for row, (_, _, series) in enumerate(every):
        for at, value in zip(series.times, series.values, strict=True):
            cells[row, places[at]] = value
    top = drawing.panel["options"]["color"]["max"]
    edges = [*_to_dates(times), _to_dates([times[-1] + drawing.span.step])[0]]
    axes.set_facecolor("#dddddd")
    drawn = axes.pcolormesh(edges, np.arange(len(every) + 1), cells, cmap="RdBu_r", vmin=0, vmax=top)
    axes.set_yticks(np.arange(len(every)) + 0.5, [name for _, name, _ in every], fontsize=SMALL)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.02, pad=0.01, extend="max")
    bar.ax.tick_params(labelsize=SMALL)
    _format_time_axis(drawing)


def _draw_states(drawing: PanelDrawing) -> None:
    axes, every = drawing.axes, list(drawing.iterate_series())
    for row, (_, _, series) in enumerate(every):
        for at, value in zip(series.times, series.values, strict=True):
            begin, end = _to_dates([at, at + drawing.span.step])
            colour = get_colour(drawing.steps, value)
            axes.broken_barh([(begin, end - begin)], (row + 0.1, 0.8), facecolors=colour)
    axes.set_yticks(
        np.arange(len(every)) + 0.5, [name[:NAME_CHARACTERS] for _, name, _ in every], fontsize=SMALL
    )
    axes.set_ylim(len(every), 0)
    _format_time_axis(drawing)


def _to_dates(times: Sequence[float]) -> list[float]:
    moments = (datetime.fromtimestamp(at, UTC) for at in times)
    return [float(mdates.date2num(each)) for each in moments]  # type: ignore[no-untyped-call]  # it has no types


def _format_time_axis(drawing: PanelDrawing) -> None:
    axes = drawing.axes
    axes.set_xlim(*_to_dates([drawing.span.start, drawing.span.end]))
    locator = mdates.AutoDateLocator(maxticks=TICKS)  # type: ignore[no-untyped-call]  # the same
    axes.xaxis.set_major_locator(locator)
    short = mdates.ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]  # the same
    axes.xaxis.set_major_formatter(short)
    axes.tick_params(labelsize=SMALL)


DRAW_BY_TYPE: Mapping[str, Callable[[PanelDrawing], None]] = {
    "stat": _draw_stat,
    "timeseries": _draw_lines,
    "bargauge": _draw_bars,
    "barchart": _draw_comparison,
    "heatmap": _draw_heatmap,
    "state-timeline": _draw_states,
    "table": draw_table,
}
