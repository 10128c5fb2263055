"""Deletes what is older than its retention: logged predictions, old periods of the lake, runs and versions.

The data and runs behind a champion or a challenger stay.
"""

from airflow.sdk import DAG
from servicio_dags.names import EARLIEST_MONTH
from servicio_dags.step import build_default_args, define_step

with DAG(
    "maintenance",
    description="Deletes what is older than its retention",
    schedule="@weekly",
    start_date=EARLIEST_MONTH,
    catchup=False,
    max_active_runs=1,
    default_args=build_default_args(),
    tags=["maintenance"],
    doc_md=__doc__,
):
    define_step("prune", "Delete by retention.", lambda: ["prune", "--json"])()
