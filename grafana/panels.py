"""Panels of numbers and of lines, and what all panels have in common."""

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
"""Address of the runbook, to be followed by an alert's name in lower case."""
Steps = Sequence[tuple[float | None, str]]
"""A colour from each value on; the first has none."""
Words = Mapping[int, tuple[str, str]]
"""What a value is called, and in which colour."""
NARROW = 12
"""Panels up to this width have no place for a legend beside the lines."""
STACKED_OPACITY = 60
SLANT_DEGREES = -45
HEAT_COLUMNS = 60
"""Points in time: more would be too narrow for the eye."""
PLAIN: Steps = ((None, NEUTRAL),)
YES_NO: Words = {0: ("no", BAD), 1: ("yes", GOOD)}
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


def rising(warn: float, bad: float) -> Steps:
    """The more, the worse."""
    return ((None, GOOD), (warn, WARN), (bad, BAD))


def falling(bad: float, warn: float) -> Steps:
    """The less, the worse."""
    return ((None, BAD), (bad, WARN), (warn, GOOD))


def below(limit: float) -> Steps:
    """Bad below a limit."""
    return ((None, BAD), (limit, GOOD))


def beyond(limit: float) -> Steps:
    """Bad from a limit on."""
    return ((None, GOOD), (limit, BAD))


class Line(StrEnum):
    """What a query's series are."""

    VALUE = "value"
    LIMIT = "limit"
    REFERENCE = "reference"


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression.

    Attributes:
        expr: With the dashboard's variables.
        legend: What a series is called, with `{{label}}`; of a table, its column.
        line: How it is drawn.
    """

    expr: str
    legend: str = ""
    line: Line = Line.VALUE


@dataclass(frozen=True, slots=True)
class Part:
    """A panel.

    Attributes:
        title: What it shows.
        unit: Grafana's name of it.
        about: How to read it: what is counted, over what, and from when on it is bad.
        queries: What it draws.
        width: Of the dashboard's 24 columns.
        height: In rows of about 30 pixels.
        alerts: Whose entries of the runbook it links to.
        steps: Colours by value.
        words: Names of values.
    """

    title: str
    unit: str
    about: str
    queries: Sequence[Query] = ()
    _: KW_ONLY
    width: int = 12
    height: int = 8
    alerts: Sequence[str] = ()
    steps: Steps = PLAIN
    words: Words = field(default_factory=dict)

    def panel(self) -> Builder[model.Panel]:
        raise NotImplementedError

    def _lettered(self) -> Iterator[tuple[str, Query]]:
        return zip(ascii_uppercase, self.queries, strict=False)

    def dressed(
        self, panel: Built, *, instant: bool = False, form: PromQueryFormat = PromQueryFormat.TIME_SERIES
    ) -> Built:
        """The panel with what all kinds have."""
        panel.title(self.title).description(self.about).unit(self.unit).datasource(DATASOURCE)
        panel.span(self.width).height(self.height).thresholds(threshold_steps(self.steps))
        panel.links([runbook_entry(alert) for alert in self.alerts])
        if self.words:
            panel.mappings([value_names(self.words)])
        for letter, query in self._lettered():
            target = prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter)
            target.format(form).datasource(DATASOURCE)
            panel.with_target(target.instant() if instant else target.range())
        return panel


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Part):
    """The latest value, in the colour of its step; a line behind it shows how it came about.

    Attributes:
        only_name: Whether the series' names are what is to be seen.
        instant: Whether only the moment is asked for: over time, other series would be the greatest.
    """

    width: int = 4
    height: int = 4
    only_name: bool = False
    instant: bool = False

    def panel(self) -> stat.Panel:
        made = self.dressed(stat.Panel(), instant=self.instant)
        plain = self.steps == PLAIN and not self.words
        made.color_mode(BigValueColorMode.VALUE if plain else BigValueColorMode.BACKGROUND)
        made.color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        made.graph_mode(BigValueGraphMode.NONE if self.only_name or self.instant else BigValueGraphMode.AREA)
        named = any(query.legend for query in self.queries)
        made.text_mode(BigValueTextMode.VALUE_AND_NAME if named else BigValueTextMode.VALUE)
        if self.only_name:
            made.text_mode(BigValueTextMode.NAME)
        made.reduce_options(latest())
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Part):
    """Series over time.

    Attributes:
        stacked: Whether they add up.
        named: Series that have a colour of their own, which is the same in every panel.
        top: Of the axis, where it is known.
        bottom: The same.
    """

    stacked: bool = False
    named: Mapping[str, str] = field(default_factory=dict)
    top: float | None = None
    bottom: float | None = 0

    def panel(self) -> timeseries.Panel:
        made = self.dressed(timeseries.Panel()).line_width(2).fill_opacity(0)
        made.show_points(VisibilityMode.AUTO).tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
        )
        made.legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT if self.width > NARROW else LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
        if self.top is not None:
            made.max(self.top)
        if self.bottom is not None:
            made.min(self.bottom)
        if self.stacked:
            made.stacking(common.StackingConfig().mode(StackingMode.NORMAL)).fill_opacity(STACKED_OPACITY)
        if self.steps != PLAIN:
            made.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
        self._coloured(made)
        return made

    def _coloured(self, made: timeseries.Panel) -> None:
        several = len(self.queries) > 1
        values = iter(SERIES * len(self.queries))
        for letter, query in self._lettered():
            if query.line is Line.VALUE and several and "{{" not in query.legend:
                made.override_by_query(letter, [painted(next(values))])
            elif query.line is not Line.VALUE:
                colour = BAD if query.line is Line.LIMIT else NEUTRAL
                dashes = {"fill": "dash", "dash": [10, 10]}
                made.override_by_query(letter, [painted(colour), setting("custom.lineStyle", dashes)])
        for name, colour in self.named.items():
            made.override_by_name(name, [painted(colour)])


def runbook_entry(alert: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(f"Runbook: {alert}").type(model.DashboardLinkType.LINK)
    return link.url(RUNBOOK + alert.lower()).target_blank(target_blank=True)


def threshold_steps(steps: Steps) -> dashboard.ThresholdsConfig:
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def value_names(words: Words) -> model.ValueMap:
    return model.ValueMap(
        options={
            str(value): model.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(words.items())
        }
    )


def latest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False)


def transformation(name: str, options: object) -> model.DataTransformerConfig:
    return model.DataTransformerConfig(id_val=name, options=options)


def setting(name: str, value: object) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val=name, value=value)


def painted(colour: str) -> model.DynamicConfigValue:
    return setting("color", {"mode": "fixed", "fixedColor": colour})
