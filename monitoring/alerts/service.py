"""Alerts about the service: reachable, ready, within its error budgets, losing nothing."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import total
from monitoring.rule import Alert, times

WAIT_STEPS, LONG_WAIT_STEPS = 5, 15
JOBS = 'job=~"servicio-ml|stream-worker"'


def alerts(step: str) -> Iterator[Alert]:
    """All of them; `step` is between two evaluations."""
    wait = times(step, WAIT_STEPS)
    yield from _reachable(wait)
    yield from _burning(step)
    yield from _losing(step)


def _reachable(wait: str) -> Iterator[Alert]:
    up, missed = f"sum by (job) (up{{{JOBS}}})", limits.GONE_WINDOW
    gone = f"0 * sum by (job) (last_over_time(up{{{JOBS}}}[{missed}]))"
    yield Alert(
        name="ServerDown",
        expr=f"{up} == 0 or ({gone} unless {up})",
        wait=wait,
        severity="page",
        cause="service",
        summary="No {{ $labels.job }} answers",
        description="Prometheus reaches no instance of the job {{ $labels.job }}.",
    )
    yield Alert(
        name="ModelNotReady",
        expr="max by (model) (servicio_ml_model_ready) == 0",
        wait=wait,
        severity="page",
        cause="service",
        summary="{{ $labels.model }} does not answer",
        description="No server has a champion of {{ $labels.model }} that it can answer with.",
    )


def _burning(step: str) -> Iterator[Alert]:
    kinds = (
        ("ErrorBudgetBurn", "errors", limits.SLO_AVAILABILITY, "failed"),
        ("LatencyBudgetBurn", "slow", limits.SLO_LATENCY, f"took more than {limits.LATENCY_SECONDS} s"),
    )
    for name, kind, objective, what in kinds:
        told = f"{{{{ $value | humanizePercentage }}}} of the requests {what}; {objective:.1%} must not."
        yield Alert(
            name=name,
            expr=_burn(kind, 1 - objective, limits.PAGES, step),
            wait=times(step, 2),
            severity="page",
            cause="service",
            summary=f"Too many requests {what}: the budget of 30 days is gone in days",
            description=told,
        )
        yield Alert(
            name=f"{name}Slow",
            expr=_burn(kind, 1 - objective, limits.TICKETS, step),
            wait=times(step, LONG_WAIT_STEPS),
            severity="ticket",
            cause="service",
            summary=f"Requests that {what} will have used the budget of 30 days before its end",
            description=told,
        )


def _burn(kind: str, budget: float, pairs: Sequence[tuple[float, str, str]], step: str) -> str:
    found = []
    for rate, long, short in pairs:
        bad = total(f"service:http_{kind}:increase1m", long, step)
        allowed = f"{rate * budget:.6g}"
        found.append(
            f"(service:http_{kind}:ratio_rate{long} > {allowed} "
            f"and service:http_{kind}:ratio_rate{short} > {allowed} "
            f"and {bad} >= {limits.LEAST_BAD_REQUESTS})"
        )
    return " or ".join(found)


def _losing(step: str) -> Iterator[Alert]:
    long_wait = times(step, LONG_WAIT_STEPS)
    yield Alert(
        name="PredictionsLost",
        expr=f"{total('model:predictions_lost:increase1m', limits.LOST_WINDOW, step)} > 0",
        wait="0s",
        severity="page",
        cause="service",
        summary="Predictions of {{ $labels.model }} are not logged",
        description=f"{{{{ $value | humanize }}}} rows were answered but not logged in {limits.LOST_WINDOW}.",
    )
    yield Alert(
        name="PredictionLogBacklog",
        expr=f"service:prediction_log_pending:sum > {limits.BACKLOG_ROWS}",
        wait=long_wait,
        severity="ticket",
        cause="service",
        summary="The prediction log does not keep up",
        description="{{ $value | humanize }} rows wait in the journals of the servers.",
    )
    yield Alert(
        name="StreamLagging",
        expr=f"model:stream_lag:max > {limits.STREAM_LAG_REQUESTS}",
        wait=long_wait,
        severity="ticket",
        cause="service",
        summary="The stream of {{ $labels.model }} is not kept up with",
        description="{{ $value | humanize }} requests have no answer yet.",
    )
    yield Alert(
        name="ModelLoadFailing",
        expr=f"{total('model:load_failures:increase1m', limits.LOST_WINDOW, step)} > 0",
        wait=times(step, 2),
        severity="ticket",
        cause="service",
        summary="A version of {{ $labels.model }} cannot be loaded",
        description="A server failed {{ $value | humanize }} times to load what the registry names.",
    )
