"""Alerts about the pipeline steps: failed, late, or without a promotion."""

from collections.abc import Iterator

from monitoring.records.pipelines import FAILURE, REJECTED, SUCCESS
from monitoring.rule import AlertRule, multiply_duration
from monitoring.thresholds import MAX_AGE_SECONDS, REJECTIONS_IN_A_ROW

NAMES = {"etl": "Etl", "train": "Training", "report": "DriftReport"}
RETRY_STEPS = 30
"""Number of evaluations within which a successful retry prevents the alert."""
MODEL = {"model": "{{ $labels.use_case }}"}


def build_alerts(step: str) -> Iterator[AlertRule]:
    """Build the alerts; `step` is the time between two evaluations."""
    for name, title in NAMES.items():
        failed, succeeded = f'{FAILURE}{{step="{name}"}}', f'{SUCCESS}{{step="{name}"}}'
        yield AlertRule(
            name=f"{title}Failed",
            expr=f"({failed} > {succeeded}) or ({failed} unless {succeeded})",
            wait=multiply_duration(step, RETRY_STEPS),
            severity="ticket",
            cause="pipeline",
            summary=f"Use case `{{{{ $labels.use_case }}}}`: step {name} failed",
            description=f"Step {name} of `{{{{ $labels.use_case }}}}` failed at "
            "{{ $value | humanizeTimestamp }} and has not succeeded since. See its log and the runbook.",
            labels=MODEL,
        )
        yield AlertRule(
            name=f"{title}Late",
            expr=f'pipeline:age_seconds:max{{step="{name}"}} > {MAX_AGE_SECONDS[name]}',
            wait=multiply_duration(step, RETRY_STEPS),
            severity="ticket",
            cause="pipeline",
            summary=f"Use case `{{{{ $labels.use_case }}}}`: step {name} is late",
            description=f"Step {name} of `{{{{ $labels.use_case }}}}` last succeeded "
            f"{{{{ $value | humanizeDuration }}}} ago; the limit is {MAX_AGE_SECONDS[name] // 86400} days. "
            "See the runbook.",
            labels=MODEL,
        )
    yield AlertRule(
        name="PromotionsRejected",
        expr=f"{REJECTED} >= {REJECTIONS_IN_A_ROW}",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Use case `{{ $labels.use_case }}`: challengers are rejected",
        description="{{ $value | humanize }} challengers of `{{ $labels.use_case }}` in a row were rejected; "
        f"the limit is {REJECTIONS_IN_A_ROW}. See the runbook.",
        labels=MODEL,
    )
