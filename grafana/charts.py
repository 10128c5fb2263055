"""Panels of many values at once: bars, heat, states."""

from dataclasses import dataclass

from grafana.colours import NEUTRAL, SERIES
from grafana.panels import HEAT_COLUMNS, PLAIN, SLANT_DEGREES, Line, Part, latest, painted, transformation
from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    dashboard,
    heatmap,
    statetimeline,
)
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars(Part):
    """The latest values side by side."""

    top: float | None = None

    def panel(self) -> bargauge.Panel:
        made = self.dressed(bargauge.Panel(), instant=True).orientation(VizOrientation.HORIZONTAL).min(0)
        made.reduce_options(latest())
        if self.top is not None:
            made.max(self.top)
        if self.steps == PLAIN:
            for (letter, _), colour in zip(self._lettered(), SERIES, strict=False):
                made.override_by_query(letter, [painted(colour)])
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs(Part):
    """The latest values of several queries, beside each other for each value of a label.

    Attributes:
        label: By which the queries are grouped; each has one sample for each of its values.
    """

    label: str

    def panel(self) -> barchart.Panel:
        made = self.dressed(barchart.Panel(), instant=True, form=PromQueryFormat.TABLE).x_field(self.label)
        renamed = {f"Value #{letter}": query.legend for letter, query in self._lettered()}
        organised = {"excludeByName": {"Time": True}, "renameByName": renamed}
        made.with_transformation(transformation("merge", {}))
        made.with_transformation(transformation("organize", organised))
        made.with_transformation(transformation("sortBy", {"fields": {}, "sort": [{"field": self.label}]}))
        made.x_tick_label_rotation(SLANT_DEGREES).min(0)
        for (_, query), colour in zip(self._lettered(), SERIES, strict=False):
            reference = query.line is Line.REFERENCE
            made.override_by_name(query.legend, [painted(NEUTRAL if reference else colour)])
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat(Part):
    """A row for each series, a colour for each value: blue below the middle of the scale, red above.

    Attributes:
        middle: Of the scale, that begins at 0.
    """

    middle: float = 1.0

    def panel(self) -> heatmap.Panel:
        colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("RdBu")
        made = self.dressed(heatmap.Panel()).calculate(calculate=False).cell_gap(1)
        # Grafana itself turns this scheme round: low is blue
        made.color(colours.min(0).max(2 * self.middle))
        return made.max_data_points(HEAT_COLUMNS).show_legend()


@dataclass(frozen=True, slots=True, kw_only=True)
class States(Part):
    """What each series was when, as coloured bands."""

    def panel(self) -> statetimeline.Panel:
        made = self.dressed(statetimeline.Panel()).merge_values(merge_values=True)
        made.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        return made.show_value(VisibilityMode.AUTO)
