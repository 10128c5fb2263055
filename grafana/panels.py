"""Base of all panels, and the panels for numbers and lines."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from enum import StrEnum
from string import ascii_uppercase
from typing import TypeVar

from grafana.colours import BAD, GOOD, NEUTRAL, SERIES, WARN
from grafana_foundation_sdk.builders import (
    barchart,
    bargauge,
    common,
    dashboard,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    DataSourceRef,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
RUNBOOK = "${runbook}#"
"""URL of the runbook up to the anchor, which is an alert's name in lower case."""
ColourSteps = Sequence[tuple[float | None, str]]
"""Steps of a colour scale: lower bound and colour; the first step has no bound."""
ValueNames = Mapping[int, tuple[str, str]]
"""Value to the text and the colour in which it is shown."""
NARROW_WIDTH = 12
"""Maximum width, in columns, of a panel that has its legend below the lines instead of beside them."""
STACKED_OPACITY = 60
SLANT_DEGREES = -45
HEAT_COLUMNS = 60
"""Maximum number of columns in a heatmap; more would be too narrow to see."""
PLAIN_STEPS: ColourSteps = ((None, NEUTRAL),)
YES_NO: ValueNames = {0: ("no", BAD), 1: ("yes", GOOD)}
Built = TypeVar(
    "Built",
    barchart.Panel,
    bargauge.Panel,
    heatmap.Panel,
    stat.Panel,
    statetimeline.Panel,
    table.Panel,
    timeseries.Panel,
)


def warn_above(warn: float, bad: float) -> ColourSteps:
    """Build the steps of a value that is worse the higher it is."""
    return ((None, GOOD), (warn, WARN), (bad, BAD))


def mark_below(limit: float) -> ColourSteps:
    """Build the steps of a value that is bad below a limit."""
    return ((None, BAD), (limit, GOOD))


def mark_from(limit: float) -> ColourSteps:
    """Build the steps of a value that is bad from a limit on."""
    return ((None, GOOD), (limit, BAD))


class QueryRole(StrEnum):
    """Role of a query's series in a panel."""

    VALUE = "value"
    LIMIT = "limit"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class PanelQuery:
    """Query of a panel.

    Attributes:
        expr: PromQL expression with variables of the dashboard.
        legend: Name of a series, with placeholders such as `{{label}}`; in a table the title of the column.
        role: Role of the series, which decides how they are drawn.
    """

    expr: str
    legend: str = ""
    role: QueryRole = QueryRole.VALUE


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """Specification of a panel.

    Attributes:
        title: Title of the panel.
        unit: Grafana's id of the unit, such as `percentunit`.
        description: Explanation of the value: what is counted, over which time, and from where on it is bad.
        queries: Queries of the panel.
        width: Width in columns; a dashboard has 24.
        height: Height in rows of about 30 pixels.
        alerts: Alerts whose runbook entries the panel links to.
        steps: Colours by value.
        value_names: Texts that replace values.
    """

    title: str
    unit: str
    description: str
    queries: Sequence[PanelQuery] = ()
    _: KW_ONLY
    width: int = 12
    height: int = 8
    alerts: Sequence[str] = ()
    steps: ColourSteps = PLAIN_STEPS
    value_names: ValueNames = field(default_factory=dict)

    def build_panel(self) -> Builder[model.Panel]:
        raise NotImplementedError

    def _letter_queries(self) -> Iterator[tuple[str, PanelQuery]]:
        return zip(ascii_uppercase, self.queries, strict=False)

    def apply_common(
        self, panel: Built, *, instant: bool = False, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
    ) -> Built:
        """Apply the settings that all kinds of panels share; return the panel."""
        panel.title(self.title).description(self.description).unit(self.unit).datasource(DATASOURCE)
        panel.span(self.width).height(self.height).thresholds(build_thresholds(self.steps))
        panel.links([build_runbook_link(alert) for alert in self.alerts])
        if self.value_names:
            panel.mappings([build_value_map(self.value_names)])
        for letter, query in self._letter_queries():
            target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter)
            target.format(form).datasource(DATASOURCE)
            panel.with_target(target.instant() if instant else target.range())
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberPanel(PanelSpec):
    """Latest value in the colour of its step, with its history as a line in the background.

    Attributes:
        only_name: Whether the panel shows the names of the series instead of their values.
        instant: Whether the query is for the end of the time range only, as `topk` needs: its series change.
    """

    width: int = 4
    height: int = 4
    only_name: bool = False
    instant: bool = False

    def build_panel(self) -> stat.Panel:
        made = self.apply_common(stat.Panel(), instant=self.instant)
        plain = self.steps == PLAIN_STEPS and not self.value_names
        made.color_mode(BigValueColorMode.VALUE if plain else BigValueColorMode.BACKGROUND)
        made.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        made.graph_mode(BigValueGraphMode.NONE if self.only_name or self.instant else BigValueGraphMode.AREA)
        named = any(query.legend for query in self.queries)
        made.text_mode(BigValueTextMode.VALUE_AND_NAME if named else BigValueTextMode.VALUE)
        if self.only_name:
            made.text_mode(BigValueTextMode.NAME)
        made.reduce_options(reduce_to_latest())
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class LinesPanel(PanelSpec):
    """Series over time.

    Attributes:
        stacked: Whether the series are stacked.
        series_colours: Name of a series to its colour.
        top: Upper end of the vertical axis; None fits it to the values.
        bottom: Lower end of the vertical axis; None fits it to the values.
    """

    stacked: bool = False
    series_colours: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None
    bottom: float | None = 0

    def build_panel(self) -> timeseries.Panel:
        made = self.apply_common(timeseries.Panel()).line_width(2).fill_opacity(0)
        made.show_points(VisibilityMode.AUTO).tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
        )
        made.legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT if self.width > NARROW_WIDTH else LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        if self.top is not None:
            made.max(self.top)
        if self.bottom is not None:
            made.min(self.bottom)
        if self.stacked:
            made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(STACKED_OPACITY)
        if self.steps != PLAIN_STEPS:
            made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
        self._apply_colours(made)
        return made

    def _apply_colours(self, made: timeseries.Panel) -> None:
        several = len(self.queries) > 1
        values = iter(SERIES * len(self.queries))
        for letter, query in self._letter_queries():
            if query.role is QueryRole.VALUE and several and "{{" not in query.legend:
                made.override_by_query(letter, [build_fixed_colour(next(values))])
            elif query.role is not QueryRole.VALUE:
                colour = BAD if query.role is QueryRole.LIMIT else NEUTRAL
                dashes = {"fill": "dash", "dash": [10, 10]}
                made.override_by_query(
                    letter, [build_fixed_colour(colour), build_setting("custom.lineStyle", dashes)]
                )
        for name, colour in self.series_colours.items():
            made.override_by_name(name, [build_fixed_colour(colour)])


def build_runbook_link(alert: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(f"Runbook: {alert}").type(model.DashboardLinkType.LINK)
    return link.url(RUNBOOK + alert.lower()).target_blank(target_blank=True)


def build_thresholds(steps: ColourSteps) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def build_value_map(words: ValueNames) -> model.ValueMap:
    return model.ValueMap(
        options={
            str(value): model.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(words.items())
        }
    )


def reduce_to_latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def build_transformation(name: str, options: object) -> model.DataTransformerConfig:
    return model.DataTransformerConfig(id_val=name, options=options)


def build_setting(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def build_fixed_colour(colour: str) -> model.DynamicConfigValue:
    return build_setting("color", {"mode": "fixed", "fixedColor": colour})
