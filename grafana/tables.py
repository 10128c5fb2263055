"""Table panels with the latest values."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from string import ascii_uppercase

from grafana.panels import (
    DATASOURCE,
    ColourSteps,
    PanelSpec,
    ValueNames,
    build_setting,
    build_thresholds,
    build_transformation,
    build_value_map,
)
from grafana_foundation_sdk.builders import common, prometheus, table
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat


def name_value_field(ref: str, queries: int) -> str:
    """Name the field with a query's values as Grafana does; among several queries by the query's ref."""
    return f"Value #{ref}" if queries > 1 else "Value"


@dataclass(frozen=True, slots=True)
class TableColumn:
    """Column of a table: the values of one query.

    Attributes:
        title: Title of the column.
        expr: PromQL expression; samples with equal labels become one row.
        unit: Grafana's id of the unit, such as `percentunit`.
        steps: Colours by value.
        value_names: Texts that replace values.
    """

    title: str
    expr: str
    unit: str = "short"
    _: KW_ONLY
    steps: ColourSteps = ()
    value_names: ValueNames = field(default_factory=dict)

    def build_properties(self) -> list[model.DynamicConfigValue]:
        """Build the settings of the column that override those of the panel."""
        made = [build_setting("unit", self.unit)]
        if self.value_names:
            made.append(build_setting("mappings", [build_value_map(self.value_names).to_json()]))
        if self.steps:
            made.append(build_setting("thresholds", build_thresholds(self.steps).build().to_json()))
        if self.steps or self.value_names:
            made.append(build_setting("custom.cellOptions", {"type": "color-background", "mode": "basic"}))
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePanel(PanelSpec):
    """Table of the latest values.

    Attributes:
        columns: Columns from the left, after those of the labels.
        labels: Labels to show, each with the title of its column.
        sort: Title of the column that sorts the rows, the largest value first; empty for no sorting.
        link: URL behind the first label of a row, with `${__value.text}` for its value; empty for none.
    """

    columns: Sequence[TableColumn]
    labels: Mapping[str, str]
    sort: str = ""
    link: str = ""

    def build_panel(self) -> table.Panel:
        made = self.apply_common(table.Panel())
        renamed = dict(self.labels)
        for letter, column in zip(ascii_uppercase, self.columns, strict=False):
            target = prometheus.Dataquery().expr(column.expr).ref_id(letter).instant()
            made.with_target(target.format(PromQueryFormat.TABLE).datasource(DATASOURCE))
            renamed[name_value_field(letter, len(self.columns))] = column.title
            made.override_by_name(column.title, column.build_properties())
        order = {name: place for place, name in enumerate(renamed)}
        organised = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": renamed}
        made.with_transformation(build_transformation("merge", {}))
        made.with_transformation(build_transformation("organize", organised))
        if self.sort:
            made.sort_by([common.TableSortByFieldState().display_name(self.sort).desc(desc=True)])
        if self.link:
            link = {"title": "Open", "url": self.link}
            made.override_by_name(next(iter(self.labels.values())), [build_setting("links", [link])])
        return made
