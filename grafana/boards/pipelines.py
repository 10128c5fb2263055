"""What Airflow and the pipeline's commands do: runs, rows, promotions, retraining."""

from grafana.board import Section, Variable, board
from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, PURPLE, SKY, WARN
from grafana.expressions import MODEL_COLOURS, of
from grafana.panels import Lines, Number, Query, beyond
from grafana.tables import Column, Rows
from grafana_foundation_sdk.builders import dashboard

from monitoring import thresholds

USE_CASE = 'use_case=~"$use_case"'
OUTCOMES = {"success": GOOD, "failure": BAD, "failed": BAD, "upstream_failed": ORANGE, "skipped": NEUTRAL}
STATES = {"open": GOOD, "running": BLUE, "queued": ORANGE, "deferred": PURPLE, "scheduled": SKY}
FATES = {
    "train": BLUE,
    "test": SKY,
    "quarantined": BAD,
    "duplicates": PURPLE,
    "unlabelled": ORANGE,
    "later": NEUTRAL,
}
PARTS = 'fate!="read"'
DECISIONS = {"promoted": GOOD, "rejected": ORANGE, "rolled_back": BAD}
RETRAINING = {
    "retrain": GOOD,
    "finished": BLUE,
    "cooling_down": SKY,
    "budget_spent": ORANGE,
    "quarantined": PURPLE,
    "failed": BAD,
    "ignored": NEUTRAL,
}


ONE = 0.5
"""A run, at least: what `increase` makes of one is seldom 1."""


def _recent(outcome: str) -> str:
    """Runs of the last day by step and use case."""
    runs = of("servicio_ml_pipeline_runs_total", USE_CASE, outcome=outcome)
    return f"sum by (step, use_case) (increase({runs}[1d]))"


def _late() -> str:
    """By step and use case: age over the age that is too late."""
    parts = (
        f"{of('pipeline:age_seconds:max', USE_CASE, step=step)} / {seconds}"
        for step, seconds in thresholds.LATEST_SECONDS.items()
    )
    return f"max by (step, use_case) ({' or '.join(parts)})"


def _mean(summary: str, by: str, *matchers: str) -> str:
    sums, counts = (f"sum by ({by}) ({of(f'{summary}_{part}', *matchers)})" for part in ("sum", "count"))
    return f"{sums} / {counts}"


