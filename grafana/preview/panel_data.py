"""Data of a dashboard's panels: values of its variables, and results of its queries from Prometheus."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.preview.prometheus import PrometheusClient, QueriedSeries

from grafana.preview import variables

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
POINTS = 200
MILLISECONDS = 1000
MIN_STEP_SECONDS = 1.0
MIN_RATE_SECONDS = 60.0
"""Minimum of Grafana's $__rate_interval for a scrape interval of 15 s, in seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTime:
    """Time range in seconds since 1970, and the minimum range of a rate in seconds."""

    start: float
    end: float
    rate: float = MIN_RATE_SECONDS

    @property
    def step(self) -> float:
        return max((self.end - self.start) / POINTS, MIN_STEP_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Result of a target: its series, each with the name from its legend."""

    ref: str
    series: Sequence[tuple[str, QueriedSeries]]


def resolve_variables(
    board: Mapping[str, Any], prometheus: PrometheusClient, span: EvaluationTime, wanted: Mapping[str, str]
) -> dict[str, str]:
    """Resolve each variable to the wanted value, or else to Grafana's default."""
    seconds = {
        variables.RATE_INTERVAL: max(span.rate, 2 * span.step),
        variables.INTERVAL: span.step,
        variables.RANGE: span.end - span.start,
    }
    values = {name: f"{max(round(each), 1)}s" for name, each in seconds.items()}
    for variable in board["templating"]["list"]:
        name = variable["name"]
        if name in wanted:
            values[name] = wanted[name]
        elif variable["type"] == "query":
            values[name] = _find_first_value(variable, prometheus, values)
        elif variable["type"] == "custom":
            values[name] = variable["current"]["value"]
        else:
            values[name] = str(variable.get("query", ""))
    return values


def _find_first_value(
    variable: Mapping[str, Any], prometheus: PrometheusClient, values: Mapping[str, str]
) -> str:
    asked = LABEL_VALUES.fullmatch(variables.replace_variables(variable["query"]["query"], values))
    found = sorted(prometheus.list_label_values(asked["label"], asked["selector"])) if asked else []
    return variables.format_choice(found, multi=variable["multi"]) if found else ""


def run_queries(
    panel: Mapping[str, Any], prometheus: PrometheusClient, span: EvaluationTime, values: Mapping[str, str]
) -> list[QueryResult]:
    """Run the queries of a panel; series without samples are left out."""
    made = []
    for target in panel["targets"]:
        expression = variables.replace_variables(target["expr"], values)
        if target.get("instant"):
            found = prometheus.query_instant(expression, span.end)
        else:
            found = prometheus.query_range(expression, span.start, span.end, span.step)
        named = [
            (_format_legend(target.get("legendFormat", ""), each.labels), each)
            for each in found
            if each.values
        ]
        made.append(QueryResult(ref=target["refId"], series=named))
    return made


def find_events(
    board: Mapping[str, Any], prometheus: PrometheusClient, span: EvaluationTime, values: Mapping[str, str]
) -> list[tuple[float, str]]:
    """Find a dashboard's events in the range: start in seconds since 1970, and colour of the mark."""
    made = []
    for event in board["annotations"].get("list", ()):
        expression = variables.replace_variables(event["expr"], values)
        for series in prometheus.query_range(expression, span.start, span.end, span.step):
            if event.get("useValueForTime"):
                began = {value / MILLISECONDS for value in series.values}
            else:
                began = set(series.times[:1])
            made += [(at, event["iconColor"]) for at in began if span.start <= at <= span.end]
    return sorted(made)


def _format_legend(legend: str, labels: Mapping[str, str]) -> str:
    if legend:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()
    return ", ".join(value for name, value in labels.items() if name != "__name__")
