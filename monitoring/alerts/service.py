"""Alerts about the service: availability, readiness, error budgets, lost predictions, isolated processes."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import VERSION, filter_champions, sum_over_window
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS, LONG_WAIT_STEPS = 5, 15
JOBS = 'job=~"servicio-ml|stream-worker"'


def build_alerts(step: str) -> Iterator[AlertRule]:
    """Build the alerts; `step` is the time between two evaluations."""
    wait = multiply_duration(step, WAIT_STEPS)
    yield from _build_reachability_alerts(wait)
    yield from _build_burn_alerts(step)
    yield from _build_loss_alerts(step)
    yield from _build_worker_alerts(step)


def _build_reachability_alerts(wait: str) -> Iterator[AlertRule]:
    up, missed = f"sum by (job) (up{{{JOBS}}})", limits.MISSING_SERVER_WINDOW
    gone = f"0 * sum by (job) (last_over_time(up{{{JOBS}}}[{missed}]))"
    yield AlertRule(
        name="ServerDown",
        expr=f"{up} == 0 or ({gone} unless {up})",
        wait=wait,
        severity="page",
        cause="service",
        summary="Job `{{ $labels.job }}` is down",
        description="Prometheus reaches no instance of the job `{{ $labels.job }}`. "
        "Restart it; see the runbook.",
    )
    yield AlertRule(
        name="ModelNotReady",
        expr="max by (model) (servicio_ml_model_ready) == 0",
        wait=wait,
        severity="page",
        cause="service",
        summary="Model `{{ $labels.model }}` is not ready",
        description="No server can answer for the champion of `{{ $labels.model }}`. See /health/ready and "
        "the runbook.",
    )


def _build_burn_alerts(step: str) -> Iterator[AlertRule]:
    kinds = (
        ("ErrorBudgetBurn", "errors", limits.SLO_AVAILABILITY, "failed"),
        ("LatencyBudgetBurn", "slow", limits.SLO_LATENCY, f"took more than {limits.LATENCY_SECONDS} s"),
    )
    for name, kind, objective, what in kinds:
        description = (
            f"{{{{ $value | humanizePercentage }}}} of the requests {what}; the objective allows "
            f"{1 - objective:.1%}. See the runbook."
        )
        yield AlertRule(
            name=name,
            expr=_compare_burn_rates(kind, 1 - objective, limits.PAGE_BURN_RATES, step),
            wait=multiply_duration(step, 2),
            severity="page",
            cause="service",
            summary=f"Too many requests {what}: the error budget of 30 days is used up within days",
            description=description,
        )
        yield AlertRule(
            name=f"{name}Slow",
            expr=_compare_burn_rates(kind, 1 - objective, limits.TICKET_BURN_RATES, step),
            wait=multiply_duration(step, LONG_WAIT_STEPS),
            severity="ticket",
            cause="service",
            summary=f"Too many requests {what}: the error budget of 30 days is used up before their end",
            description=description,
        )


def _compare_burn_rates(kind: str, budget: float, pairs: Sequence[tuple[float, str, str]], step: str) -> str:
    found = []
    for rate, long, short in pairs:
        bad = sum_over_window(f"service:http_{kind}:increase1m", long, step)
        allowed = f"{rate * budget:.6g}"
        found.append(
            f"(service:http_{kind}:ratio_rate{long} > {allowed} "
            f"and service:http_{kind}:ratio_rate{short} > {allowed} "
            f"and {bad} >= {limits.MIN_BAD_REQUESTS})"
        )
    return " or ".join(found)


def _build_loss_alerts(step: str) -> Iterator[AlertRule]:
    long_wait = multiply_duration(step, LONG_WAIT_STEPS)
    yield AlertRule(
        name="PredictionsLost",
        expr=f"{sum_over_window('model:predictions_lost:increase1m', limits.LOST_WINDOW, step)} > 0",
        wait="0s",
        severity="page",
        cause="service",
        summary="Model `{{ $labels.model }}`: predictions are lost",
        description=f"{{{{ $value | humanize }}}} predictions of `{{{{ $labels.model }}}}` were not logged "
        f"in {limits.LOST_WINDOW}. Check the journal's disk; see the runbook.",
    )
    yield AlertRule(
        name="PredictionLogBacklog",
        expr=f"service:prediction_log_pending:sum > {limits.BACKLOG_ROWS}",
        wait=long_wait,
        severity="ticket",
        cause="service",
        summary="The prediction log lags behind",
        description="{{ $value | humanize }} rows wait in the journals of the servers; the limit is "
        f"{limits.BACKLOG_ROWS:,} rows. Check the database; see the runbook.",
    )
    yield AlertRule(
        name="StreamLagging",
        expr=f"model:stream_lag:max > {limits.STREAM_LAG_REQUESTS}",
        wait=long_wait,
        severity="ticket",
        cause="service",
        summary="Model `{{ $labels.model }}`: the stream lags behind",
        description="{{ $value | humanize }} requests of the stream of `{{ $labels.model }}` have no "
        f"answer; the limit is {limits.STREAM_LAG_REQUESTS:,} requests. "
        "Check the stream worker; see the runbook.",
    )
    yield AlertRule(
        name="ModelLoadFailing",
        expr=f"{sum_over_window('model:load_failures:increase1m', limits.LOST_WINDOW, step)} > 0",
        wait=multiply_duration(step, 2),
        severity="ticket",
        cause="service",
        summary="Model `{{ $labels.model }}`: a version cannot be loaded",
        description="Servers failed {{ $value | humanize }} times to load a version of "
        f"`{{{{ $labels.model }}}}` in {limits.LOST_WINDOW}. See the server's log and the runbook.",
    )


def _build_worker_alerts(step: str) -> Iterator[AlertRule]:
    yield AlertRule(
        name="ModelWorkerDown",
        # a replaced version's process has ended as it should
        expr=filter_champions(f"min by ({VERSION}) (servicio_ml_model_worker_up) == 0"),
        wait=multiply_duration(step, WAIT_STEPS),
        severity="page",
        cause="service",
        summary="Model `{{ $labels.model }}`: its isolated process does not run",
        description="The isolated process of `{{ $labels.model }}` v{{ $labels.version }} does not start "
        "again on a server: requests get 503. See the server's log and the runbook.",
    )
    yield AlertRule(
        name="ModelWorkerFailing",
        expr=f"{sum_over_window('model:worker_failures:increase1m', limits.LOST_WINDOW, step)} "
        f">= {limits.WORKER_FAILURES}",
        wait=multiply_duration(step, 2),
        severity="ticket",
        cause="service",
        summary="Model `{{ $labels.model }}`: its isolated process fails",
        description="The isolated process of `{{ $labels.model }}` failed {{ $value | humanize }} times in "
        f"{limits.LOST_WINDOW}; the limit is {limits.WORKER_FAILURES}. See the runbook.",
    )
