"""Dashboard of the state of all models: green, yellow (ticket) or red (page)."""

from grafana.board import PREFIX, BoardSection, build_board
from grafana.charts import StatesPanel
from grafana.colours import BAD, GOOD, WARN
from grafana.expressions import (
    ERROR_BUDGET,
    FAST_BURN,
    LATENCY_BUDGET,
    LEVEL,
    LEVELS,
    MODEL_COLOURS,
    PAGE,
    STALE_SECONDS,
    TICKET,
    WINDOW,
    compute_margin,
    count_alerts,
    filter_champions,
    find_worst_level,
    select_champion,
)
from grafana.panels import YES_NO, LinesPanel, NumberPanel, PanelQuery, mark_below, mark_from, warn_above
from grafana.tables import TableColumn, TablePanel
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

LEVEL_STEPS = ((None, GOOD), (TICKET, WARN), (PAGE, BAD))
MODEL_PAGE = "/d/" + PREFIX + "model?var-model=${__value.text}&${__url_time_range}"
MODEL_LEVEL = (
    f"max by (model) ({LEVEL} or servicio_ml_model_ready * 0) and on (model) servicio_ml_model_ready"
)
ROLLOUT_SHARE = (
    'max by (model) (servicio_ml_rollout_share{arm="challenger"}) and on (model) '
    'servicio_ml_rollout_changed_timestamp_seconds{state!~"finished|rolled_back|aborted"}'
)
AGE = "time() - servicio_ml_champion_registered_timestamp_seconds"
NOW = (
    NumberPanel(
        "Pages",
        "short",
        "Alerts that page: the quality or the availability of predictions is affected.",
        [PanelQuery(count_alerts("page"))],
        width=3,
        steps=mark_from(1),
    ),
    NumberPanel(
        "Tickets",
        "short",
        "Alerts that can wait for the next working day.",
        [PanelQuery(count_alerts("ticket"))],
        width=3,
        steps=((None, GOOD), (1, WARN)),
    ),
    NumberPanel(
        "Servers up",
        "percentunit",
        "Share of the API servers that Prometheus reaches.",
        [PanelQuery('avg(up{job="servicio-ml"})')],
        width=3,
        steps=mark_below(1),
        alerts=["ServerDown"],
    ),
    NumberPanel(
        "Models ready",
        "percentunit",
        "Share of the models whose champion reproduces its golden rows on every server.",
        [PanelQuery("avg(min by (model) (servicio_ml_model_ready))")],
        width=3,
        steps=mark_below(1),
        alerts=["ModelNotReady"],
    ),
    NumberPanel(
        "Failed requests",
        "percentunit",
        "Share of the requests of the last 5 minutes that failed with a status 5xx. Yellow: the error budget"
        " will not last. Red: if it continues for an hour, an alert pages.",
        [PanelQuery("service:http_errors:ratio_rate5m")],
        width=3,
        steps=warn_above(ERROR_BUDGET, ERROR_BUDGET * FAST_BURN),
        alerts=["ErrorBudgetBurn", "ErrorBudgetBurnSlow"],
    ),
    NumberPanel(
        "Slow requests",
        "percentunit",
        "Share of the requests of the last 5 minutes that took longer than the objective. Yellow: the latency"
        " budget will not last. Red: if it continues for an hour, an alert pages.",
        [PanelQuery("service:http_slow:ratio_rate5m")],
        width=3,
        steps=warn_above(LATENCY_BUDGET, LATENCY_BUDGET * FAST_BURN),
        alerts=["LatencyBudgetBurn", "LatencyBudgetBurnSlow"],
    ),
    NumberPanel(
        "Requests",
        "reqps",
        "Requests per second of all routes.",
        [PanelQuery("service:http_requests:rate5m")],
        width=3,
    ),
    NumberPanel(
        "Rows not yet logged",
        "short",
        "Rows in the servers' journals that are not in the prediction log yet.",
        [PanelQuery("service:prediction_log_pending:sum")],
        width=3,
        steps=mark_from(thresholds.BACKLOG_ROWS),
        alerts=["PredictionLogBacklog"],
    ),
)
GLANCE = TablePanel(
    "Models",
    "short",
    "Champion of each model in the window. Margin: difference of accuracy or F1 to the threshold, or of the"
    " mean absolute error as a share of it; below 0 the threshold is violated, which pages if it is"
    " significant. Realised: from ground truth. Expected: from the calibrated probabilities or a model of"
    " the errors, before ground truth is known. Rollout: share of the clients that the challenger answers."
    " Empty cells: no labels, no rows yet, or no rollout.",
    width=24,
    height=7,
    sort="State",
    labels={"model": "Model", "version": "Version"},
    link=MODEL_PAGE,
    columns=[
        TableColumn("State", MODEL_LEVEL, value_names=LEVELS, steps=LEVEL_STEPS),
        TableColumn(
            "Ready", "min by (model) (servicio_ml_model_ready)", value_names=YES_NO, steps=mark_below(1)
        ),
        TableColumn(
            "Quarantined",
            "max by (model) (servicio_ml_quarantined)",
            value_names={0: ("no", GOOD), 1: ("yes", BAD)},
            steps=mark_from(1),
        ),
        TableColumn(
            "Champion's age",
            f"max by (model, version) ({filter_champions(AGE)})",
            "s",
            steps=((None, GOOD), (STALE_SECONDS, WARN)),
        ),
        TableColumn("Rows", select_champion("model:observations:rows", WINDOW), "short"),
        TableColumn("Labelled", select_champion("model:label_coverage:ratio", WINDOW), "percentunit"),
        TableColumn(
            "Margin, realised", compute_margin("realised", WINDOW), "percentunit", steps=mark_below(0)
        ),
        TableColumn(
            "Margin, expected", compute_margin("expected", WINDOW), "percentunit", steps=mark_below(0)
        ),
        TableColumn(
            "Features drifted",
            select_champion("model:drifted_features:ratio", WINDOW),
            "percentunit",
            steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        ),
        TableColumn("Rollout", ROLLOUT_SHARE, "percentunit"),
        TableColumn(
            "Retrainings left",
            "min by (model) (servicio_ml_retraining_budget_remaining)",
            steps=((None, WARN), (1, GOOD)),
        ),
    ],
)
ALERTED = (
    StatesPanel(
        "Alerts over time",
        "short",
        "Firing alerts by name and model.",
        [PanelQuery(find_worst_level("alertname, model"), "{{alertname}} {{model}}")],
        width=14,
        steps=LEVEL_STEPS,
        value_names=LEVELS,
    ),
    TablePanel(
        "Firing alerts",
        "short",
        "Firing alerts, pages first. The links of a panel lead to its entries in the runbook.",
        width=10,
        labels={"alertname": "Alert", "model": "Model", "cause": "Cause", "feature": "Feature"},
        columns=[
            TableColumn(
                "Level",
                find_worst_level("alertname, model, cause, feature"),
                value_names=LEVELS,
                steps=LEVEL_STEPS,
            )
        ],
        sort="Level",
    ),
)
HISTORY = (
    LinesPanel(
        "Rows scored",
        "rowsps",
        "Rows per second by model, without the challenger's shadow rows.",
        [PanelQuery('sum by (model) (model:predictions:rate5m{protocol!="shadow"})', "{{model}}")],
        series_colours=MODEL_COLOURS,
    ),
    LinesPanel(
        "Margin to the threshold, realised",
        "percentunit",
        "Margin as in the table, from ground truth; below 0 the threshold is violated.",
        [PanelQuery(compute_margin("realised", WINDOW), "{{model}}")],
        bottom=None,
        series_colours=MODEL_COLOURS,
        steps=mark_below(0),
        alerts=["PerformanceLow"],
    ),
    LinesPanel(
        "Margin to the threshold, expected",
        "percentunit",
        "Margin as in the table, before ground truth is known; below 0 the threshold is violated.",
        [PanelQuery(compute_margin("expected", WINDOW), "{{model}}")],
        bottom=None,
        series_colours=MODEL_COLOURS,
        steps=mark_below(0),
        alerts=["ExpectedPerformanceLow"],
    ),
    LinesPanel(
        "Features drifted",
        "percentunit",
        "Share of the features whose PSI exceeds its threshold. Drift alone is a ticket, never a page.",
        [PanelQuery(select_champion("model:drifted_features:ratio", WINDOW), "{{model}}")],
        series_colours=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        top=1,
        alerts=["DataDrift", "FeatureDrift"],
    ),
)


def build_overview_board() -> dashboard.Dashboard:
    return build_board(
        "overview",
        "State of the service and of every model.",
        [
            BoardSection("Now", NOW),
            BoardSection("Models", [GLANCE]),
            BoardSection("Alerts", ALERTED),
            BoardSection("History", HISTORY),
        ],
        window=True,
    )
