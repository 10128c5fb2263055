"""Dashboard of the pipelines: runs, rows, promotions and retraining."""

from grafana.board import BoardSection, BoardVariable, build_board
from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, PURPLE, SKY, WARN
from grafana.expressions import MODEL_COLOURS, compute_mean, select
from grafana.panels import LinesPanel, NumberPanel, PanelQuery
from grafana.tables import TableColumn, TablePanel
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

USE_CASE = 'use_case=~"$use_case"'
STATUS_COLOURS = {
    "train": BLUE,
    "test": SKY,
    "quarantined": BAD,
    "duplicates": PURPLE,
    "unlabelled": ORANGE,
    "later": NEUTRAL,
}
FINAL_STATUSES = 'fate!="read"'
DECISIONS = {
    "promoted": GOOD,
    "rejected": ORANGE,
    "rolled_back": BAD,
    "rollout_started": BLUE,
    "set_outside": ORANGE,
}
RETRAINING = {
    "retrain": GOOD,
    "finished": BLUE,
    "rejected": ORANGE,
    "cooling_down": SKY,
    "budget_spent": ORANGE,
    "quarantined": PURPLE,
    "failed": BAD,
    "ignored": NEUTRAL,
}


ONE = 0.5
"""Minimum that counts as one run: `increase` extrapolates, so that one run is seldom exactly 1."""


def _filter_recent(outcome: str) -> str:
    """Count the runs of the last day with an outcome, by step and use case."""
    runs = select("servicio_ml_pipeline_runs_total", USE_CASE, outcome=outcome)
    return f"sum by (step, use_case) (increase({runs}[1d]))"


def _compare_age() -> str:
    """Divide the age of the last success by the age at which an alert fires, by step and use case."""
    expressions = (
        f"{select('pipeline:age_seconds:max', USE_CASE, step=step)} / {seconds}"
        for step, seconds in thresholds.MAX_AGE_SECONDS.items()
    )
    return f"max by (step, use_case) ({' or '.join(expressions)})"


STEPS = (
    TablePanel(
        "Steps of the pipeline",
        "short",
        "Steps of each use case. Late: age of the last success as a share of the age at which an alert fires,"
        " from 100 % on.",
        width=24,
        height=9,
        labels={"step": "Step", "use_case": "Use case"},
        sort="Late",
        alerts=[
            "EtlFailed",
            "EtlLate",
            "TrainingFailed",
            "TrainingLate",
            "DriftReportFailed",
            "DriftReportLate",
        ],
        columns=[
            TableColumn("Late", _compare_age(), "percentunit", steps=((None, GOOD), (1, BAD))),
            TableColumn(
                "Since the last success",
                f"max by (step, use_case) ({select('pipeline:age_seconds:max', USE_CASE)})",
                "s",
            ),
            TableColumn("Successes of the day", _filter_recent("success"), "short"),
            TableColumn(
                "Failures of the day", _filter_recent("failure"), "short", steps=((None, GOOD), (ONE, WARN))
            ),
            TableColumn(
                "Mean duration",
                compute_mean("servicio_ml_pipeline_duration_seconds", "step, use_case", USE_CASE),
                "s",
            ),
        ],
    ),
)
ROWS = (
    LinesPanel(
        "Rows of the latest period",
        "short",
        "Rows of the raw file by row status, stacked: published for training and testing, quarantined,"
        " duplicates, without a target, dated after the period.",
        [
            PanelQuery(
                f"sum by (fate) ({select('servicio_ml_pipeline_rows', USE_CASE, FINAL_STATUSES)})", "{{fate}}"
            )
        ],
        width=12,
        stacked=True,
        series_colours=STATUS_COLOURS,
    ),
    LinesPanel(
        "Quarantined",
        "percentunit",
        "Share of the raw file's rows that violated the schema, by use case. The lake stores each with its"
        " line and the reason.",
        [
            PanelQuery(
                f"max by (use_case) ({select('servicio_ml_pipeline_rows', USE_CASE, fate='quarantined')})"
                f" / max by (use_case) ({select('servicio_ml_pipeline_rows', USE_CASE, fate='read')})",
                "{{use_case}}",
            )
        ],
        width=12,
        series_colours=MODEL_COLOURS,
    ),
)
CHAMPIONS = (
    LinesPanel(
        "Promotions",
        "short",
        "Decisions on challengers in the last day.",
        [
            PanelQuery(
                f"sum by (decision) (increase({select('servicio_ml_promotions_total', USE_CASE)}[1d]))",
                "{{decision}}",
            )
        ],
        width=6,
        series_colours=DECISIONS,
        alerts=["PromotionsRejected"],
    ),
    LinesPanel(
        "Rejections in a row",
        "short",
        "Challengers rejected since the last promotion.",
        [
            PanelQuery(
                f"max by (use_case) ({select('use_case:rejections_in_a_row:count', USE_CASE)})",
                "{{use_case}}",
            )
        ],
        width=6,
        series_colours=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.REJECTIONS_IN_A_ROW, WARN)),
        alerts=["PromotionsRejected"],
    ),
    LinesPanel(
        "Retraining decisions",
        "short",
        "Decisions on alerts in the last day: a retraining, or the reason why there was none.",
        [
            PanelQuery(
                "sum by (decision) (increase(servicio_ml_retraining_decisions_total[1d]))",
                "{{decision}}",
            )
        ],
        width=6,
        series_colours=RETRAINING,
        alerts=["ModelQuarantined", "RetrainingRejected"],
    ),
    NumberPanel(
        "Retrainings left",
        "short",
        "Retrainings left by model of the budget for 30 days; at 0, alerts no longer start a retraining.",
        [PanelQuery("min by (model) (servicio_ml_retraining_budget_remaining)", "{{model}}")],
        width=6,
        height=8,
        steps=((None, WARN), (1, GOOD)),
        alerts=["RetrainingBudgetSpent"],
    ),
)


def build_pipelines_board() -> dashboard.Dashboard:
    use_case = BoardVariable(
        name="use_case",
        label="Use case",
        values="label_values(servicio_ml_pipeline_runs_total, use_case)",
        multi=True,
    )
    return build_board(
        "pipelines",
        "ETL, training, drift reports, promotions and retraining.",
        [
            BoardSection("Pipeline", STEPS),
            BoardSection("Rows", ROWS),
            BoardSection("Champions", CHAMPIONS),
        ],
        variables=[use_case],
        since="now-7d",
    )