STEPS = (
    Rows(
        "Steps of the pipeline",
        "short",
        "A row for each step of each use case. Late: age of the last success as a share of the age that is"
        " too late; from 100 % on it is told.",
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
            Column("Late", _late(), "percentunit", steps=((None, GOOD), (1, BAD))),
            Column(
                "Since the last success",
                f"max by (step, use_case) ({of('pipeline:age_seconds:max', USE_CASE)})",
                "s",
            ),
            Column("Successes of the day", _recent("success"), "short"),
            Column("Failures of the day", _recent("failure"), "short", steps=((None, GOOD), (ONE, WARN))),
            Column(
                "Mean duration",
                _mean("servicio_ml_pipeline_duration_seconds", "step, use_case", USE_CASE),
                "s",
            ),
        ],
    ),
)
ROWS = (
    Lines(
        "Rows of the latest period",
        "short",
        "What became of the rows of the raw file, stacked: published for training and evaluation,"
        " quarantined, copies, without a target, dated later.",
        [Query(f"sum by (fate) ({of('servicio_ml_pipeline_rows', USE_CASE, PARTS)})", "{{fate}}")],
        width=12,
        stacked=True,
        named=FATES,
    ),
    Lines(
        "Quarantined",
        "percentunit",
        "Share of the raw file's rows that broke the contract, by use case. Each is kept with its reason and"
        " line.",
        [
            Query(
                f"max by (use_case) ({of('servicio_ml_pipeline_rows', USE_CASE, fate='quarantined')})"
                f" / max by (use_case) ({of('servicio_ml_pipeline_rows', USE_CASE, fate='read')})",
                "{{use_case}}",
            )
        ],
        width=12,
        named=MODEL_COLOURS,
    ),
)
CHAMPIONS = (
    Lines(
        "Promotions",
        "short",
        "Decisions on challengers of the last day.",
        [
            Query(
                f"sum by (decision) (increase({of('servicio_ml_promotions_total', USE_CASE)}[1d]))",
                "{{decision}}",
            )
        ],
        width=6,
        named=DECISIONS,
        alerts=["PromotionsRejected"],
    ),
    Lines(
        "Rejections in a row",
        "short",
        "Challengers rejected since the last promotion.",
        [Query(f"max by (use_case) ({of('use_case:rejections_in_a_row:count', USE_CASE)})", "{{use_case}}")],
        width=6,
        named=MODEL_COLOURS,
        steps=((None, GOOD), (thresholds.REJECTIONS_IN_A_ROW, WARN)),
        alerts=["PromotionsRejected"],
    ),
    Lines(
        "Answers to alerts",
        "short",
        "What alerts led to in the last day: a retraining, or why there was none.",
        [
            Query(
                "sum by (decision) (increase(servicio_ml_retraining_decisions_total[1d]))",
                "{{decision}}",
            )
        ],
        width=6,
        named=RETRAINING,
        alerts=["ModelQuarantined"],
    ),
    Number(
        "Retrainings left this month",
        "short",
        "By model; at 0 alerts no longer start a retraining.",
        [Query("min by (model) (servicio_ml_retraining_budget_remaining)", "{{model}}")],
        width=6,
        height=8,
        steps=((None, WARN), (1, GOOD)),
        alerts=["RetrainingBudgetSpent"],
    ),
)
AIRFLOW = (
    Number(
        "Scheduler",
        "short",
        "Heartbeats of the last 5 minutes; none: nothing is scheduled.",
        [Query("sum(increase(airflow_scheduler_heartbeat_total[5m]))")],
        steps=((None, BAD), (1, GOOD)),
    ),
    Number(
        "DAGs",
        "short",
        "DAGs that the scheduler knows.",
        [Query("max(airflow_dagbag_size)")],
    ),
    Number(
        "Broken DAG files",
        "short",
        "Files that cannot be imported.",
        [Query("max(airflow_dag_import_errors)")],
        steps=beyond(1),
    ),
    Number(
        "Reading the DAG files",
        "s",
        "Time taken to read all of them once.",
        [Query("max(airflow_dag_parse_seconds)")],
    ),
    Number(
        "Tasks that wait",
        "short",
        "Starving: could run, but their pool has no slot.",
        [Query('max(airflow_scheduler_tasks{state="starving"})')],
        steps=((None, GOOD), (1, WARN)),
    ),
    Number(
        "Free slots",
        "short",
        "Of the executor. None: everything else waits.",
        [Query('max(airflow_executor_slots{state="open"})')],
        steps=((None, WARN), (1, GOOD)),
    ),
    Lines(
        "Executor",
        "short",
        "Slots by state.",
        [Query("max by (state) (airflow_executor_slots)", "{{state}}")],
        width=8,
        named=STATES,
    ),
    Lines(
        "Pools",
        "short",
        "Slots by pool and state.",
        [Query("max by (pool, state) (airflow_pool_slots)", "{{pool}} {{state}}")],
        width=8,
    ),
    Lines(
        "Tasks that ended",
        "short",
        "In the last hour, by state.",
        [Query("sum by (state) (increase(airflow_task_finished_total[1h]))", "{{state}}")],
        width=8,
        named=OUTCOMES,
    ),
    Rows(
        "Runs of the DAGs",
        "s",
        "Mean, 90th percentile of the last day, and how often they failed.",
        labels={"dag_id": "DAG"},
        columns=[
            Column("Runs", "sum by (dag_id) (airflow_dagrun_duration_seconds_count)"),
            Column(
                "Failed",
                'sum by (dag_id) (airflow_dagrun_duration_seconds_count{outcome="failed"})',
                steps=((None, GOOD), (1, WARN)),
            ),
            Column("Mean", _mean("airflow_dagrun_duration_seconds", "dag_id"), "s"),
            Column("Slow", 'max by (dag_id) (airflow_dagrun_duration_seconds{quantile="0.9"})', "s"),
        ],
    ),
    Rows(
        "Slowest tasks",
        "s",
        "Mean, and 90th percentile of the last day.",
        labels={"dag_id": "DAG", "task_id": "Task"},
        sort="Slow",
        columns=[
            Column("Mean", _mean("airflow_task_duration_seconds", "dag_id, task_id"), "s"),
            Column("Slow", 'max by (dag_id, task_id) (airflow_task_duration_seconds{quantile="0.9"})', "s"),
        ],
    ),
)


def pipelines() -> dashboard.Dashboard:
    use_case = Variable(
        name="use_case",
        label="Use case",
        values="label_values(servicio_ml_pipeline_runs_total, use_case)",
        multi=True,
    )
    return board(
        "pipelines",
        "ETL, training, drift reports, promotions and retraining, and the Airflow that runs them.",
        [
            Section("Pipeline", STEPS),
            Section("Rows", ROWS),
            Section("Champions", CHAMPIONS),
            Section("Airflow", AIRFLOW),
        ],
        variables=[use_case],
        since="now-7d",
    )
