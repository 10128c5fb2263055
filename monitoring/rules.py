"""All rules of Prometheus, as a function of the time between two evaluations and of the windows."""

from collections.abc import Iterator, Sequence
from typing import Any

import monitoring.alerts.drift as drift_alerts
import monitoring.alerts.models as model_alerts
import monitoring.alerts.pipelines as pipeline_alerts
import monitoring.alerts.service as service_alerts
import monitoring.records.drift as drift_records
import monitoring.records.models as model_records
import monitoring.records.pipelines as pipeline_records
import monitoring.records.service as service_records
from monitoring.rule import Alert, Group, Record, milliseconds, times
from monitoring.thresholds import LEAST_ALERT_WINDOW, SERVICE_STEP_SHARE, STEP, WINDOWS


def groups(step: str = STEP, windows: Sequence[str] = WINDOWS) -> list[Group]:
    """The groups drift, models, service and pipelines.

    The names of the records do not change with the step: `increase5m` is of one step of the groups drift and
    models, `increase1m` of one step of service and pipelines, which are evaluated five times as often.

    Args:
        step: Between two evaluations of drift and models; a scrape must be more frequent.
        windows: Of the records; alerts look at those of at least `LEAST_ALERT_WINDOW`.
    """
    long = [each for each in windows if milliseconds(each) >= milliseconds(LEAST_ALERT_WINDOW)]
    short = times(step, SERVICE_STEP_SHARE)
    return [
        _group("drift", step, _drift(step, windows), drift_alerts.alerts(step, long)),
        _group("models", step, _models(step, windows), model_alerts.alerts(step, long)),
        _group("service", short, service_records.records(short), service_alerts.alerts(short)),
        _group("pipelines", short, pipeline_records.records(short), pipeline_alerts.alerts(short)),
    ]


def document(groups: Sequence[Group]) -> dict[str, Any]:
    """What Prometheus reads as YAML."""
    return {"groups": [group.document() for group in groups]}


def alerts(groups: Sequence[Group]) -> list[Alert]:
    """Every alert of the groups."""
    return [rule for group in groups for rule in group.rules if isinstance(rule, Alert)]


def _group(name: str, interval: str, records: Iterator[Record], told: Iterator[Alert]) -> Group:
    return Group(name=name, interval=interval, rules=(*records, *told))


def _drift(step: str, windows: Sequence[str]) -> Iterator[Record]:
    yield from drift_records.base(step, windows)
    for window in windows:
        yield from drift_records.window(window, step)


def _models(step: str, windows: Sequence[str]) -> Iterator[Record]:
    yield from model_records.base(step, windows)
    for window in windows:
        yield from model_records.window(window, step)
