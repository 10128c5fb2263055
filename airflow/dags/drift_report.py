"""Reports drift of the predictions of the last 30 days and requests a retraining if it harms the champion.

Every night a report on drift and data quality is stored in the lake and in MLflow. The verdict is `none`,
`drift`, or `impact`: estimated or realised performance is beyond its limit. Inputs drift far more often than
models fail, so only `impact` starts `train_model`.
"""

from typing import Any

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowSkipException
from servicio_dags.names import EARLIEST_MONTH, create_drift_asset, load_use_cases
from servicio_dags.step import build_default_args, define_step, keep_field

from servicio_ml.domain.use_case import UseCase

IMPACT = "impact"


def retrain(verdict: dict[str, Any]) -> None:
    """Request a retraining; skipped unless the verdict is `impact`."""
    if verdict["verdict"] != IMPACT:
        raise AirflowSkipException(f"the verdict is {verdict['verdict']!r}")


def define_drift_report(use_case: UseCase) -> None:
    name = use_case.name
    with DAG(
        f"drift_report_{name}",
        description=f"{use_case.title}: drift of the logged predictions",
        schedule="@daily",
        start_date=EARLIEST_MONTH,
        catchup=False,
        max_active_runs=1,
        default_args=build_default_args(),
        tags=["drift", name],
        doc_md=__doc__,
    ):
        define_step(
            "report", "Create the report.", lambda: ["report", name, "--json"], keep_field("report")
        )()
        verdict = define_step(
            "judge", "Compare logged with training rows, and performance with its limits.",
            lambda: ["drift", name, "--json"], keep_field("verdict"),
        )()  # fmt: skip
        task(outlets=[create_drift_asset(name)])(retrain)(verdict)


for each in load_use_cases().values():
    define_drift_report(each)
