"""Explains the logged rows of the last 30 days, and asks for a retraining where drift harms the champion.

Every night a page on drift and quality is kept in the lake and in MLflow. The verdict is `none`, `drift`, or
`impact`: expected or realised performance is beyond its limit. Inputs drift far more often than models fail,
so only `impact` starts `train_model`.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from servicio_dags.names import START, drift, use_cases
from servicio_dags.step import defaults, picked, step

from servicio_ml.domain.use_case import UseCase

IMPACT = "impact"


def retrain(judged: dict[str, Any]) -> None:
    """Ask for a retraining; skipped without impact."""
    if judged["verdict"] != IMPACT:
        raise AirflowSkipException(f"the verdict is {judged['verdict']!r}")


def drift_report(use_case: UseCase) -> None:
    name = use_case.name
    with DAG(
        f"drift_report_{name}",
        description=f"{use_case.title}: what the logged rows are like",
        schedule="@daily",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=defaults(),
        tags=["drift", name],
        doc_md=__doc__,
    ):
        step("report", "Make the page.", lambda: ["report", name, "--json"], picked("report"))()
        judged = step(
            "judge", "Compare logged with training rows, and performance with its limits.",
            lambda: ["drift", name, "--json"], picked("verdict"),
        )()  # fmt: skip
        task(outlets=[drift(name)])(retrain)(judged)


for each in use_cases().values():
    drift_report(each)
