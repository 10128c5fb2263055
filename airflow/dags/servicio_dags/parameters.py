"""The parameters of a training that is started by hand."""

import json
from collections.abc import Callable
from typing import Any

from airflow.sdk import Param

from servicio_dags.step import build_options, get_variable
from servicio_ml.domain.search import Choice, Integer, ParameterRange
from servicio_ml.domain.use_case import UseCase


def define_parameters(use_case: UseCase) -> dict[str, Param]:
    names = [candidate.name for candidate in use_case.candidates]
    return {
        "trials": Param(
            None, type=["null", "integer"], minimum=1, description="Number of trials of each candidate."
        ),
        "candidates": Param(
            [], type="array", items={"type": "string", "enum": names}, examples=names,
            description="Candidates to train; all of them when empty.",
        ),
        "period": Param(
            "", type="string", pattern=r"^(\d{4}-\d{2})?$", description="YYYY-MM; the latest when empty."
        ),
        "params": Param(
            {}, type="object", properties=describe_spaces(use_case), additionalProperties=False,
            description="Parameters of the first trial, by candidate.",
        ),
        "force": Param(default=False, type="boolean", description="Train even if nothing is new."),
    }  # fmt: skip


def describe_spaces(use_case: UseCase) -> dict[str, Any]:
    """Describe the tuned parameters of each candidate as a JSON schema, so that a form refuses others."""
    return {
        candidate.name: {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: _describe_range(each) for name, each in candidate.space.items()},
        }
        for candidate in use_case.candidates
    }


def _describe_range(given: ParameterRange) -> dict[str, Any]:
    if isinstance(given, Choice):
        return {"enum": [*given.options]}
    kind = "integer" if isinstance(given, Integer) else "number"
    return {"type": kind, "minimum": given.low, "maximum": given.high}


def define_plan(use_case: str) -> Callable[..., list[str]]:
    """Return the argument builder of the step `plan`: parameters, else Airflow variables, else defaults."""

    def build_arguments(params: Any = None) -> list[str]:
        values = {
            "period": params["period"],
            "trials": params["trials"] or get_variable("training_trials"),
            "timeout": get_variable("training_seconds"),
            "params": json.dumps(params["params"]) if params["params"] else "",
        }
        candidates = [f"--candidate={each}" for each in params["candidates"]]
        force = ["--force"] if params["force"] else []
        return ["step", "plan", use_case, *build_options(values), *candidates, *force]

    return build_arguments
