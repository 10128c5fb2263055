"""Dashboard of Airflow: its scheduler and executor, and the runs and tasks of each DAG."""

from grafana.board import BoardSection, BoardVariable, build_board
from grafana.colours import BAD, BLUE, GOOD, NEUTRAL, ORANGE, PURPLE, SKY, WARN
from grafana.expressions import compute_mean, select, sum_or_zero
from grafana.panels import LinesPanel, NumberPanel, PanelQuery, mark_from
from grafana.tables import TableColumn, TablePanel
from grafana_foundation_sdk.builders import dashboard

DAG = 'dag_id=~"$dag_id"'
OUTCOMES = {"success": GOOD, "failed": BAD, "upstream_failed": ORANGE, "skipped": NEUTRAL}
STATES = {"open": GOOD, "running": BLUE, "queued": ORANGE, "deferred": PURPLE, "scheduled": SKY}
RUNS = "airflow_dagrun_duration_seconds"


def _average_over_time(summary: str) -> str:
    """Average the observations of each interval, by DAG; nothing where there is none."""
    sums, counts = (
        f"sum by (dag_id) (increase({select(f'{summary}_{part}', DAG)}[$__rate_interval]))"
        for part in ("sum", "count")
    )
    return f"{sums} / ({counts} > 0)"


def _select_high(summary: str, by: str = "dag_id") -> str:
    """Select the 90th percentile of the last day."""
    return f"max by ({by}) ({select(summary, DAG, quantile='0.9')})"


CLUSTER = (
    NumberPanel(
        "Scheduler",
        "short",
        "Heartbeats of the last 5 minutes. Without heartbeats nothing is scheduled.",
        [PanelQuery("sum(increase(airflow_scheduler_heartbeat_total[5m]))")],
        steps=((None, BAD), (1, GOOD)),
    ),
    NumberPanel(
        "DAGs",
        "short",
        "Number of DAGs that the scheduler has loaded.",
        [PanelQuery("max(airflow_dagbag_size)")],
    ),
    NumberPanel(
        "Broken DAG files",
        "short",
        "Number of DAG files that cannot be imported.",
        [PanelQuery("max(airflow_dag_import_errors)")],
        steps=mark_from(1),
    ),
    NumberPanel(
        "Parsing of the DAG files",
        "s",
        "Time to parse all DAG files once.",
        [PanelQuery("max(airflow_dag_parse_seconds)")],
    ),
    NumberPanel(
        "Starving tasks",
        "short",
        "Number of tasks that could run if their pool had a free slot.",
        [PanelQuery('max(airflow_scheduler_tasks{state="starving"})')],
        steps=((None, GOOD), (1, WARN)),
    ),
    NumberPanel(
        "Zombies of the day",
        "short",
        "Tasks of the last day whose process had died, mostly for lack of memory; the scheduler ended them.",
        [PanelQuery(sum_or_zero("increase(airflow_zombies_killed_total[1d])"))],
        steps=((None, GOOD), (0.5, WARN)),
    ),
    LinesPanel(
        "Executor",
        "short",
        "Slots of the executor by state. Without an open one, further tasks wait.",
        [PanelQuery("max by (state) (airflow_executor_slots)", "{{state}}")],
        width=8,
        series_colours=STATES,
    ),
    LinesPanel(
        "Pools",
        "short",
        "Slots of the pools by pool and state.",
        [PanelQuery("max by (pool, state) (airflow_pool_slots)", "{{pool}} {{state}}")],
        width=8,
    ),
    LinesPanel(
        "Operators",
        "short",
        "Attempts at tasks that ended in the last hour, by operator and outcome; each retry is an attempt.",
        [
            PanelQuery(
                "sum by (operator, outcome) (increase(airflow_operator_finished_total[1h]))",
                "{{operator}} {{outcome}}",
            )
        ],
        width=8,
    ),
)
RUNS_BY_DAG = (
    TablePanel(
        "Runs of the DAGs",
        "s",
        "Number of runs and failures, mean duration, and 90th percentile of the last day.",
        width=24,
        labels={"dag_id": "DAG"},
        columns=[
            TableColumn("Runs", f"sum by (dag_id) ({select(f'{RUNS}_count', DAG)})", "short"),
            TableColumn(
                "Failed",
                f"sum by (dag_id) ({select(f'{RUNS}_count', DAG, outcome='failed')})",
                "short",
                steps=((None, GOOD), (1, WARN)),
            ),
            TableColumn("Mean", compute_mean(RUNS, "dag_id", DAG), "s"),
            TableColumn("90th percentile", _select_high(RUNS), "s"),
        ],
    ),
    LinesPanel(
        "Duration of runs",
        "s",
        "Mean duration of the runs that ended in each interval, by DAG.",
        [PanelQuery(_average_over_time(RUNS), "{{dag_id}}")],
        width=8,
    ),
    LinesPanel(
        "Schedule delay",
        "s",
        "Time from when a run was due to its start, 90th percentile of the last day. Runs by hand and by"
        " assets have none.",
        [PanelQuery(_select_high("airflow_dagrun_schedule_delay_seconds"), "{{dag_id}}")],
        width=8,
    ),
    LinesPanel(
        "Dependency checks",
        "s",
        "Mean time that the scheduler took to find the tasks of a run that can start. It grows with the load"
        " of the database.",
        [PanelQuery(_average_over_time("airflow_dagrun_dependency_check_seconds"), "{{dag_id}}")],
        width=8,
    ),
)
TASKS = (
    LinesPanel(
        "Finished tasks",
        "short",
        "Tasks that finished in the last hour, by state.",
        [
            PanelQuery(
                f"sum by (state) (increase({select('airflow_task_finished_total', DAG)}[1h]))", "{{state}}"
            )
        ],
        width=12,
        series_colours=OUTCOMES,
    ),
    LinesPanel(
        "Failed tasks",
        "short",
        "Tasks that failed in the last day, after their last retry, by task.",
        [
            PanelQuery(
                "sum by (dag_id, task_id)"
                f" (increase({select('airflow_task_finished_total', DAG, state='failed')}[1d]))",
                "{{dag_id}} {{task_id}}",
            )
        ],
        width=12,
    ),
    TablePanel(
        "Slowest tasks",
        "s",
        "Mean duration, and 90th percentile of the last day.",
        width=24,
        labels={"dag_id": "DAG", "task_id": "Task"},
        sort="90th percentile",
        columns=[
            TableColumn("Mean", compute_mean("airflow_task_duration_seconds", "dag_id, task_id", DAG), "s"),
            TableColumn(
                "90th percentile", _select_high("airflow_task_duration_seconds", "dag_id, task_id"), "s"
            ),
        ],
    ),
)


def build_airflow_board() -> dashboard.Dashboard:
    dag = BoardVariable(
        name="dag_id",
        label="DAG",
        values="label_values(airflow_dagrun_duration_seconds_count, dag_id)",
        multi=True,
    )
    return build_board(
        "airflow",
        "Scheduler, executor and pools; runs and tasks by DAG.",
        [
            BoardSection("Cluster", CLUSTER),
            BoardSection("Runs by DAG", RUNS_BY_DAG),
            BoardSection("Tasks", TASKS),
        ],
        variables=[dag],
        since="now-7d",
    )
