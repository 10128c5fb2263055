"""Trains a challenger on the data published last and lets the promotion policy decide.

Starts when a month has been published, when drift harms the champion, and by hand. Each candidate is tuned by
its own task, on any worker, all in one study database. Champion and challenger are then evaluated on the same
rows; decision and evidence are in MLflow. With a ramp in the policy, the servers then roll a good challenger
out. A repeated or late event, with data, definition and trials of a finished run, trains nothing.

The variables `training_trials` and `training_seconds` size every run; the parameters size a single one.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from servicio_dags.failure_task import define_failure_task
from servicio_dags.names import create_drift_asset, create_lake_asset, load_use_cases
from servicio_dags.parameters import define_parameters, define_plan
from servicio_dags.step import build_default_args, define_step

from servicio_ml.domain.use_case import UseCase

LONG: dict[str, Any] = {"execution_timeout": timedelta(hours=6)}
ANY_BRANCH = "none_failed_min_one_success"
Result = dict[str, Any]


@task.short_circuit
def something_new(plan: Result) -> list[str]:
    """Return the candidates to tune; an empty list, where nothing is new, skips the rest."""
    return plan["candidates"] if plan["new"] else []


@task.branch
def decide(verdict: Result) -> str:
    """Promote, begin a rollout or reject."""
    return {"promoted": "promote", "rollout started": "rollout"}.get(verdict["decision"], "reject")


def define_train_model(use_case: UseCase) -> None:
    name = use_case.name

    def add_step(task: str, description: str, option: str = "run", key: str = "run_id", **more: Any) -> Any:
        words = ["step", task, name]
        return define_step(task, description, lambda result: [*words, f"--{option}={result[key]}"], **more)

    def build_tune_arguments(plan: Result, candidate: str) -> list[str]:
        return ["step", "tune", name, f"--run={plan['run_id']}", f"--candidate={candidate}"]

    with DAG(
        f"train_model_{name}",
        description=f"{use_case.title}: champion and challenger",
        schedule=create_lake_asset(name) | create_drift_asset(name),
        is_paused_upon_creation=False,  # only the DAGs that start it have a schedule
        max_active_runs=1,
        default_args=build_default_args(),
        params=define_parameters(use_case),
        tags=["train", name],
        doc_md=__doc__,
    ):
        plan = define_step("plan", "Open or find the run in MLflow.", define_plan(name))()
        each_tuned = define_step(
            "tune", "Tune one candidate; export, check and register its best.", build_tune_arguments,
            **LONG, map_index_template="{{ candidate }}",
        ).partial(plan=plan).expand(candidate=something_new(plan))  # fmt: skip
        select = add_step("select", "Select the candidate by the one-standard-error rule.")(plan)
        refine = add_step("refine", "Search around its best parameters.", **LONG)(plan)
        export = add_step("export", "Fit and export the refined model, and set the challenger.")(plan)
        verdict = add_step("judge", "Evaluate champion and challenger on the same rows.")(plan)
        promote = add_step("promote", "Move the champion alias.", "decision-run", "decision_run")(verdict)
        rollout = add_step("rollout", "Begin a rollout.", "decision-run", "decision_run")(verdict)
        reject = add_step("reject", "Keep the champion.", "decision-run", "decision_run")(verdict)
        reload = define_step("reload", "Make the API load the champion.", lambda: ["step", "reload", name])()
        record = add_step("record", "Record the decision.", trigger_rule=ANY_BRANCH)(plan)
        each_tuned >> select >> refine >> export >> verdict >> decide(verdict) >> [promote, rollout, reject]
        promote >> reload >> record << [rollout, reject]
        each_tuned >> define_failure_task("train", name)(record, plan)


for each in load_use_cases().values():
    define_train_model(each)
