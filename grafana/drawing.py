"""A panel that is to be drawn: its answers, its settings, its colours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.colours import NEUTRAL, WARN
from grafana.panel_data import Answer, Span
from grafana.prometheus import Series
from grafana.units import written
from matplotlib.axes import Axes

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
            for name, series in sorted(answer.series, key=lambda each: bin_order(each[0])):
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


def bin_order(name: str) -> tuple[int, float, str]:
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
