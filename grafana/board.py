"""Dashboards: variables, links, annotations, positions of the panels on the grid, and the JSON document."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana.colours import BLUE
from grafana.panels import DATASOURCE, PanelSpec
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from monitoring.thresholds import MIN_ALERT_WINDOW, WINDOWS

PREFIX = "servicio-ml-"
BOARD_TITLES = {
    "overview": "Overview", "service": "Service", "model": "Model", "drift": "Drift",
    "pipelines": "Pipelines", "airflow": "Airflow", "stream": "Stream", "postgresql": "PostgreSQL",
    "object-store": "Object store",
}  # fmt: skip
"""Last part of a dashboard's uid to its title."""
RUNBOOK_PAGE = "/public/docs/runbook.md"
"""Path of docs/runbook.md on Grafana's server: the folder is mounted into Grafana's public folder."""
GRID_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class BoardSection:
    """Panels under a title."""

    title: str
    panels: Sequence[PanelSpec]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardVariable:
    """Variable that is chosen at the top of a dashboard.

    Attributes:
        name: Name in expressions, without the `$`.
        label: Title beside the choice.
        values: Query for the values to choose from, `label_values(...)`.
        multi: Whether several values can be chosen; all are the default.
    """

    name: str
    label: str
    values: str
    multi: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEvent:
    """Events that are marked on the time axis of every panel.

    Attributes:
        name: Name of the kind of event.
        expr: PromQL expression.
        title: Text of a mark, with placeholders such as `{{label}}`.
        by_value: Whether a sample's value is the time of the event, in milliseconds since 1970; otherwise the
            event is at the time of the samples.
        colour: Colour of the marks.
    """

    name: str
    expr: str
    title: str
    by_value: bool = False
    colour: str = BLUE


MODEL_VARIABLE = BoardVariable(
    name="model", label="Model", values="label_values(servicio_ml_model_ready, model)"
)


def build_board(
    name: str, description: str, sections: Sequence[BoardSection], *, variables: Sequence[BoardVariable] = (),
    window: bool = False, events: Sequence[BoardEvent] = (), since: str = "now-24h",
) -> dashboard.Dashboard:  # fmt: skip
    """Build a dashboard.

    Args:
        name: Key of `BOARD_TITLES`.
        description: Purpose of the dashboard.
        sections: Sections from the top.
        variables: Variables besides the data source.
        window: Whether the dashboard has a variable for the window of the recording rules.
        events: Events to mark.
        since: Start of the default time range.
    """
    made = (
        dashboard.Dashboard(f"servicio-ml · {BOARD_TITLES[name]}").uid(PREFIX + name).description(description)
    )
    made.tags(["servicio-ml"]).time(since, "now").refresh("1m").timezone("browser").readonly()
    made.tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for variable in variables:
        made.with_variable(_build_variable(variable))
    if window:
        made.with_variable(_build_window())
    made.with_variable(dashboard.ConstantVariable("runbook").label("Runbook").value(RUNBOOK_PAGE))
    for other, title in BOARD_TITLES.items():
        if other != name:
            made.link(_build_link(title, f"/d/{PREFIX}{other}"))
    for event in events:
        made.annotation(_build_annotation(event))
    _place_panels(made, sections)
    return made


def _place_panels(made: dashboard.Dashboard, sections: Sequence[BoardSection]) -> None:
    """Place the panels from left to right while a row has space, and number them."""
    top, number = 0, 1
    for section in sections:
        place = model.GridPos(h=1, w=GRID_COLUMNS, x=0, y=top)
        made.with_row(dashboard.Row(section.title).id(number).grid_pos(place))
        top, left, tallest, number = top + 1, 0, 0, number + 1
        for spec in section.panels:
            if left + spec.width > GRID_COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            panel = spec.build_panel().build()
            panel.id_val, number = number, number + 1
            panel.grid_pos = model.GridPos(h=spec.height, w=spec.width, x=left, y=top)
            made.with_panel(_BuiltPanel(panel))
            left, tallest = left + spec.width, max(tallest, spec.height)
        top += tallest


class _BuiltPanel(Builder[model.Panel]):
    """Builder of a panel that is built already."""

    def __init__(self, panel: model.Panel) -> None:
        self._panel = panel

    def build(self) -> model.Panel:
        return self._panel


def _build_variable(variable: BoardVariable) -> dashboard.QueryVariable:
    made = dashboard.QueryVariable(variable.name).label(variable.label).datasource(DATASOURCE)
    made.query({"query": variable.values, "refId": variable.name})
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if variable.multi:
        every = model.VariableOption(selected=True, text=["All"], value=["$__all"])
        made.multi(multi=True).include_all(include_all=True).current(every)
    return made


def _build_window() -> dashboard.CustomVariable:
    chosen = model.VariableOption(selected=True, text=MIN_ALERT_WINDOW, value=MIN_ALERT_WINDOW)
    return dashboard.CustomVariable("window").label("Window").values(",".join(WINDOWS)).current(chosen)


def _build_link(title: str, url: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).icon("dashboard").url(url)
    return link.keep_time(keep_time=True).include_vars(include_vars=True)


def _build_annotation(event: BoardEvent) -> dashboard.AnnotationQuery:
    made = dashboard.AnnotationQuery().name(event.name).datasource(DATASOURCE).enable(enable=True)
    made.icon_color(event.colour).expr(event.expr).title_format(event.title)
    return made.use_value_for_time(use_value_for_time=event.by_value)


def to_document(made: model.Dashboard) -> dict[str, Any]:
    """Convert a dashboard to its JSON document."""
    text = JSONEncoder(sort_keys=True).encode(made)
    document: dict[str, Any] = json.loads(text)
    # the SDK puts every link and annotation into a menu; an operator shall see them without opening it
    for each in (*document["links"], *document["annotations"].get("list", ())):
        each.pop("placement", None)
    return document
