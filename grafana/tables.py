"""Tables of the latest values."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from string import ascii_uppercase

from grafana.panels import (
    DATASOURCE,
    Part,
    Steps,
    Words,
    setting,
    threshold_steps,
    transformation,
    value_names,
)
from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat


def value_field(ref: str, queries: int) -> str:
    """How Grafana calls the values of a query in a table; of several queries each has its name."""
    return f"Value #{ref}" if queries > 1 else "Value"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: the values of one query.

    Attributes:
        title: Of the column.
        expr: Its query; samples of equal labels become one row.
        unit: Grafana's name of it.
        steps: Colours by value.
        words: Names of values.
    """

    title: str
    expr: str
    unit: str = "short"
    _: KW_ONLY
    steps: Steps = ()
    words: Words = field(default_factory=dict)

    def properties(self) -> list[model.DynamicConfigValue]:
        """What Grafana is to do with the column."""
        made = [setting("unit", self.unit)]
        if self.words:
            made.append(setting("mappings", [value_names(self.words).to_json()]))
        if self.steps:
            made.append(setting("thresholds", threshold_steps(self.steps).build().to_json()))
        if self.steps or self.words:
            made.append(setting("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Part):
    """A table of the latest values.

    Attributes:
        columns: From the left, behind the labels.
        labels: Those shown, with the titles of their columns.
        sort: Title of the column by which it is sorted, greatest first; empty to leave it.
        link: Where a row's first label leads, with `${__value.text}` for its value; empty for nowhere.
    """

    columns: Sequence[Column]
    labels: Mapping[str, str]
    sort: str = ""
    link: str = ""

    def panel(self) -> table.Panel:
        made = self.dressed(table.Panel())
        renamed = dict(self.labels)
        for letter, column in zip(ascii_uppercase, self.columns, strict=False):
            target = prometheus.Dataquery().expr(column.expr).ref_id(letter).instant()
            made.with_target(target.format(PromQueryFormat.TABLE).datasource(DATASOURCE))
            renamed[value_field(letter, len(self.columns))] = column.title
            made.override_by_name(column.title, column.properties())
        order = {name: place for place, name in enumerate(renamed)}
        organised = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
        made.with_transformation(transformation("merge", {}))
        made.with_transformation(transformation("organize", organised))
        if self.sort:
            made.sort_by([common.TableSortByFieldState().display_name(self.sort).desc(desc=True)])
        if self.link:
            link = {"title": "Open", "url": self.link}
            made.override_by_name(next(iter(self.labels.values())), [setting("links", [link])])
        return made
