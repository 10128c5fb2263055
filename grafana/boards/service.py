"""Requests, their errors and durations, what is left of the budgets, and what is saturated."""

from collections.abc import Sequence

from grafana.board import Section, board
from grafana.colours import BAD, GOOD, ORANGE, PURPLE
from grafana.expressions import (
    ERROR_BUDGET,
    FAST_BURN,
    LATENCY_BUDGET,
    MODEL_COLOURS,
    PROTOCOL_COLOURS,
    SLOW_BURN,
    none_is_zero,
)
from grafana.panels import Line, Lines, Number, Part, Query, below, beyond
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

ERRORS = "service:http_errors:ratio_rate"
SLOW = "service:http_slow:ratio_rate"
LONGEST = thresholds.BURN_WINDOWS[-1]
STATUS_COLOURS = {"2xx": GOOD, "3xx": PURPLE, "4xx": ORANGE, "5xx": BAD}


def _budget(what: str, ratio: str, budget: float, alerts: Sequence[str]) -> Sequence[Part]:
    return (
        Number(
            f"{what}: budget left",
            "percentunit",
            f"Share of the budget of the last {LONGEST} that is not spent; below 0 the objective is missed.",
            [Query(f"1 - {ratio}{LONGEST} / {budget:g}")],
            width=6,
            height=8,
            steps=below(0),
            alerts=alerts,
        ),
        Lines(
            f"{what}: burn",
            "short",
            "How many times faster than it lasts the budget is spent, over several windows. Pages when both"
            " windows of a pair burn: 5m and 1h, 30m and 6h; tickets for the longer ones.",
            [
                *(Query(f"{ratio}{each} / {budget:g}", each) for each in thresholds.BURN_WINDOWS),
                Query(f"vector({FAST_BURN})", "page, 1h", Line.LIMIT),
                Query(f"vector({SLOW_BURN})", "page, 6h", Line.LIMIT),
            ],
            width=18,
            alerts=alerts,
        ),
    )


REQUESTS = (
    Lines(
        "Requests",
        "reqps",
        "Requests per second by route, stacked.",
        [Query("sum by (route) (route:http_requests:rate5m)", "{{route}}")],
        stacked=True,
    ),
    Lines(
        "Answers by status",
        "reqps",
        "Requests per second by class of status. 4xx: the client's; 5xx: ours.",
        [
            Query(
                "sum by (class) (label_replace(rate(http_requests_total[$__rate_interval]),"
                ' "class", "${1}xx", "status", "(.).."))',
                "{{class}}",
            )
        ],
        stacked=True,
        named=STATUS_COLOURS,
    ),
    Lines(
        "Errors by route",
        "percentunit",
        "Share of a route's requests that the server failed (5xx), over 5 minutes.",
        [Query("max by (route) (route:http_errors:ratio_rate5m)", "{{route}}")],
        steps=beyond(ERROR_BUDGET),
        alerts=["ErrorBudgetBurn", "ErrorBudgetBurnSlow"],
    ),
    Lines(
        "Duration, slowest of a hundred",
        "s",
        "99th percentile by route, from the head of a request to the end of its answer. The dashed line is"
        " the objective of requests for one row; a batch takes as long as its size.",
        [Query("max by (route) (route:http_request_duration_seconds:p99_rate5m)", "{{route}}")],
        steps=beyond(thresholds.LATENCY_SECONDS),
        alerts=["LatencyBudgetBurn", "LatencyBudgetBurnSlow"],
    ),
)
SATURATION = (
    Lines(
        "Requests in hand",
        "short",
        "Requests that are being answered, by server. A plateau: the server is as busy as it may be.",
        [Query("sum by (instance) (http_requests_in_progress)", "{{instance}}")],
        width=8,
    ),
    Lines(
        "Rows not yet logged",
        "short",
        "Answered rows that wait in the journals for the prediction log.",
        [Query("service:prediction_log_pending:sum", "rows")],
        width=8,
        steps=beyond(thresholds.BACKLOG_ROWS),
        alerts=["PredictionLogBacklog"],
    ),
    Lines(
        "What was lost",
        "short",
        "In each hour: rows answered but not logged, shadow rows that the challenger missed, versions that"
        " could not be loaded. Each should be 0.",
        [
            Query(none_is_zero("increase(servicio_ml_prediction_log_dropped_total[1h])"), "rows not logged"),
            Query(none_is_zero("increase(servicio_ml_shadow_dropped_total[1h])"), "shadow rows missed"),
            Query(none_is_zero("increase(servicio_ml_model_load_failures_total[1h])"), "versions not loaded"),
        ],
        width=8,
        alerts=["PredictionsLost", "ModelLoadFailing"],
    ),
    Number(
        "Servers",
        "short",
        "Whether Prometheus reaches each server and worker.",
        [Query('min by (job, instance) (up{job=~"servicio-ml|stream-worker"})', "{{job}} {{instance}}")],
        width=12,
        height=8,
        steps=below(1),
        words={0: ("down", BAD), 1: ("up", GOOD)},
        alerts=["ServerDown"],
    ),
    Lines(
        "Time to be scraped",
        "s",
        "How long a server takes to tell its metrics. A server that starves is slow here too.",
        [Query('max by (instance) (scrape_duration_seconds{job="servicio-ml"})', "{{instance}}")],
    ),
)
PREDICTIONS = (
    Lines(
        "Rows scored by protocol",
        "rowsps",
        "Rows per second by the road by which they came, stacked; shadow: scored by a challenger as well.",
        [Query("sum by (protocol) (model:predictions:rate5m)", "{{protocol}}")],
        width=8,
        stacked=True,
        named=PROTOCOL_COLOURS,
    ),
    Lines(
        "Predictions, slowest of a hundred",
        "s",
        "99th percentile by model of the time from a decoded request to its logged answer.",
        [Query("max by (model) (model:prediction_duration_seconds:p99_rate5m)", "{{model}}")],
        width=8,
        named=MODEL_COLOURS,
    ),
    Lines(
        "Values refused",
        "cps",
        "Values per second that broke a model's contract, by model.",
        [Query("sum by (model) (model:rejected_values:rate5m)", "{{model}}")],
        width=8,
        named=MODEL_COLOURS,
        alerts=["RejectedValues", "UnseenLevels"],
    ),
)


def service() -> dashboard.Dashboard:
    budgets = (
        *_budget("Errors", ERRORS, ERROR_BUDGET, ["ErrorBudgetBurn", "ErrorBudgetBurnSlow"]),
        *_budget("Latency", SLOW, LATENCY_BUDGET, ["LatencyBudgetBurn", "LatencyBudgetBurnSlow"]),
    )
    return board(
        "service",
        "Rate, errors and duration of the requests, the budgets of the objectives, saturation.",
        [
            Section("Requests", REQUESTS),
            Section("Objectives", budgets),
            Section("Saturation", SATURATION),
            Section("Predictions", PREDICTIONS),
        ],
    )
