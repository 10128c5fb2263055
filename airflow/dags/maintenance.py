"""Deletes what is older than its retention: logged predictions, old periods of the lake, runs and versions.

What a champion or a challenger was trained on stays.
"""

from airflow.sdk import DAG
from servicio_dags.names import START
from servicio_dags.step import defaults, step

with DAG(
    "maintenance",
    description="Deletes what is older than its retention",
    schedule="@weekly",
    start_date=START,
    catchup=False,
    max_active_runs=1,
    default_args=defaults(),
    tags=["maintenance"],
    doc_md=__doc__,
):
    step("prune", "Delete by retention.", lambda: ["prune", "--json"])()
