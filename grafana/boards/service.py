"""Dashboard of the service: requests, errors, durations, error budgets and saturation."""

from collections.abc import Sequence

from grafana.board import BoardSection, build_board
from grafana.colours import BAD, GOOD, ORANGE, PURPLE
from grafana.expressions import (
    ERROR_BUDGET,
    FAST_BURN,
    LATENCY_BUDGET,
    MODEL_COLOURS,
    PROTOCOL_COLOURS,
    SLOW_BURN,
    sum_or_zero,
)
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, PanelSpec, QueryRole, mark_below, mark_from
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

ERRORS = "service:http_errors:ratio_rate"
SLOW = "service:http_slow:ratio_rate"
LONGEST = thresholds.BURN_WINDOWS[-1]
STATUS_COLOURS = {"2xx": GOOD, "3xx": PURPLE, "4xx": ORANGE, "5xx": BAD}


def _build_budget_panels(what: str, ratio: str, budget: float, alerts: Sequence[str]) -> Sequence[PanelSpec]:
    return (
        NumberPanel(
            f"{what}: budget left",
            "percentunit",
            f"Share of the budget of the last {LONGEST} that is left; below 0 the objective is missed.",
            [PanelQuery(f"1 - {ratio}{LONGEST} / {budget:g}")],
            width=6,
            height=8,
            steps=mark_below(0),
            alerts=alerts,
        ),
        LinesPanel(
            f"{what}: burn rate",
            "short",
            "Burn rate of the budget by window; at 1 the budget lasts exactly 30 days. An alert pages when"
            " both windows of a pair exceed its limit: 5m and 1h, 30m and 6h; longer pairs raise tickets.",
            [
                *(PanelQuery(f"{ratio}{each} / {budget:g}", each) for each in thresholds.BURN_WINDOWS),
                PanelQuery(f"vector({FAST_BURN})", "page, 1h", QueryRole.LIMIT),
                PanelQuery(f"vector({SLOW_BURN})", "page, 6h", QueryRole.LIMIT),
            ],
            width=18,
            alerts=alerts,
        ),
    )


