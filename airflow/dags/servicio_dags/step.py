"""A step: a command of `servicio-ml` in the environment of ML, as a task with its result."""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any

from airflow.sdk import Variable, task

from servicio_dags.failure import tell

RETRIES = 3
BACKOFF = 2.0
"""Each wait is that many times the one before; the first is Airflow's `default_task_retry_delay`."""
LONGEST_WAIT = timedelta(hours=1)
TIMEOUT = timedelta(hours=1)
"""Of a task that names no other."""


def defaults() -> dict[str, Any]:
    """The arguments of every task of a DAG."""
    return {
        "owner": "servicio-ml",
        "retries": RETRIES,
        "retry_exponential_backoff": BACKOFF,
        "max_retry_delay": LONGEST_WAIT,
        "execution_timeout": TIMEOUT,
        "on_failure_callback": tell,
    }


def step(
    name: str,
    does: str,
    words: Callable[..., Sequence[object]],
    result: Callable[[str], Any] = json.loads,
    **arguments: Any,
) -> Any:
    """A kind of task that runs one command; to be called, or expanded, with what its words are made of.

    Args:
        name: Of the task.
        does: One sentence for people.
        words: Gives the words after `servicio-ml`. Its parameters are results of other tasks, or names such
            as `params` and `dag_run`, with a default, which Airflow gives.
        result: Reads what is passed on from the command's result, one line of JSON.
        arguments: Of the operator.
    """

    @wraps(words)
    def line(*args: Any, **kwargs: Any) -> str:
        return command(*words(*args, **kwargs))

    line.__doc__ = does
    bash: Any = task.bash
    return bash(task_id=name, output_processor=result, skip_on_exit_code=None, **arguments)(line)


def command(*words: object) -> str:
    """A line of shell that runs `servicio-ml` and ends with its result in one line.

    The result is printed once the command has ended: the operator mixes both of its outputs, and what comes
    last on the standard error would be taken for the result. `PYTHONPATH` is Airflow's.
    """
    program = shlex.split(os.environ.get("SERVICIO_ML_COMMAND", "servicio-ml"))
    line = " ".join(_quoted(word) for word in (*program, *words))
    return f"unset PYTHONPATH; result=$({line}) && printf %s \"$result\" | tr '\\n' ' '"


def _quoted(word: object) -> str:
    """One word for the shell, in which Jinja, which renders the line once more, finds nothing."""
    return shlex.quote(str(word)).replace("{", "{''")


def period(dag_run: Any) -> str:
    """The month of a run, as `YYYY-MM`: of its logical date, as a backfill has one, else of its start."""
    return f"{dag_run.logical_date or dag_run.run_after:%Y-%m}"


def options(given: Mapping[str, object]) -> list[str]:
    """Names and values as options; none for a value that is not set."""
    return [f"--{name}={value}" for name, value in given.items() if value]


def variable(name: str) -> str:
    """A variable of Airflow; empty where it is not set."""
    return str(Variable.get(name, default=""))


def picked(name: str) -> Callable[[str], dict[str, Any]]:
    """One part of a result that is too large to be passed on."""
    return lambda line: {name: json.loads(line)[name]}
