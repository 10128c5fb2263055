"""A dashboard of panels: its variables, links and annotations, its place on the grid, and its JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana.colours import BLUE
from grafana.panels import DATASOURCE, Part
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model
from monitoring.thresholds import LEAST_ALERT_WINDOW, WINDOWS

PREFIX = "servicio-ml-"
TITLES = {
    "overview": "Overview", "service": "Service", "model": "Model", "drift": "Drift",
    "pipelines": "Pipelines", "stream": "Stream", "postgresql": "PostgreSQL", "object-store": "Object store",
}  # fmt: skip
"""Last part of a dashboard's uid, and its title."""
RUNBOOK_PAGE = "/public/docs/runbook.md"
"""Where a browser finds docs/runbook.md: Grafana serves the folder that is mounted into its public one."""
GRID_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Section:
    """Panels under a title."""

    title: str
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What is chosen at the top of a dashboard.

    Attributes:
        name: In the expressions, behind `$`.
        label: Shown.
        values: The label values that can be chosen, as `label_values(...)`.
        multi: Whether several may be chosen; then all are at first.
    """

    name: str
    label: str
    values: str
    multi: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Marks in the time of every panel.

    Attributes:
        name: Of the kind of events.
        expr: Its series.
        title: Of an event, with `{{label}}`.
        by_value: Whether the value says when it was, in milliseconds; otherwise it is where samples are.
        colour: Of the marks.
    """

    name: str
    expr: str
    title: str
    by_value: bool = False
    colour: str = BLUE


CHOOSE_MODEL = Variable(name="model", label="Model", values="label_values(servicio_ml_model_ready, model)")


def board(
    name: str, about: str, sections: Sequence[Section], *, variables: Sequence[Variable] = (),
    window: bool = False, events: Sequence[Event] = (), since: str = "now-24h",
) -> dashboard.Dashboard:  # fmt: skip
    """A dashboard.

    Args:
        name: One of `TITLES`.
        about: What it is for.
        sections: From the top.
        variables: Beside the data source.
        window: Whether a window of the recording rules is chosen.
        events: Its annotations.
        since: The time it shows at first.
    """
    made = dashboard.Dashboard(f"servicio-ml · {TITLES[name]}").uid(PREFIX + name).description(about)
    made.tags(["servicio-ml"]).time(since, "now").refresh("1m").timezone("browser").readonly()
    made.tooltip(model.DashboardCursorSync.CROSSHAIR).version(1)
    made.with_variable(dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"))
    for variable in variables:
        made.with_variable(_variable(variable))
    if window:
        made.with_variable(_window())
    made.with_variable(dashboard.ConstantVariable("runbook").label("Runbook").value(RUNBOOK_PAGE))
    for other, title in TITLES.items():
        if other != name:
            made.link(_link(title, f"/d/{PREFIX}{other}"))
    for event in events:
        made.annotation(_annotation(event))
    _place(made, sections)
    return made


def _place(made: dashboard.Dashboard, sections: Sequence[Section]) -> None:
    """Put the panels beside each other while there is room, and number them."""
    top, number = 0, 1
    for section in sections:
        place = model.GridPos(h=1, w=GRID_COLUMNS, x=0, y=top)
        made.with_row(dashboard.Row(section.title).id(number).grid_pos(place))
        top, left, tallest, number = top + 1, 0, 0, number + 1
        for part in section.parts:
            if left + part.width > GRID_COLUMNS:
                top, left, tallest = top + tallest, 0, 0
            panel = part.panel().build()
            panel.id_val, number = number, number + 1
            panel.grid_pos = model.GridPos(h=part.height, w=part.width, x=left, y=top)
            made.with_panel(_Placed(panel))
            left, tallest = left + part.width, max(tallest, part.height)
        top += tallest


class _Placed(Builder[model.Panel]):
    """A panel that is built already."""

    def __init__(self, panel: model.Panel) -> None:
        self._panel = panel

    def build(self) -> model.Panel:
        return self._panel


def _variable(variable: Variable) -> dashboard.QueryVariable:
    made = dashboard.QueryVariable(variable.name).label(variable.label).datasource(DATASOURCE)
    made.query({"query": variable.values, "refId": variable.name})
    made.refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(model.VariableSort.ALPHABETICAL_ASC)
    if variable.multi:
        every = model.VariableOption(selected=True, text=["All"], value=["$__all"])
        made.multi(multi=True).include_all(include_all=True).current(every)
    return made


def _window() -> dashboard.CustomVariable:
    chosen = model.VariableOption(selected=True, text=LEAST_ALERT_WINDOW, value=LEAST_ALERT_WINDOW)
    return dashboard.CustomVariable("window").label("Window").values(",".join(WINDOWS)).current(chosen)


def _link(title: str, url: str) -> dashboard.DashboardLink:
    link = dashboard.DashboardLink(title).type(model.DashboardLinkType.LINK).icon("dashboard").url(url)
    return link.keep_time(keep_time=True).include_vars(include_vars=True)


def _annotation(event: Event) -> dashboard.AnnotationQuery:
    made = dashboard.AnnotationQuery().name(event.name).datasource(DATASOURCE).enable(enable=True)
    made.icon_color(event.colour).expr(event.expr).title_format(event.title)
    return made.use_value_for_time(use_value_for_time=event.by_value)


def document(made: model.Dashboard) -> dict[str, Any]:
    """The JSON of a dashboard."""
    text = JSONEncoder(sort_keys=True).encode(made)
    whole: dict[str, Any] = json.loads(text)
    # the SDK puts every link and annotation into a menu; an operator shall see them without opening it
    for each in (*whole["links"], *whole["annotations"].get("list", ())):
        each.pop("placement", None)
    return whole
