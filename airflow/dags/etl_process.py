"""Publishes the data of a month.

On the first of each month this DAG copies and reads the raw file, types and checks every row, splits training
and test rows, and replaces the manifest of the month; readers see the previous state until then. That starts
`train_model`. Rows dated after the month are left out, so that a backfill restates each past month as it was;
publishing a month again restates it.

The raw file is the parameter `source`, else the variable `source_<use case>`, else the file in the folder of
raw files, where uploads are, else the one that `servicio-ml data fetch` or `sample` stored.
"""

from typing import Any

from airflow.sdk import DAG, Param
from servicio_dags.failure_task import define_failure_task
from servicio_dags.names import EARLIEST_MONTH, create_lake_asset, load_use_cases
from servicio_dags.step import build_default_args, build_options, define_step, get_period, get_variable

from servicio_ml.domain.use_case import UseCase

Result = dict[str, Any]
SOURCE = Param("", type="string", description="Raw file: a path, http(s)://… or s3://…")


def define_etl_process(use_case: UseCase) -> None:
    name = use_case.name

    def build_arguments(step: str, **options: object) -> list[str]:
        return ["step", step, name, *build_options(options)]

    def extract(dag_run: Any = None, params: Any = None) -> list[str]:
        source = params["source"] or get_variable(f"source_{name}")
        return build_arguments("extract", source=source, period=get_period(dag_run))

    def transform(raw: Result) -> list[str]:
        return build_arguments("transform", period=raw["period"], raw=raw["raw"], source=raw["source"])

    def split(raw: Result, staged: Result) -> list[str]:
        return build_arguments("split", period=raw["period"], staged=staged["staged"])

    def publish(raw: Result, prepared: Result) -> list[str]:
        return build_arguments("publish", period=raw["period"], prepared=prepared["prepared"])

    with DAG(
        f"etl_process_{name}",
        description=f"{use_case.title}: the data of a month",
        schedule="0 0 1 * *",
        start_date=EARLIEST_MONTH,
        catchup=False,
        max_active_runs=1,
        default_args=build_default_args(),
        params={"source": SOURCE},
        tags=["etl", name],
        doc_md=__doc__,
    ):
        raw = define_step("extract", "Store a copy of the raw file.", extract)()
        staged = define_step(
            "transform", "Type and check every row; move unusable rows to quarantine.", transform
        )(raw)
        prepared = define_step(
            "split", "Split training and test rows; leave out features that leak the target.", split
        )(raw, staged)
        last = define_step(
            "publish", "Replace the manifest of the month.", publish, outlets=[create_lake_asset(name)]
        )(raw, prepared)  # fmt: skip
        define_failure_task("etl", name)(last)


for each in load_use_cases().values():
    define_etl_process(each)