REQUESTS = (
    LinesPanel(
        "Requests",
        "reqps",
        "Requests per second by route, stacked.",
        [PanelQuery("sum by (route) (route:http_requests:rate5m)", "{{route}}")],
        stacked=True,
    ),
    LinesPanel(
        "Responses by status",
        "reqps",
        "Responses per second by class of status. 4xx: faults of the client; 5xx: faults of the server.",
        [
            PanelQuery(
                "sum by (class) (label_replace(rate(http_requests_total[$__rate_interval]),"
                ' "class", "${1}xx", "status", "(.).."))',
                "{{class}}",
            )
        ],
        stacked=True,
        series_colours=STATUS_COLOURS,
    ),
    LinesPanel(
        "Errors by route",
        "percentunit",
        "Share of a route's requests that failed with a status 5xx, over 5 minutes.",
        [PanelQuery("max by (route) (route:http_errors:ratio_rate5m)", "{{route}}")],
        steps=mark_from(ERROR_BUDGET),
        alerts=["ErrorBudgetBurn", "ErrorBudgetBurnSlow"],
    ),
    LinesPanel(
        "Duration, 99th percentile (p99)",
        "s",
        "99th percentile by route, from the head of a request to the end of its response. The dashed line is"
        " the objective for requests of one row; the duration of a batch depends on its size.",
        [PanelQuery("max by (route) (route:http_request_duration_seconds:p99_rate5m)", "{{route}}")],
        steps=mark_from(thresholds.LATENCY_SECONDS),
        alerts=["LatencyBudgetBurn", "LatencyBudgetBurnSlow"],
    ),
)
SATURATION = (
    LinesPanel(
        "Requests in flight",
        "short",
        "Requests in flight by server. A plateau: the server has reached its limit.",
        [PanelQuery("sum by (instance) (http_requests_in_progress)", "{{instance}}")],
        width=8,
    ),
    LinesPanel(
        "Rows not yet logged",
        "short",
        "Rows in the journals that are not in the prediction log yet.",
        [PanelQuery("service:prediction_log_pending:sum", "rows")],
        width=8,
        steps=mark_from(thresholds.BACKLOG_ROWS),
        alerts=["PredictionLogBacklog"],
    ),
    LinesPanel(
        "Losses",
        "short",
        "Predictions not logged, shadow rows that the challenger missed, and versions that could not be"
        " loaded, in the last hour. Each should be 0.",
        [
            PanelQuery(
                sum_or_zero("increase(servicio_ml_prediction_log_dropped_total[1h])"), "rows not logged"
            ),
            PanelQuery(sum_or_zero("increase(servicio_ml_shadow_dropped_total[1h])"), "shadow rows missed"),
            PanelQuery(
                sum_or_zero("increase(servicio_ml_model_load_failures_total[1h])"), "versions not loaded"
            ),
        ],
        width=8,
        alerts=["PredictionsLost", "ModelLoadFailing"],
    ),
    LinesPanel(
        "Isolated models",
        "short",
        "Requests that isolated models have not answered, and starts of their processes after an end, in the"
        " last hour; and processes that do not run now. Each should be 0.",
        [
            PanelQuery(
                sum_or_zero("increase(servicio_ml_model_worker_failures_total[1h])"), "requests not answered"
            ),
            PanelQuery(sum_or_zero("increase(servicio_ml_model_worker_restarts_total[1h])"), "starts again"),
            PanelQuery(sum_or_zero("1 - servicio_ml_model_worker_up"), "processes down"),
        ],
        width=12,
        alerts=["ModelWorkerDown", "ModelWorkerFailing"],
    ),
    NumberPanel(
        "Servers",
        "short",
        "Whether Prometheus reaches each server and worker.",
        [PanelQuery('min by (job, instance) (up{job=~"servicio-ml|stream-worker"})', "{{job}} {{instance}}")],
        width=12,
        height=8,
        steps=mark_below(1),
        value_names={0: ("down", BAD), 1: ("up", GOOD)},
        alerts=["ServerDown"],
    ),
    LinesPanel(
        "Scrape duration",
        "s",
        "Time that a server takes to answer a scrape. A server without free CPU time is slow here, too.",
        [PanelQuery('max by (instance) (scrape_duration_seconds{job="servicio-ml"})', "{{instance}}")],
    ),
)
PREDICTIONS = (
    LinesPanel(
        "Rows scored by protocol",
        "rowsps",
        "Rows per second by interface, stacked. shadow: rows that a challenger scores as well.",
        [PanelQuery("sum by (protocol) (model:predictions:rate5m)", "{{protocol}}")],
        width=8,
        stacked=True,
        series_colours=PROTOCOL_COLOURS,
    ),
    LinesPanel(
        "Predictions, 99th percentile (p99)",
        "s",
        "99th percentile by model of the time from a decoded request to its logged prediction.",
        [PanelQuery("max by (model) (model:prediction_duration_seconds:p99_rate5m)", "{{model}}")],
        width=8,
        series_colours=MODEL_COLOURS,
    ),
    LinesPanel(
        "Rejected values",
        "cps",
        "Values per second that violated a model's schema, by model.",
        [PanelQuery("sum by (model) (model:rejected_values:rate5m)", "{{model}}")],
        width=8,
        series_colours=MODEL_COLOURS,
        alerts=["RejectedValues", "UnseenLevels"],
    ),
)


def build_service_board() -> dashboard.Dashboard:
    budgets = (
        *_build_budget_panels("Errors", ERRORS, ERROR_BUDGET, ["ErrorBudgetBurn", "ErrorBudgetBurnSlow"]),
        *_build_budget_panels(
            "Latency", SLOW, LATENCY_BUDGET, ["LatencyBudgetBurn", "LatencyBudgetBurnSlow"]
        ),
    )
    return build_board(
        "service",
        "Rate, errors and duration of requests, error budgets, and saturation.",
        [
            BoardSection("Requests", REQUESTS),
            BoardSection("Objectives", budgets),
            BoardSection("Saturation", SATURATION),
            BoardSection("Predictions", PREDICTIONS),
        ],
    )
