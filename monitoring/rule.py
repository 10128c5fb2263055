"""Recording rules, alerts and groups of them, as Prometheus reads them from YAML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

UNIT_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
RUNBOOK = "docs/runbook.md"
Severity = Literal["page", "ticket"]
Cause = Literal["service", "schema", "sensor", "drift", "performance", "labels", "pipeline", "governance"]


def milliseconds(duration: str) -> int:
    """A duration such as `5m` or `57m30s`, in milliseconds.

    Raises:
        ValueError: It is none.
    """
    parts = re.findall(r"(\d+)(ms|[smhd])", duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        raise ValueError(f"{duration!r} is no duration; write it as 5m, 1h or 30d")
    return sum(int(number) * UNIT_MILLISECONDS[unit] for number, unit in parts)


def duration(length: int) -> str:
    """So many milliseconds, in the greatest units that Prometheus reads."""
    text = ""
    for unit, size in sorted(UNIT_MILLISECONDS.items(), key=lambda each: -each[1]):
        number, length = divmod(length, size)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


def times(step: str, number: float) -> str:
    """A multiple of a duration."""
    return duration(round(milliseconds(step) * number))


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A series that Prometheus keeps.

    Attributes:
        name: `level:metric:operation`.
        expr: PromQL.
        labels: Added to each sample.
    """

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        made: dict[str, Any] = {"record": self.name, "expr": self.expr}
        return {**made, "labels": dict(self.labels)} if self.labels else made


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A condition that people, or the retraining hook, are told of.

    Attributes:
        name: In CamelCase; its lower case is the runbook's anchor.
        expr: PromQL; each sample is an alert.
        wait: How long it must hold.
        severity: `page` wakes somebody, `ticket` waits for the working day.
        cause: What the hook goes by.
        summary: One line.
        description: What was found, with the value.
        labels: Beside severity and cause.
    """

    name: str
    expr: str
    wait: str
    severity: Severity
    cause: Cause
    summary: str
    description: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
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
class Group:
    """Rules that are evaluated one after the other at the same moments, so that each sees those before it.

    Attributes:
        name: Of the group and of its file.
        interval: Between two evaluations.
        rules: In their order.
    """

    name: str
    interval: str
    rules: Sequence[Record | Alert]

    def document(self) -> dict[str, Any]:
        rules = [rule.document() for rule in self.rules]
        return {"name": self.name, "interval": self.interval, "rules": rules}
