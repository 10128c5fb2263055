"""Alerting and recording rules, as Prometheus reads them, evaluated over the past."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from servicio_ml.domain.history import NAME, History, Series, Span
from servicio_ml.errors import SettingsError, listed

TEXT = re.compile(r'"(?:\\.|[^"\\])*"|' + r"'(?:\\.|[^'\\])*'|`[^`]*`")
WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w|y)")
UNIT_SECONDS = {"ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        name: Of the record or the alert.
        query: Its expression.
        labels: That it adds.
        seconds: How long the expression must hold before an alert fires.
    """

    name: str
    query: str
    labels: Mapping[str, str]
    seconds: float = 0.0

    @property
    def reads(self) -> frozenset[str]:
        """The words of the expression, names of metrics among them."""
        return frozenset(WORD.findall(TEXT.sub("", self.query)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a folder holds."""

    records: Sequence[Rule]
    alerts: Sequence[Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """An alert with its labels, and when it fired.

    Attributes:
        alert: Its name.
        labels: Of the series and of the rule.
        times: Of the evaluations at which it did, in seconds since 1970.
        starts: Those of them at which it began to.
    """

    alert: str
    labels: Mapping[str, str]
    times: Sequence[float]
    starts: Sequence[float]

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes it this alert and no other."""
        return self.alert, tuple(sorted(self.labels.items()))

    def to_json(self) -> dict[str, Any]:
        return {
            "alert": self.alert,
            "labels": dict(self.labels),
            "first": day_before(self.times[0]).isoformat(),
            "days": len(self.times),
            "began": len(self.starts),
        }


def day_before(at: float) -> date:
    """The day that ends at a midnight (UTC), in seconds since 1970."""
    return (datetime.fromtimestamp(at, UTC) - timedelta(days=1)).date()


def read_rules(folder: Path) -> Rules:
    """The rules of all YAML files of a folder.

    Raises:
        SettingsError: There are none.
    """
    files = sorted((*folder.glob("*.yaml"), *folder.glob("*.yml")))
    rules = [rule for path in files for group in _groups(path) for rule in group["rules"]]
    if not rules:
        raise SettingsError("--rules", f"{folder} holds no rules; give the folder monitoring/backtest/rules")
    return Rules(
        records=[_rule(rule["record"], rule) for rule in rules if "record" in rule],
        alerts=[_rule(rule["alert"], rule) for rule in rules if "alert" in rule],
    )


def _groups(path: Path) -> Sequence[Mapping[str, Any]]:
    try:
        groups: Sequence[Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise SettingsError(
            "--rules", f"{path} is no rule file ({error}); `promtool check rules` tells why"
        ) from error
    return groups


def _rule(name: str, document: Mapping[str, Any]) -> Rule:
    return Rule(
        name=name,
        query=str(document["expr"]),
        labels=document.get("labels", {}),
        seconds=sum(
            int(count) * UNIT_SECONDS[unit] for count, unit in DURATION.findall(str(document.get("for", "")))
        ),
    )


def layers(records: Sequence[Rule], told: frozenset[str]) -> Iterator[list[Rule]]:
    """Recording rules that read, by way of others too, something that is told; each after what it reads.

    One that reads its own past finds none: that is for servers that start anew, which no replay has.

    Args:
        records: In any order.
        told: Names of the metrics that there are.

    Raises:
        SettingsError: Some of them read each other in a circle.
    """
    alive = _alive(records, told)
    waiting = [rule for rule in records if rule.name in alive]
    while waiting:
        # several rules may make one record: it is read when all of them are through
        later = {rule.name for rule in waiting}
        ready = [rule for rule in waiting if not rule.reads & (later - {rule.name})]
        if not ready:
            raise SettingsError("--rules", f"these records read each other: {listed(sorted(later))}")
        yield ready
        done = {id(rule) for rule in ready}
        waiting = [rule for rule in waiting if id(rule) not in done]


def _alive(records: Sequence[Rule], told: frozenset[str]) -> set[str]:
    """Names of the metrics that are told, and of the records that read them or each other."""
    alive, before = set(told), -1
    while len(alive) != before:
        before = len(alive)
        alive |= {rule.name for rule in records if rule.reads & alive}
    return alive


def replay(rules: Rules, history: History, told: frozenset[str], span: Span) -> list[Firing]:
    """Evaluate the records layer by layer, then the alerts that read something of it.

    Args:
        rules: What is evaluated.
        history: Holds what is told; gets the records.
        told: Names of its metrics.
        span: Times of the evaluations.

    Raises:
        SettingsError: As `layers`.
        ProgramError: The history fails, or an expression is wrong.
    """
    for layer in layers(rules.records, told):
        history.add(series for rule in layer for series in _recorded(rule, history, span))
    alive = _alive(rules.records, told)
    return [
        firing
        for rule in rules.alerts
        if rule.reads & alive
        for firing in _firings(rule, history.over(rule.query, span), span)
    ]


def _recorded(rule: Rule, history: History, span: Span) -> Iterator[Series]:
    for each in history.over(rule.query, span):
        labels = {**each.labels, **rule.labels, NAME: rule.name}
        yield Series(labels=labels, times=each.times, values=each.values)


def _firings(rule: Rule, found: Sequence[Series], span: Span) -> Iterator[Firing]:
    for each in found:
        times = held(each.times, rule.seconds, span.step)
        if times:
            labels = {name: value for name, value in each.labels.items() if name != NAME}
            starts = [at for before, at in pairwise([-span.step, *times]) if at - before > span.step]
            yield Firing(alert=rule.name, labels={**labels, **rule.labels}, times=times, starts=starts)


def held(times: Sequence[float], seconds: float, step: float) -> list[float]:
    """The evaluations up to whose next something has held for longer than that, without a gap.

    What is found at an evaluation is taken to hold until the next.

    Args:
        times: At which it held, ascending.
        seconds: How long it must.
        step: Between two evaluations, in seconds.
    """
    fired, since = [], times[0] if times else 0.0
    for before, at in pairwise([-step, *times]):
        if at - before > step:
            since = at
        if at + step - since > seconds:
            fired.append(at)
    return fired
