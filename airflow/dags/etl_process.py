"""Publishes the data of a month.

On the first of each month the raw file is copied and read, every row is typed and checked, training and test
rows part, and the manifest of the month is replaced: what was published before holds until then. That starts
`train_model`. Rows dated after the month are left out, so a backfill gives each past month as it was;
publishing a month again restates it.

The raw file is the parameter `source`, else the variable `source_<use case>`, else what
`servicio-ml data fetch` or `sample` left.
"""

from typing import Any

from airflow.sdk import DAG, Param
from servicio_dags.ending import give_up
from servicio_dags.names import START, lake, use_cases
from servicio_dags.step import defaults, options, period, step, variable

from servicio_ml.domain.use_case import UseCase

Result = dict[str, Any]
SOURCE = Param("", type="string", description="Raw file: a path, http(s)://… or s3://…")


def etl_process(use_case: UseCase) -> None:
    name = use_case.name

    def of(step: str, **given: object) -> list[str]:
        return ["step", step, name, *options(given)]

    def extracted(dag_run: Any = None, params: Any = None) -> list[str]:
        source = params["source"] or variable(f"source_{name}")
        return of("extract", source=source, period=period(dag_run))

    def transformed(raw: Result) -> list[str]:
        return of("transform", period=raw["period"], raw=raw["raw"], source=raw["source"])

    def parted(raw: Result, staged: Result) -> list[str]:
        return of("split", period=raw["period"], staged=staged["staged"])

    def published(raw: Result, prepared: Result) -> list[str]:
        return of("publish", period=raw["period"], prepared=prepared["prepared"])

    with DAG(
        f"etl_process_{name}",
        description=f"{use_case.title}: the data of a month",
        schedule="0 0 1 * *",
        start_date=START,
        catchup=False,
        max_active_runs=1,
        default_args=defaults(),
        params={"source": SOURCE},
        tags=["etl", name],
        doc_md=__doc__,
    ):
        raw = step("extract", "Keep a copy of the raw file.", extracted)()
        staged = step(
            "transform", "Type and check every row; what cannot be used goes to quarantine.", transformed
        )(raw)
        prepared = step(
            "split", "Part training and test rows; leave out what gives the target away.", parted
        )(raw, staged)
        last = step(
            "publish", "Replace the manifest of the month.", published, outlets=[lake(name)]
        )(raw, prepared)  # fmt: skip
        give_up("etl", name)(last)


for each in use_cases().values():
    etl_process(each)
