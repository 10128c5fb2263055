"""All models at a glance, in the colours of a traffic light."""

from grafana.board import PREFIX, Section, board
from grafana.charts import States
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
    champions,
    firing,
    how_many,
    of_champion,
    room,
)
from grafana.panels import YES_NO, Lines, Number, Query, below, beyond, rising
from grafana.tables import Column, Rows
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

LEVEL_STEPS = ((None, GOOD), (TICKET, WARN), (PAGE, BAD))
MODEL_PAGE = "/d/" + PREFIX + "model?var-model=${__value.text}&${__url_time_range}"
MODEL_LEVEL = (
    f"max by (model) ({LEVEL} or servicio_ml_model_ready * 0) and on (model) servicio_ml_model_ready"
)
AGE = "time() - servicio_ml_champion_registered_timestamp_seconds"
NOW = (
    Number(
        "Pages",
        "short",
        "Alerts that page: a prediction's worth is at stake. Any is one too many.",
        [Query(how_many("page"))],
        width=3,
        steps=beyond(1),
    ),
    Number(
        "Tickets",
        "short",
        "Alerts that wait for the working day.",
        [Query(how_many("ticket"))],
        width=3,
        steps=((None, GOOD), (1, WARN)),
    ),
    Number(
        "Servers up",
        "percentunit",
        "Share of the API servers that Prometheus reaches.",
        [Query('avg(up{job="servicio-ml"})')],
        width=3,
        steps=below(1),
        alerts=["ServerDown"],
    ),
    Number(
        "Models ready",
        "percentunit",
        "Share of the served models whose champion answers its golden rows on every server.",
        [Query("avg(min by (model) (servicio_ml_model_ready))")],
        width=3,
        steps=below(1),
        alerts=["ModelNotReady"],
    ),
    Number(
        "Requests that fail",
        "percentunit",
        "Share of the requests of the last 5 minutes that the server failed. Yellow: faster than the error"
        " budget lasts. Red: so fast that it pages when it goes on for an hour.",
        [Query("service:http_errors:ratio_rate5m")],
        width=3,
        steps=rising(ERROR_BUDGET, ERROR_BUDGET * FAST_BURN),
        alerts=["ErrorBudgetBurn", "ErrorBudgetBurnSlow"],
    ),
    Number(
        "Requests that are slow",
        "percentunit",
        "Share of the requests of the last 5 minutes that took longer than the objective. Yellow: faster than"
        " the budget lasts. Red: so fast that it pages when it goes on for an hour.",
        [Query("service:http_slow:ratio_rate5m")],
        width=3,
        steps=rising(LATENCY_BUDGET, LATENCY_BUDGET * FAST_BURN),
        alerts=["LatencyBudgetBurn", "LatencyBudgetBurnSlow"],
    ),
    Number(
        "Requests",
        "reqps",
        "Requests per second, all routes.",
        [Query("service:http_requests:rate5m")],
        width=3,
    ),
    Number(
        "Rows not yet logged",
        "short",
        "Answered rows that wait in the servers' journals for the prediction log.",
        [Query("service:prediction_log_pending:sum")],
        width=3,
        steps=beyond(thresholds.BACKLOG_ROWS),
        alerts=["PredictionLogBacklog"],
    ),
)
GLANCE = Rows(
    "Models",
    "short",
    "A row for each model, its champion in the window. Room: how far accuracy or F1 are above the limit (in"
    " points), or the mean absolute error below it (as a share); below 0 the limit is broken, which pages"
    " when it is no chance. Expected: from the calibrated probabilities, before any truth is known. Empty"
    " cells: no labels or no rows yet.",
    width=24,
    height=7,
    sort="State",
    labels={"model": "Model", "version": "Version"},
    link=MODEL_PAGE,
    columns=[
        Column("State", MODEL_LEVEL, words=LEVELS, steps=LEVEL_STEPS),
        Column("Ready", "min by (model) (servicio_ml_model_ready)", words=YES_NO, steps=below(1)),
        Column(
            "Quarantined",
            "max by (model) (servicio_ml_quarantined)",
            words={0: ("no", GOOD), 1: ("yes", BAD)},
            steps=beyond(1),
        ),
        Column(
            "Champion's age",
            f"max by (model, version) ({champions(AGE)})",
            "s",
            steps=((None, GOOD), (STALE_SECONDS, WARN)),
        ),
        Column("Rows", of_champion("model:observations:rows", WINDOW), "short"),
        Column("Labelled", of_champion("model:label_coverage:ratio", WINDOW), "percentunit"),
        Column("Room, realised", room("realised", WINDOW), "percentunit", steps=below(0)),
        Column("Room, expected", room("expected", WINDOW), "percentunit", steps=below(0)),
        Column(
            "Features drifted",
            of_champion("model:drifted_features:ratio", WINDOW),
            "percentunit",
            steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        ),
        Column(
            "Retrainings left",
            "min by (model) (servicio_ml_retraining_budget_remaining)",
            steps=((None, WARN), (1, GOOD)),
        ),
    ],
)
ALERTED = (
    States(
        "Alerts over time",
        "short",
        "What fired when, by alert and model.",
        [Query(firing("alertname, model"), "{{alertname}} {{model}}")],
        width=14,
        steps=LEVEL_STEPS,
        words=LEVELS,
    ),
    Rows(
        "Alerts that fire",
        "short",
        "Worst first; the links of a panel lead to the entries of the runbook.",
        width=10,
        labels={"alertname": "Alert", "model": "Model", "cause": "Cause", "feature": "Feature"},
        columns=[
            Column("Level", firing("alertname, model, cause, feature"), words=LEVELS, steps=LEVEL_STEPS)
        ],
        sort="Level",
    ),
)
HISTORY = (
    Lines(
        "Rows scored",
        "rowsps",
        "Rows per second by model; the challenger's shadow rows are left out.",
        [Query('sum by (model) (model:predictions:rate5m{protocol!="shadow"})', "{{model}}")],
        named=MODEL_COLOURS,
    ),
    Lines(
        "Room to the limit, realised",
        "percentunit",
        "As in the table, by the labels that came; below 0 the limit is broken.",
        [Query(room("realised", WINDOW), "{{model}}")],
        bottom=None,
        named=MODEL_COLOURS,
        steps=below(0),
        alerts=["PerformanceLow"],
    ),
    Lines(
        "Room to the limit, expected",
        "percentunit",
        "As in the table; below 0 the limit is broken. It moves before labels come.",
        [Query(room("expected", WINDOW), "{{model}}")],
        bottom=None,
        named=MODEL_COLOURS,
        steps=below(0),
        alerts=["ExpectedPerformanceLow"],
    ),
    Lines(
        "Features drifted",
        "percentunit",
        "Share of the features whose index is above its threshold. Drift alone is a ticket, never a page.",
        [Query(of_champion("model:drifted_features:ratio", WINDOW), "{{model}}")],
        named=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.DRIFTED_SHARE, WARN)),
        top=1,
        alerts=["DataDrift", "FeatureDrift"],
    ),
)


def overview() -> dashboard.Dashboard:
    return board(
        "overview",
        "Whether the service and every model are well, in one look.",
        [
            Section("Now", NOW),
            Section("Models", [GLANCE]),
            Section("Alerts", ALERTED),
            Section("How it came about", HISTORY),
        ],
        window=True,
    )
