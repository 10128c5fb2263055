"""Panel to draw: its query results, settings and colours."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.colours import NEUTRAL, WARN
from grafana.preview.panel_data import EvaluationTime, QueryResult
from grafana.preview.prometheus import QueriedSeries
from grafana.preview.units import format_value
from matplotlib.axes import Axes

SMALL, PLAIN, LARGE = 7, 8, 17
LEGEND_ENTRIES, TICKS = 9, 7
NAME_CHARACTERS = 34
CELL_CHARACTERS = 26
DARK_TEXT = {WARN, "#56B4E9", "#E69F00"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelDrawing:
    """Panel with the results of its queries and the axes to draw on.

    Attributes:
        panel: JSON object of the panel.
        results: Results of the panel's targets.
        axes: Axes of matplotlib.
        span: Time range of the panel.
        events: Events of the dashboard: time in seconds since 1970, and colour of the mark.
    """

    panel: Mapping[str, Any]
    results: Sequence[QueryResult]
    axes: Axes
    span: EvaluationTime
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

    def iterate_series(self) -> Iterator[tuple[str, str, QueriedSeries]]:
        """Yield each series with the ref of its target and its name: (ref, name, series)."""
        for answer in self.results:
            for name, series in sorted(answer.series, key=lambda each: rank_bin(each[0])):
                yield answer.ref, name, series

    def read_overrides(self, ref: str, name: str) -> dict[str, Any]:
        """Read the settings of a series that override those of the panel."""
        found: dict[str, Any] = {}
        for each in self.panel["fieldConfig"]["overrides"]:
            if (each["matcher"]["id"], each["matcher"]["options"]) in {
                ("byFrameRefID", ref),
                ("byName", name),
            }:
                found |= {one["id"]: one["value"] for one in each["properties"]}
        return found

    def format_value(self, value: float) -> str:
        return format_with_names(self.defaults, value, self.unit)


def format_with_names(settings: Mapping[str, Any], value: float, unit: str) -> str:
    """Format a value as its text of the settings, or else with its unit."""
    for mapping in settings.get("mappings", ()):
        if (known := mapping["options"].get(f"{value:g}")) is not None:
            return str(known["text"])
    return format_value(value, unit)


def get_colour(steps: Sequence[Mapping[str, Any]], value: float) -> str:
    """Get the colour of the last step that a value reaches."""
    reached = [each for each in steps if each.get("value") is None or value >= each["value"]]
    return str(reached[-1]["color"]) if reached else NEUTRAL


def rank_bin(name: str) -> tuple[int, float, str]:
    """Build a sort key: numeric bins by their lower edge, then levels, then `missing`."""
    first = name.split(" ", 1)[0]
    if name.startswith("<"):
        return (0, 0.0, name)
    if name.startswith(">="):
        return (2, 0.0, name)
    try:
        return (1, float(first), name)
    except ValueError:
        return (4 if name == "missing" else 3, 0.0, name)
