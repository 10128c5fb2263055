"""Alerting and recording rules, evaluated over the past."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries, MetricsHistory, TimeSpan
from servicio_ml.errors import SettingsError, format_names
from servicio_ml.pipeline.backtest.rule_files import AlertingRule, RuleSet

TICKET_FEATURES = {
    "FeatureDrift": 'feature:drift_open:index{feature!="prediction"}',
    "MissingValues": "feature:missing_open:ratio",
}
"""Query for the features of a ticket that is about several of them, by the name of its alert."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FiringAlert:
    """An alert with its labels, and when it fired.

    Attributes:
        alert: Its name.
        labels: Labels of the series and of the rule.
        times: Evaluations at which it fired, in seconds since 1970, ascending.
        starts: The `times` at which it started to fire.
        features: The `times` at which a ticket was about each of its features, by feature.
    """

    alert: str
    labels: Mapping[str, str]
    times: Sequence[float]
    starts: Sequence[float]
    features: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def ranked_features(self) -> list[str]:
        """The features that it is about, the one of the most days first."""
        if "feature" in self.labels:
            return [self.labels["feature"]]
        return sorted(self.features, key=lambda name: (-len(self.features[name]), name))

    def select_times(self, wanted: Callable[[float], bool]) -> "FiringAlert":
        """Restrict it to some of its times."""
        features = {name: [*filter(wanted, times)] for name, times in self.features.items()}
        return replace(
            self, times=[*filter(wanted, self.times)], starts=[*filter(wanted, self.starts)],
            features={name: times for name, times in features.items() if times},
        )  # fmt: skip

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """What makes it this alert and no other."""
        return self.alert, tuple(sorted(self.labels.items()))

    def to_json(self) -> dict[str, Any]:
        return {
            "alert": self.alert,
            "labels": dict(self.labels),
            "first": get_previous_day(self.times[0]).isoformat(),
            "days": len(self.times),
            "began": len(self.starts),
            "features": self.ranked_features,
        }


def get_previous_day(at: float) -> date:
    """The day that ends at a midnight (UTC), in seconds since 1970."""
    return (datetime.fromtimestamp(at, UTC) - timedelta(days=1)).date()


def order_in_layers(
    records: Sequence[AlertingRule], exported: frozenset[str]
) -> Iterator[list[AlertingRule]]:
    """Yield layers of the recording rules that depend on an exported metric, dependencies first.

    A rule that reads its own past finds none; such rules exist for servers that restart, and a replay
    never restarts.

    Args:
        records: Recording rules in any order.
        exported: Names of the metrics that the server exports.

    Raises:
        SettingsError: Some rules depend on each other in a cycle.
    """
    alive = _find_available_metrics(records, exported)
    waiting = [rule for rule in records if rule.name in alive]
    while waiting:
        # several rules may make one record: it is read when all of them are through
        later = {rule.name for rule in waiting}
        ready = _select_ready_rules(waiting, later)
        yield ready
        done = {id(rule) for rule in ready}
        waiting = [rule for rule in waiting if id(rule) not in done]


def _select_ready_rules(waiting: Sequence[AlertingRule], later: set[str]) -> list[AlertingRule]:
    ready = [rule for rule in waiting if not rule.reads & (later - {rule.name})]
    if not ready:
        raise SettingsError("--rules", f"these records read each other: {format_names(sorted(later))}")
    return ready


def _find_available_metrics(records: Sequence[AlertingRule], exported: frozenset[str]) -> set[str]:
    """Names of the exported metrics and of the records that depend on them."""
    alive, before = set(exported), -1
    # a fixed point: records may depend on records in any order
    while len(alive) != before:
        before = len(alive)
        alive |= {rule.name for rule in records if rule.reads & alive}
    return alive


def evaluate_rules(
    rules: RuleSet, history: MetricsHistory, exported: frozenset[str], span: TimeSpan
) -> list[FiringAlert]:
    """Evaluate the records layer by layer, then the alerts that read something of it.

    Args:
        rules: What is evaluated.
        history: Holds the exported series; receives the records.
        exported: Names of the metrics in it.
        span: Times of the evaluations.

    Raises:
        SettingsError: As `layers`.
        ProgramError: The history fails, or an expression is wrong.
    """
    for layer in order_in_layers(rules.records, exported):
        # added before the next layer, whose expressions read these records
        history.add(series for rule in layer for series in _evaluate_record(rule, history, span))
    alive = _find_available_metrics(rules.records, exported)
    return [
        firing
        for rule in rules.alerts
        if rule.reads & alive
        for firing in _add_features(
            _find_firings(rule, history.query_range(rule.query, span), span), history, span
        )
    ]


def _add_features(
    firings: Iterable[FiringAlert], history: MetricsHistory, span: TimeSpan
) -> Iterator[FiringAlert]:
    """Add to tickets the features that they are about."""
    for each in firings:
        if each.alert not in TICKET_FEATURES:
            yield each
            continue
        found = history.query_range(TICKET_FEATURES[each.alert], span)
        features = {series.labels["feature"]: series.times for series in found}
        yield replace(each, features=features).select_times(set(each.times).__contains__)


def _evaluate_record(rule: AlertingRule, history: MetricsHistory, span: TimeSpan) -> Iterator[MetricSeries]:
    for each in history.query_range(rule.query, span):
        # the rule's labels win, as in Prometheus
        labels = {**each.labels, **rule.labels, NAME_LABEL: rule.name}
        yield MetricSeries(labels=labels, times=each.times, values=each.values)


def _find_firings(rule: AlertingRule, found: Sequence[MetricSeries], span: TimeSpan) -> Iterator[FiringAlert]:
    for each in found:
        times = find_held_times(each.times, rule.seconds, span.step)
        if times:
            labels = {name: value for name, value in each.labels.items() if name != NAME_LABEL}
            starts = [at for before, at in pairwise([-span.step, *times]) if at - before > span.step]
            yield FiringAlert(alert=rule.name, labels={**labels, **rule.labels}, times=times, starts=starts)


def find_held_times(times: Sequence[float], seconds: float, step: float) -> list[float]:
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
