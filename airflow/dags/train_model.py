"""Trains the challenger on what was published last, and lets the promotion decide.

Starts when a month has been published, when drift harms the champion, and by hand. Every candidate is tuned
by a task of its own, on any worker, all in one study database. Champion and challenger are then judged on the
same rows; the decision and its evidence are in MLflow. Where data, definition and trials are those of a run
that is finished, nothing is trained: an event that comes twice, or late, does no harm.

The variables `training_trials` and `training_seconds` size every run; the parameters a single one.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, task
from servicio_dags.ending import give_up
from servicio_dags.names import drift, lake, use_cases
from servicio_dags.parameters import parameters, plan_of
from servicio_dags.step import defaults, step

from servicio_ml.domain.use_case import UseCase

TUNING = timedelta(hours=6)
Result = dict[str, Any]


@task.short_circuit
def something_new(plan: Result) -> list[str]:
    """The candidates to tune; none, and the rest is skipped, where nothing is new."""
    return plan["candidates"] if plan["new"] else []


@task.branch
def decide(judged: Result) -> str:
    """Promote or reject."""
    return "promote" if judged["decision"] == "promoted" else "reject"


def train_model(use_case: UseCase) -> None:
    name = use_case.name

    def of_run(task: str, does: str, **arguments: Any) -> Any:
        return step(task, does, lambda plan: ["step", task, name, f"--run={plan['run_id']}"], **arguments)

    def of_dossier(task: str, does: str) -> Any:
        return step(task, does, lambda judged: ["step", task, name, f"--dossier={judged['dossier']}"])

    def tuned(plan: Result, candidate: str) -> list[str]:
        return ["step", "tune", name, f"--run={plan['run_id']}", f"--candidate={candidate}"]

    with DAG(
        f"train_model_{name}",
        description=f"{use_case.title}: champion and challenger",
        schedule=lake(name) | drift(name),
        is_paused_upon_creation=False,  # only the DAGs that start it have a clock
        max_active_runs=1,
        default_args=defaults(),
        params=parameters(use_case),
        tags=["train", name],
        doc_md=__doc__,
    ):
        plan = step("plan", "Open the run in MLflow, or find the one to be gone on with.", plan_of(name))()
        each_tuned = step(
            "tune", "Tune one candidate; export, check and register its best.", tuned,
            execution_timeout=TUNING, map_index_template="{{ candidate }}",
        ).partial(plan=plan).expand(candidate=something_new(plan))  # fmt: skip
        select = of_run("select", "Choose the candidate by the rule of one standard error.")(plan)
        refine = of_run("refine", "Search around its best parameters.", execution_timeout=TUNING)(plan)
        export = of_run("export", "Fit and export what refining found, and name the challenger.")(plan)
        judged = of_run("judge", "Evaluate champion and challenger on the same rows.")(plan)
        promote = of_dossier("promote", "Move the alias of the champion.")(judged)
        reject = of_dossier("reject", "Leave the champion as it is.")(judged)
        reload = step("reload", "Tell the API.", lambda: ["step", "reload", name])()
        record = of_run("record", "Keep the decision.", trigger_rule="none_failed_min_one_success")(plan)
        each_tuned >> select >> refine >> export >> judged >> decide(judged) >> [promote, reject]
        promote >> reload >> record << reject
        each_tuned >> give_up("train", name)(record, plan)


for each in use_cases().values():
    train_model(each)
