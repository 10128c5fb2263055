"""Draws a panel's answers with matplotlib: what Grafana would show, near enough to review it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import cycle, pairwise

import matplotlib.dates as mdates
import numpy as np
from grafana.colours import GOOD, NEUTRAL, SERIES
from grafana.draw_table import draw_table
from grafana.drawing import (
    DARK_TEXT,
    LARGE,
    LEGEND_ENTRIES,
    NAME_CHARACTERS,
    PLAIN,
    SMALL,
    TICKS,
    Drawing,
    bin_order,
    colour_of,
)
from grafana.units import written
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator


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
    groups = sorted({str(series.labels.get(label)) for _, _, series in drawing.series()}, key=bin_order)
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
    "table": draw_table,
}
