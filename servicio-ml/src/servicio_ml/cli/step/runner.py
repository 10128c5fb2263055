"""Running one step, which prints its result as one line of JSON and everything else on standard error."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from servicio_ml.cli.session import CommandSession, count_processors, open_session
from servicio_ml.cli.train import build_training_ports
from servicio_ml.domain.use_case import UseCase

if TYPE_CHECKING:
    from servicio_ml.pipeline.training.session import TrainingSession

Document = dict[str, Any]


class RunKind(StrEnum):
    """Pipeline that steps belong to."""

    ETL = "etl"
    TRAIN = "train"


def run_step(name: str, debug: bool, run: Callable[[CommandSession, UseCase], Mapping[str, Any]]) -> None:
    """Run a step, and print its result as one line on standard output."""
    with open_session(as_json=False, debug=debug) as here:
        from servicio_ml.use_cases.catalogue import find

        answer = run(here, find(name, here.settings.use_cases_dir))
        # the last line of standard output is what Airflow passes on to the next task
        sys.stdout.write(json.dumps(answer, allow_nan=False) + "\n")


def run_training_step(
    name: str, run_id: str, debug: bool, work: Callable[["TrainingSession"], Document]
) -> None:
    def run(here: CommandSession, use_case: UseCase) -> Document:
        from servicio_ml.pipeline.training.session import open_training

        with open_training(use_case, run_id, build_training_ports(here), count_processors()) as training:
            return work(training)

    run_step(name, debug, run)
