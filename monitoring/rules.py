"""All rules of Prometheus, as a function of the time between two evaluations and of the windows."""

from collections.abc import Iterator, Sequence
from typing import Any

import monitoring.alerts.drift as drift_alerts
import monitoring.alerts.fairness as fairness_alerts
import monitoring.alerts.models as model_alerts
import monitoring.alerts.outliers as outlier_alerts
import monitoring.alerts.pipelines as pipeline_alerts
import monitoring.alerts.rollouts as rollout_alerts
import monitoring.alerts.segments as segment_alerts
import monitoring.alerts.service as service_alerts
import monitoring.records.drift as drift_records
import monitoring.records.fairness as fairness_records
import monitoring.records.models as model_records
import monitoring.records.outliers as outlier_records
import monitoring.records.pipelines as pipeline_records
import monitoring.records.segments as segment_records
import monitoring.records.service as service_records
import monitoring.records.tickets as ticket_records
from monitoring.rule import AlertRule, RecordingRule, RuleGroup, multiply_duration, parse_milliseconds
from monitoring.thresholds import MIN_ALERT_WINDOW, SEGMENT_WINDOWS, SERVICE_STEP_SHARE, STEP, WINDOWS


def build_groups(step: str = STEP, windows: Sequence[str] = WINDOWS) -> list[RuleGroup]:
    """Build the groups drift, models, service and pipelines.

    The names of the records do not change with the step: `increase5m` counts one step of the groups drift and
    models, `increase1m` one step of service and pipelines, which are evaluated five times as often.

    Args:
        step: Time between two evaluations of drift and models; the scrape interval must be shorter.
        windows: Windows of the records; alerts use those that are at least `MIN_ALERT_WINDOW` long.
    """
    long = [each for each in windows if parse_milliseconds(each) >= parse_milliseconds(MIN_ALERT_WINDOW)]
    short = multiply_duration(step, SERVICE_STEP_SHARE)
    return [
        _build_group(
            "drift", step, _build_drift_records(step, windows, long), drift_alerts.build_alerts(step)
        ),
        _build_group("models", step, _build_model_records(step, windows), _build_model_alerts(step, long)),
        _build_group("service", short, service_records.build_records(short), _build_service_alerts(short)),
        _build_group(
            "pipelines", short, pipeline_records.build_records(short), pipeline_alerts.build_alerts(short)
        ),
    ]


def to_document(groups: Sequence[RuleGroup]) -> dict[str, Any]:
    """Convert groups to the document of a rule file."""
    return {"groups": [group.to_document() for group in groups]}


def list_alerts(groups: Sequence[RuleGroup]) -> list[AlertRule]:
    """List the alerts of the groups."""
    return [rule for group in groups for rule in group.rules if isinstance(rule, AlertRule)]


def _build_group(
    name: str, interval: str, records: Iterator[RecordingRule], alerts: Iterator[AlertRule]
) -> RuleGroup:
    return RuleGroup(name=name, interval=interval, rules=(*records, *alerts))


def _build_drift_records(step: str, windows: Sequence[str], long: Sequence[str]) -> Iterator[RecordingRule]:
    yield from drift_records.build_base_records(step, windows)
    for window in windows:
        yield from drift_records.build_window_records(window, step)
    yield from ticket_records.build_ticket_records(step, long)


def _build_model_records(step: str, windows: Sequence[str]) -> Iterator[RecordingRule]:
    yield from model_records.build_base_records(step, windows)
    yield from outlier_records.build_base_records(step)
    for window in windows:
        yield from model_records.build_window_records(window, step)
        yield from outlier_records.build_window_records(window, step)
    yield from segment_records.build_base_records(step)
    for window in _select_segment_windows(windows):
        yield from segment_records.build_window_records(window, step)
    yield from fairness_records.build_base_records(step)
    for window in _select_segment_windows(windows):
        yield from fairness_records.build_window_records(window, step)


def _build_model_alerts(step: str, long: Sequence[str]) -> Iterator[AlertRule]:
    yield from model_alerts.build_alerts(step, long)
    yield from outlier_alerts.build_alerts(step, long)
    yield from segment_alerts.build_alerts(step, _select_segment_windows(long))
    yield from fairness_alerts.build_alerts(step, _select_segment_windows(long))


def _build_service_alerts(step: str) -> Iterator[AlertRule]:
    yield from service_alerts.build_alerts(step)
    yield from rollout_alerts.build_alerts(step)


def _select_segment_windows(windows: Sequence[str]) -> Sequence[str]:
    """Select the windows of segments, or the longest one where none of these is wanted."""
    return [each for each in windows if each in SEGMENT_WINDOWS] or [max(windows, key=parse_milliseconds)]
