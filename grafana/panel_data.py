"""What the panels of a dashboard would show: its variables chosen, its queries answered by a Prometheus."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.prometheus import Prometheus, Series

from grafana import variables

LABEL_VALUES = re.compile(r"label_values\((?P<selector>.+), (?P<label>\w+)\)")
POINTS = 200
MILLISECONDS = 1000
LEAST_STEP_SECONDS = 1.0
LEAST_RATE_SECONDS = 60.0
"""Grafana's $__rate_interval for a scrape interval of 15 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A time, in seconds since 1970, and how long a rate looks back."""

    start: float
    end: float
    rate: float = LEAST_RATE_SECONDS

    @property
    def step(self) -> float:
        return max((self.end - self.start) / POINTS, LEAST_STEP_SECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The series of one target, each under the name that its legend gives it."""

    ref: str
    series: Sequence[tuple[str, Series]]


def choose(
    board: Mapping[str, Any], prometheus: Prometheus, span: Span, wanted: Mapping[str, str]
) -> dict[str, str]:
    """A value for each variable: the wanted one, or what Grafana would choose at first."""
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
            values[name] = _first(variable, prometheus, values)
        elif variable["type"] == "custom":
            values[name] = variable["current"]["value"]
        else:
            values[name] = str(variable.get("query", ""))
    return values


def _first(variable: Mapping[str, Any], prometheus: Prometheus, values: Mapping[str, str]) -> str:
    asked = LABEL_VALUES.fullmatch(variables.replaced(variable["query"]["query"], values))
    found = sorted(prometheus.values(asked["label"], asked["selector"])) if asked else []
    return variables.chosen(found, multi=variable["multi"]) if found else ""


def answers(
    panel: Mapping[str, Any], prometheus: Prometheus, span: Span, values: Mapping[str, str]
) -> list[Answer]:
    """What each target of a panel finds; series without a sample are left out."""
    made = []
    for target in panel["targets"]:
        expression = variables.replaced(target["expr"], values)
        if target.get("instant"):
            found = prometheus.at(expression, span.end)
        else:
            found = prometheus.over(expression, span.start, span.end, span.step)
        named = [(_named(target.get("legendFormat", ""), each.labels), each) for each in found if each.values]
        made.append(Answer(ref=target["refId"], series=named))
    return made


def events(
    board: Mapping[str, Any], prometheus: Prometheus, span: Span, values: Mapping[str, str]
) -> list[tuple[float, str]]:
    """When the events of a dashboard began, within the span, and the colours of their marks."""
    made = []
    for event in board["annotations"].get("list", ()):
        expression = variables.replaced(event["expr"], values)
        for series in prometheus.over(expression, span.start, span.end, span.step):
            if event.get("useValueForTime"):
                began = {value / MILLISECONDS for value in series.values}
            else:
                began = set(series.times[:1])
            made += [(at, event["iconColor"]) for at in began if span.start <= at <= span.end]
    return sorted(made)


def _named(legend: str, labels: Mapping[str, str]) -> str:
    if legend:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend).strip()
    return ", ".join(value for name, value in labels.items() if name != "__name__")
