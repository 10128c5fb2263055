"""Panels with many values at once: bars, comparisons, heatmaps and states."""

from dataclasses import dataclass

from grafana.colours import NEUTRAL, SERIES
from grafana.panels import (
    HEAT_COLUMNS,
    PLAIN_STEPS,
    SLANT_DEGREES,
    PanelSpec,
    QueryRole,
    build_fixed_colour,
    build_transformation,
    reduce_to_latest,
)
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
class BarsPanel(PanelSpec):
    """Latest values as horizontal bars."""

    top: float | None = None

    def build_panel(self) -> bargauge.Panel:
        made = self.apply_common(bargauge.Panel(), instant=True).orientation(VizOrientation.HORIZONTAL).min(0)
        made.reduce_options(reduce_to_latest())
        if self.top is not None:
            made.max(self.top)
        if self.steps == PLAIN_STEPS:
            for (letter, _), colour in zip(self._letter_queries(), SERIES, strict=False):
                made.override_by_query(letter, [build_fixed_colour(colour)])
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPanel(PanelSpec):
    """Latest values of several queries side by side, one group of bars per value of a label.

    Attributes:
        label: Label that groups the bars; each query returns one sample per value of it.
    """

    label: str

    def build_panel(self) -> barchart.Panel:
        made = self.apply_common(barchart.Panel(), instant=True, form=PromQueryFormat.TABLE).x_field(
            self.label
        )
        renamed = {f"Value #{letter}": query.legend for letter, query in self._letter_queries()}
        organised = {"excludeByName": {"Time": True}, "renameByName": renamed}
        made.with_transformation(build_transformation("merge", {}))
        made.with_transformation(build_transformation("organize", organised))
        made.with_transformation(
            build_transformation("sortBy", {"fields": {}, "sort": [{"field": self.label}]})
        )
        made.x_tick_label_rotation(SLANT_DEGREES).min(0)
        for (_, query), colour in zip(self._letter_queries(), SERIES, strict=False):
            reference = query.role is QueryRole.REFERENCE
            made.override_by_name(query.legend, [build_fixed_colour(NEUTRAL if reference else colour)])
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatmapPanel(PanelSpec):
    """Heatmap with a row per series: blue below the middle of the scale, red above.

    Attributes:
        middle: Middle of the colour scale, which starts at 0.
    """

    middle: float = 1.0

    def build_panel(self) -> heatmap.Panel:
        colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("RdBu")
        made = self.apply_common(heatmap.Panel()).calculate(calculate=False).cell_gap(1)
        # Grafana itself turns this scheme round: low is blue
        made.color(colours.min(0).max(2 * self.middle))
        return made.max_data_points(HEAT_COLUMNS).show_legend()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesPanel(PanelSpec):
    """State of each series over time as coloured bands."""

    def build_panel(self) -> statetimeline.Panel:
        made = self.apply_common(statetimeline.Panel()).merge_values(merge_values=True)
        made.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        return made.show_value(VisibilityMode.AUTO)
