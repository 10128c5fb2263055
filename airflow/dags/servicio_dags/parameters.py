"""The parameters with which a training is started by hand."""

from collections.abc import Callable
from typing import Any

from airflow.sdk import Param

from servicio_dags.step import options, variable
from servicio_ml.domain.use_case import UseCase


def parameters(use_case: UseCase) -> dict[str, Param]:
    names = [candidate.name for candidate in use_case.candidates]
    return {
        "trials": Param(None, type=["null", "integer"], minimum=1, description="Of each candidate."),
        "candidates": Param(
            [], type="array", items={"type": "string", "enum": names}, examples=names,
            description="Only these; all of them when empty.",
        ),
        "period": Param(
            "", type="string", pattern=r"^(\d{4}-\d{2})?$", description="YYYY-MM; the latest when empty."
        ),
        "force": Param(default=False, type="boolean", description="Train also where nothing is new."),
    }  # fmt: skip


def plan_of(use_case: str) -> Callable[..., list[str]]:
    """The words of the step `plan`: the parameters, else the variables, else its own defaults."""

    def words(params: Any = None) -> list[str]:
        given = {
            "period": params["period"],
            "trials": params["trials"] or variable("training_trials"),
            "timeout": variable("training_seconds"),
        }
        only = [f"--candidate={each}" for each in params["candidates"]]
        force = ["--force"] if params["force"] else []
        return ["step", "plan", use_case, *options(given), *only, *force]

    return words
