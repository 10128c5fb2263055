"""Alerts about rollouts: rolled back, ended without a decision, or stuck."""

from collections.abc import Iterator

import monitoring.thresholds as limits
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS = 15
CHANGED = "servicio_ml_rollout_changed_timestamp_seconds"
VERSIONS = "model, champion, challenger"
BREACHED = (
    "{{ range $place, $each := printf \"max by (guardrail) (servicio_ml_rollout_guardrail_value{model='%s'} "
    "and servicio_ml_rollout_guardrail_verdict{model='%s'} == 2)\" $labels.model $labels.model "
    '| query | sortByLabel "guardrail" }}'
    '{{ if $place }};{{ end }} {{ $each.Labels.guardrail }} {{ $each.Value | printf "%.3g" }}'
    "{{ range printf \"max by (model) (servicio_ml_rollout_guardrail_limit{model='%s', guardrail='%s'})\" "
    '$labels.model $each.Labels.guardrail | query }} (limit {{ . | value | printf "%.3g" }}){{ end }}'
    "{{ end }}"
)
"""Breached guardrails with value and limit: the alert's own value is a time, so Prometheus queries them."""


def build_alerts(step: str) -> Iterator[AlertRule]:
    """Build the alerts; `step` is the time between two evaluations."""
    wait = multiply_duration(step, WAIT_STEPS)
    yield AlertRule(
        name="RolloutRolledBack",
        expr=_find_recent(state="rolled_back"),
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: version {{ $labels.challenger }} was rolled back",
        description="The rollout of `{{ $labels.model }}` v{{ $labels.challenger }} has breached a "
        f"guardrail:{BREACHED}. Version {{{{ $labels.champion }}}} answers all rows again. See the page "
        "Models and the runbook.",
    )
    yield AlertRule(
        name="RolloutAborted",
        expr=_find_recent(state="aborted", by="program"),
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: the rollout of version {{ $labels.challenger }} has ended "
        "without a decision",
        description="The evidence did not suffice in the maximum time of a step, or the champion of "
        "`{{ $labels.model }}` was changed by another decision. Version {{ $labels.challenger }} answers no "
        "rows. See the page Models and the runbook.",
    )
    yield from _build_stuck_alerts(wait)


def _find_recent(**labels: str) -> str:
    chosen = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    return f"time() - max by ({VERSIONS}) ({CHANGED}{{{chosen}}}) < {limits.ROLLOUT_END_SHOWN_SECONDS}"


def _build_stuck_alerts(wait: str) -> Iterator[AlertRule]:
    paused = f'time() - {limits.MAX_PAUSE_SECONDS} - {CHANGED}{{state="paused"}}'
    promoting = f'time() - {limits.MAX_MOVE_SECONDS} - {CHANGED}{{state="promoting"}}'
    late = f"time() - {limits.MAX_MOVE_SECONDS} - servicio_ml_rollout_deadline_timestamp_seconds"
    yield AlertRule(
        name="RolloutStuck",
        expr=f"max by (model, state) ({paused} or {promoting} or {late}) > 0",
        wait=wait,
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: its rollout does not go on",
        description="The rollout of `{{ $labels.model }}` is {{ $labels.state }}, and should have gone on "
        "{{ $value | humanizeDuration }} ago. See the page Models and the runbook.",
    )
    yield AlertRule(
        name="RollbackStuck",
        expr=f'time() - max by ({VERSIONS}) ({CHANGED}{{state="rolling_back"}}) > {limits.MAX_MOVE_SECONDS}',
        wait="0s",
        severity="page",
        cause="performance",
        summary="Model `{{ $labels.model }}`: version {{ $labels.challenger }} is bad and still champion",
        description="Version {{ $labels.challenger }} of `{{ $labels.model }}` has breached a "
        f"guardrail:{BREACHED}. The registry has not put version {{{{ $labels.champion }}}} back for "
        "{{ $value | humanizeDuration }}. See the runbook.",
    )
