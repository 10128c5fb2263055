"""Alerts about the steps of the pipelines: failed, late, or in vain."""

from collections.abc import Iterator

from monitoring.records.pipelines import FAILURE, REJECTED, SUCCESS
from monitoring.rule import Alert, times
from monitoring.thresholds import LATEST_SECONDS, REJECTIONS_IN_A_ROW

NAMES = {"etl": "Etl", "train": "Training", "report": "DriftReport"}
RETRY_STEPS = 30
"""A failure that a retry mends within so many steps is not told."""
MODEL = {"model": "{{ $labels.use_case }}"}


def alerts(step: str) -> Iterator[Alert]:
    """All of them; `step` is between two evaluations."""
    for name, title in NAMES.items():
        failed, succeeded = f'{FAILURE}{{step="{name}"}}', f'{SUCCESS}{{step="{name}"}}'
        yield Alert(
            name=f"{title}Failed",
            expr=f"({failed} > {succeeded}) or ({failed} unless {succeeded})",
            wait=times(step, RETRY_STEPS),
            severity="ticket",
            cause="pipeline",
            summary=f"The step {name} of {{{{ $labels.use_case }}}} failed",
            description="It has not succeeded since {{ $value | humanizeTimestamp }}, when it failed.",
            labels=MODEL,
        )
        yield Alert(
            name=f"{title}Late",
            expr=f'pipeline:age_seconds:max{{step="{name}"}} > {LATEST_SECONDS[name]}',
            wait=times(step, RETRY_STEPS),
            severity="ticket",
            cause="pipeline",
            summary=f"The step {name} of {{{{ $labels.use_case }}}} is late",
            description="It last succeeded {{ $value | humanizeDuration }} ago.",
            labels=MODEL,
        )
    yield Alert(
        name="PromotionsRejected",
        expr=f"{REJECTED} >= {REJECTIONS_IN_A_ROW}",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="No challenger of {{ $labels.use_case }} is good enough",
        description="{{ $value | humanize }} challengers in a row were rejected.",
        labels=MODEL,
    )
