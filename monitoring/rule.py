"""Recording rules, alerts and groups of them, as Prometheus reads them from YAML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

UNIT_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
RUNBOOK = "docs/runbook.md"
Severity = Literal["page", "ticket"]
Cause = Literal[
    "service",
    "schema",
    "sensor",
    "drift",
    "outliers",
    "fairness",
    "performance",
    "labels",
    "pipeline",
    "governance",
]


def parse_milliseconds(duration: str) -> int:
    """Parse a duration such as `5m` or `57m30s` to milliseconds.

    Raises:
        ValueError: The text is not a duration.
    """
    terms = re.findall(r"(\d+)(ms|[smhd])", duration)
    if not terms or "".join(number + unit for number, unit in terms) != duration:
        raise ValueError(f"{duration!r} is not a duration; write it as 5m, 1h or 30d")
    return sum(int(number) * UNIT_MILLISECONDS[unit] for number, unit in terms)


def format_duration(length: int) -> str:
    """Format a number of milliseconds in the largest units that Prometheus reads."""
    text = ""
    for unit, size in sorted(UNIT_MILLISECONDS.items(), key=lambda each: -each[1]):
        number, length = divmod(length, size)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def multiply_duration(step: str, number: float) -> str:
    """Multiply a duration by a number."""
    return format_duration(round(parse_milliseconds(step) * number))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingRule:
    """Recording rule: an expression that Prometheus stores as a series.

    Attributes:
        name: Name of the series, `level:metric:operation`.
        expr: PromQL expression.
        labels: Labels that are added to each sample.
    """

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        made: dict[str, Any] = {"record": self.name, "expr": self.expr}
        return {**made, "labels": dict(self.labels)} if self.labels else made


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """Condition that notifies people or the retraining hook.

    Attributes:
        name: Name in CamelCase; in lower case it is the anchor of its entry in the runbook.
        expr: PromQL expression; each sample is an alert.
        wait: Time for which the condition must hold before the alert fires.
        severity: `page` for immediate attention, `ticket` for the next working day.
        cause: Cause by which the retraining hook decides.
        summary: Summary in one line.
        description: Description of the finding with its value.
        labels: Labels besides severity and cause.
    """

    name: str
    expr: str
    wait: str
    severity: Severity
    cause: Cause
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_document(self) -> dict[str, Any]:
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "labels": {"severity": self.severity, "cause": self.cause, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{RUNBOOK}#{self.name.lower()}",
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleGroup:
    """Group of rules that Prometheus evaluates in order, so that a rule can use the results of earlier ones.

    Attributes:
        name: Name of the group and of its file.
        interval: Time between two evaluations, as Prometheus writes it.
        rules: Rules in the order of evaluation.
    """

    name: str
    interval: str
    rules: Sequence[RecordingRule | AlertRule]

    def to_document(self) -> dict[str, Any]:
        rules = [rule.to_document() for rule in self.rules]
        return {"name": self.name, "interval": self.interval, "rules": rules}
