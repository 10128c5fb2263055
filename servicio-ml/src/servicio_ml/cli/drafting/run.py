"""From a drafted use case to a champion: ETL, a short training, the decision, and how to ask the model."""

import json
import time
from shlex import quote
from typing import Any

from servicio_ml.cli.etl import publish_file
from servicio_ml.cli.session import CommandSession, count_processors
from servicio_ml.cli.train import DEFAULT_TRIALS, train_and_judge
from servicio_ml.domain.use_case import UseCase

SECONDS = 60.0
"""Time limit of the first training's tuning, in seconds."""


def run_draft(here: CommandSession, use_case: UseCase, source: str) -> dict[str, Any]:
    """Publish a raw file, train on it and decide about the challenger; return the training's document."""
    from servicio_ml import bootstrap
    from servicio_ml.pipeline.etl.period import choose_period
    from servicio_ml.pipeline.training.plan import TrainingPlan

    month = choose_period("", time.time())
    publish_file(here, use_case, source, month, bootstrap.create_stats(here.settings), force=False)
    plan = TrainingPlan(
        candidates=use_case.candidates, trials=DEFAULT_TRIALS, seconds=SECONDS, threads=count_processors()
    )
    document = train_and_judge(here, use_case, month, plan, judged=True)
    here.print_line(f"ask it, once `servicio-ml serve` runs:\n  {build_request(here, use_case)}")
    return document


def build_request(here: CommandSession, use_case: UseCase) -> str:
    """Build the command that asks the model for one row of examples."""
    row = {field.name: field.example for field in use_case.schema.fields}
    address = f"http://{here.settings.host}:{here.settings.port}/models/{use_case.name}/predict"
    data = quote(json.dumps(row, ensure_ascii=False))
    return f"curl --header 'Content-Type: application/json' {address} --data {data}"
